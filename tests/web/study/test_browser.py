"""The pages in a real browser: keys, clock, lost network, two tabs, and accessibility as far as axe can tell."""

import pytest

from cutis.study.store import answers_table, close_study, pause_study, resume_study

from ..conftest import AIDED, MELANOMA, NEVUS, UNAIDED, Clock, design_of
from .browsing import Browsing

pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")


@pytest.fixture
def open_study(make_study, serve, browser):
    """Serves a study by the real clock, and opens browsers on it."""
    opened: list[Browsing] = []

    def start(design=None, **options):
        study = make_study(design, clock=Clock())
        address = serve(study.app)

        def open_browser(name: str = "R1", **more) -> Browsing:
            opened.append(Browsing(browser, address, study, name, **options, **more))
            return opened[-1]

        return study, open_browser

    yield start
    for each in opened:
        each.context.close()


def kept(study) -> list[tuple]:
    return answers_table(study.store, study.id).select("outcome", "choices", "confidence").rows()


def test_axe_finds_a_fault_where_there_is_one(open_study) -> None:
    _, open_browser = open_study()
    reader = open_browser()
    assert reader.check() == []
    reader.page.evaluate("document.querySelector('.quiet').style.color = '#bbb'")
    assert any("color-contrast" in each for each in reader.check())


@pytest.mark.slow
def test_every_page_is_accessible_at_both_widths_in_light_and_dark(open_study) -> None:
    study, open_browser = open_study(
        design_of(training_cases=1, reading="crossover", washout_days=3, arms=[AIDED, UNAIDED], seconds_per_case=None)
    )
    reader = open_browser()
    page = reader.page

    def check() -> None:
        assert reader.check() == [], reader.heading()
        page.set_viewport_size({"width": 1280, "height": 800})

    check()
    reader.press("Begin")
    check()
    page.get_by_role("checkbox").check()
    reader.press("Take part")
    check()
    reader.press("I have read the instructions")
    check()
    reader.show()
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        check()
    page.get_by_role("button", name="Enlarge").click()
    page.wait_for_selector(".viewer.enlarged")
    check()
    page.get_by_role("radio", name="Malignant").check()
    page.get_by_role("spinbutton").fill("3")
    reader.press("Save the answer")
    page.wait_for_selector(".verdict")
    check()
    reader.press("Go on")
    reader.press("Pause")
    check()
    page.get_by_text("Other machine, sign out, or withdraw").click()
    reader.press("Go on at another machine")
    check()
    page.goto(f"{reader.address}/study/sign-out")
    check()
    page.goto(f"{reader.address}/study/withdraw")
    check()
    page.get_by_role("link", name="Stay in the study").click()
    reader.press("Go on")
    page.get_by_role("button", name="Show the case").wait_for()  # else the next page comes while this one is on its way
    pause_study(study.store, study.id, study.clock())
    page.goto(f"{reader.address}/study")
    assert reader.heading() == "The study is paused"
    check()
    resume_study(study.store, study.id, study.clock())
    page.get_by_role("link", name="Try again").click()
    for _ in range(4):
        reader.show()
        reader.answer()
    assert reader.heading() == "This part is done"
    check()
    study.clock.wait(4 * 86_400)
    page.get_by_role("link", name="Try again").click()
    reader.show()
    page.get_by_role("radio", name="Benign").check()
    page.get_by_role("spinbutton").fill("3")
    reader.press("Save the answer")
    page.wait_for_selector(".verdict")
    reader.press("Go on")
    for _ in range(4):
        reader.show()
        reader.answer()
    assert reader.heading() == "All cases are done. Thank you!"
    check()
    close_study(study.store, study.id, study.clock())
    page.reload()
    check()
    assert reader.errors == []
    page.goto(f"{reader.address}/nothing")
    check()


@pytest.mark.parametrize(
    "question",
    [
        {"kind": "ranked", "choices": "han12", "most": 3, "confidence": ["unsure", "sure"]},
        {"kind": "diagnosis", "choices": "han12", "confidence": "0-100"},
    ],
    ids=lambda each: each["kind"],
)
def test_other_questions_are_accessible_and_read_by_keyboard_alone(open_study, question) -> None:
    study, open_browser = open_study(design_of(question=question))
    reader = open_browser()
    page = reader.page
    keys = page.keyboard
    keys.press("Enter")  # Begin
    page.wait_for_selector("input[name=agree]")
    keys.press("Tab")
    keys.press("Tab")
    keys.press("Space")
    keys.press("Enter")
    page.wait_for_selector("text=How it works")
    keys.press("Enter")
    page.wait_for_selector("text=Show the case")
    keys.press("Enter")
    reader.picture()
    assert reader.check() == []
    keys.press("7")
    if question["kind"] == "ranked":
        keys.press("a")
        keys.press("3")
        keys.press("1")  # a fourth is not taken
        assert page.get_by_role("button", name="Dermatofibroma: choice 2").is_visible()
        keys.press("a")  # and taken back, the third becomes the second
        page.get_by_role("radio", name="unsure").focus()
        keys.press("ArrowRight")
        keys.press("Enter")
    else:
        keys.press("Tab")
        keys.press("ArrowRight")  # the slider
        keys.press("Enter")
    page.wait_for_selector(".notice.saved")
    choices = [each.id for each in design_of(question=question).question.classes.classes]
    if question["kind"] == "ranked":
        assert kept(study) == [("answered", f"{choices[6]}|{choices[2]}", "sure")]
    else:
        assert kept(study) == [("answered", choices[6], "51")]
    assert reader.errors == []


def test_keys_can_be_turned_off(open_study) -> None:
    _, open_browser = open_study()
    reader = open_browser().begin().show()
    reader.page.get_by_role("checkbox", name="Choose with the keys shown").uncheck()
    reader.page.keyboard.press("2")
    assert reader.page.locator("input[name=choice]:checked").count() == 0
    reader.page.reload()
    assert not reader.page.get_by_role("checkbox", name="Choose with the keys shown").is_checked()


@pytest.mark.slow
def test_when_the_time_is_up_a_whole_answer_is_sent_and_half_a_one_times_out(open_study) -> None:
    study, open_browser = open_study(design_of(seconds_per_case=60))
    reader = open_browser().begin().show()
    page = reader.page
    study.clock.wait(48)
    page.reload()
    page.wait_for_selector("[data-say]:has-text('10 seconds left')", state="attached")
    study.clock.wait(4)
    page.reload()
    page.get_by_role("radio", name="Malignant").check()
    page.get_by_role("spinbutton").fill("66")
    page.wait_for_selector(".notice.saved")
    reader.show()
    study.clock.wait(54)
    page.reload()
    page.get_by_role("radio", name="Benign").check()
    page.wait_for_selector(".case.over")
    assert not page.locator("[data-photograph]").is_visible()
    page.wait_for_selector(".notice.timed-out")
    assert kept(study) == [("answered", "malignant", "66"), ("timed out", None, None)]
    assert answers_table(study.store, study.id)["sent_by"].to_list() == ["time limit", None]


def test_a_lost_network_neither_loses_nor_doubles_an_answer(open_study) -> None:
    study, open_browser = open_study()
    reader = open_browser().begin().show()
    page = reader.page
    page.get_by_role("radio", name="Malignant").check()
    page.get_by_role("spinbutton").fill("5")
    reader.context.set_offline(True)
    reader.press("Save the answer")
    page.wait_for_selector("[data-status]:has-text('No connection')")
    assert kept(study) == [(None, None, None)]
    reader.context.set_offline(False)
    page.wait_for_selector(".notice.saved")
    assert kept(study) == [("answered", "malignant", "5")]
    reader.show()
    # This time the answer arrives, and its acknowledgement is lost.
    sent = []

    def lose_the_first_reply(route) -> None:
        sent.append(route.request.post_data)
        if len(sent) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/study/answer/*", lose_the_first_reply)
    reader.answer("Benign", 6)
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert kept(study)[1:] == [("answered", "benign", "6")]
    assert reader.heading() == "Case 3 of 4"


def test_double_click_back_reload_and_a_second_tab(open_study) -> None:
    study, open_browser = open_study()
    reader = open_browser().begin()
    page = reader.page
    page.get_by_role("button", name="Show the case").dblclick()
    reader.picture()
    key = page.get_attribute("[data-case]", "data-case")
    page.reload()
    other = reader.context.new_page()
    reader.watch(other)
    other.goto(f"{reader.address}/study")
    assert other.get_attribute("[data-case]", "data-case") == key
    page.get_by_role("radio", name="Malignant").check()
    page.get_by_role("spinbutton").fill("9")
    page.get_by_role("button", name="Save the answer").dblclick()
    page.wait_for_selector(".notice.saved")
    other.get_by_role("radio", name="Benign").check()
    other.get_by_role("spinbutton").fill("1")
    other.get_by_role("button", name="Save the answer").click()
    other.wait_for_selector(".notice.kept")
    page.go_back()
    page.wait_for_selector("h1:has-text('Case 2 of 4')")
    assert kept(study) == [("answered", "malignant", "9")]


def test_sizes_and_zoom_are_recorded_and_zoom_is_absent_where_it_is_not_allowed(open_study) -> None:
    study, open_browser = open_study(design_of(zoom=True))
    reader = open_browser(device_scale_factor=2).begin()
    with reader.page.expect_request("**/study/events/*"):
        reader.show()
    viewer = reader.page.locator("[data-viewer]")
    before = viewer.bounding_box()
    with reader.page.expect_response("**/study/events/*"):
        reader.page.keyboard.press("+")
        reader.page.keyboard.press("+")
    assert viewer.bounding_box() == before
    assert reader.page.locator("[data-photograph]").bounding_box()["width"] == pytest.approx(
        2 * before["width"], rel=0.01
    )
    viewer.focus()
    left = viewer.evaluate("each => each.scrollLeft")
    reader.page.keyboard.press("ArrowRight")
    reader.until(f"document.querySelector('[data-viewer]').scrollLeft > {left}")
    reader.answer()
    row = answers_table(study.store, study.id).row(0, named=True)
    assert row["zoomed"] == 1
    assert '"window":[1280,800]' in row["displayed"]
    assert '"pixel_ratio":2' in row["displayed"]

    _, open_browser = open_study(design_of(zoom=False))
    reader = open_browser().begin().show()
    assert reader.page.locator("[data-zoom-by]").count() == 0
    assert reader.errors == []


def test_a_photograph_that_does_not_arrive_is_asked_for_again(open_study) -> None:
    _, open_browser = open_study()
    reader = open_browser().begin()
    tries = []

    def fail_once(route) -> None:
        tries.append(route.request.url)
        route.abort() if len(tries) == 1 else route.continue_()

    reader.page.route("**/study/picture/*", fail_once)
    reader.press("Show the case")
    reader.page.wait_for_selector("text=The photograph did not arrive")
    reader.picture()
    reader.page.wait_for_selector("text=The photograph did not arrive", state="hidden")
    assert len(tries) == 2


def test_without_scripts_everything_still_works(open_study) -> None:
    study, open_browser = open_study(design_of(question={"kind": "ranked", "choices": [MELANOMA, NEVUS], "most": 2}))
    reader = open_browser(java_script_enabled=False).begin()
    reader.press("Show the case")
    page = reader.page
    page.locator(".clock noscript p").wait_for()
    page.get_by_label("Most likely").select_option(NEVUS)
    reader.press("Save the answer")
    page.get_by_text("Your answer is saved.").wait_for()
    assert kept(study) == [("answered", NEVUS, None)]
