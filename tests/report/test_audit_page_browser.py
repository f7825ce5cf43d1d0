"""The audit's page in a browser: pairs are marked by mouse and keys, marks stay, and the file of them can be read."""

import io
import json

import numpy as np
import polars as pl
import pytest
from PIL import Image

from cutis.audit.decisions import Decisions, read_decisions
from cutis.audit.result import AuditResult
from cutis.data import draw_phantom, manifest_frame, phantom_lesion, phantom_view
from cutis.report.audit_page import write_audit_page

HOSTILE = "</script><script>document.title='hacked'</script><b>\"'&\u2028"
IDS = ("a", "b", "c", "d", HOSTILE, "f")
PAIRS = [  # the second image is the first mirrored and turned by a quarter clockwise
    {"image_id_a": "a", "image_id_b": "c", "same_lesion": False},
    {"image_id_a": "c", "image_id_b": "d", "same_lesion": None},
    {"image_id_a": "b", "image_id_b": HOSTILE, "same_lesion": False},
    {"image_id_a": "a", "image_id_b": "b", "same_lesion": True},
]


def image(name):
    return ("ham10000", name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six pictures of a phantom, every second one mirrored and turned."""
    folder = tmp_path_factory.mktemp("audit")
    picture = draw_phantom(phantom_lesion("mel", 1), phantom_view(40, 1), (150, 200)).image
    Image.fromarray(picture).save(folder / "0.png")
    Image.fromarray(np.rot90(np.fliplr(picture), k=-1)).save(folder / "1.png")
    return folder


def write(folder, path, pairs=PAIRS, **options):
    manifest = manifest_frame(
        {
            "image_id": image_id,
            "image_path": str(folder / f"{n % 2}.png"),
            "source": "ham10000",
            "source_diagnosis": "mel",
            "subset": "test" if image_id == "c" else "train",
        }
        for n, image_id in enumerate(IDS)
    )
    measured = {
        "source_a": "ham10000", "source_b": "ham10000", "reasons": ["perceptual hash"], "score": 0.9, "similarity": 0.9,
        "hamming": 3, "inliers": 99, "correlation": 0.9, "overlap": 0.9, "scale": 1.0, "rotation": 90.0,
        "mirrored": True, "same_patient": None, "same_diagnosis": True, "verdict": "suspected", "decided": False,
    }  # fmt: skip
    booleans = {"same_lesion": pl.Boolean, "same_patient": pl.Boolean}
    table = pl.DataFrame([{**measured, **each} for each in PAIRS], schema_overrides=booleans).head(len(pairs))
    audit = AuditResult(
        cutis_version="0.1.0", made_at="2026-01-31T12:00:00+00:00", images=6, without_image=0,
        sources={"ham10000": 6}, lesions=None, patients=None, groups=4, largest_group=3, pairs_same=1,
        pairs_suspected=3, cross_lesion=2, decided=0, leaks=[], leaks_total=0, quality={"blurred": 2}, unfit=2,
        trouble={"age 0": 1}, shortcuts=[{"name": "a column with a very long name_" * 4, "auc": 0.7, "low": 0.6,
        "high": 0.8, "warning": "a long warning " * 9}], skin_tone={"light": 6}, neighbour_recall=None,
        thresholds={"same": 0.8}, notes=[],
    )  # fmt: skip
    write_audit_page(audit, table, manifest, path, **options)


@pytest.fixture
def visit(browser, folder, tmp_path):
    """Opens the page; at the end of the test it must have asked for nothing and complained of nothing."""
    contexts, complaints = [], []

    def opened(width=1280, height=900, java_script=True, **options):
        write(folder, tmp_path / "audit.html", **options)
        context = browser.new_context(viewport={"width": width, "height": height}, java_script_enabled=java_script)
        contexts.append(context)
        context.set_default_timeout(60_000)  # a busy machine is no fault of the page
        page = context.new_page()
        ours = ("data:image/jpeg;base64,", "blob:", (tmp_path / "audit.html").as_uri())
        page.on("request", lambda each: complaints.append(each.url) if not each.url.startswith(ours) else None)
        page.on("console", lambda each: complaints.append(each.text))
        page.on("pageerror", lambda each: complaints.append(str(each)))
        page.goto((tmp_path / "audit.html").as_uri())
        return page

    yield opened
    for each in contexts:
        each.close()
    assert complaints == []


def card(page, number):
    return page.locator(".card").nth(number - 1)


def states(page):
    return page.locator(".card .state").all_text_contents()


def progress(page):
    return page.locator("#audit-progress").inner_text()


def shown(page):
    return [n for n in range(1, 5) if card(page, n).is_visible()]


def current(page):
    return page.locator(".card.current h3").all_text_contents()


def saved(page, tmp_path):
    with page.expect_download() as download:
        page.get_by_role("button", name="Save decisions").click()
    assert download.value.suggested_filename == "decisions.json"
    download.value.save_as(tmp_path / "saved.json")
    return read_decisions(tmp_path / "saved.json")


SAME, DIFFERENT, OPEN = "Marked: same lesion", "Marked: different lesions", "Not marked"


def test_marks_by_keys_and_mouse_stay_and_are_saved(visit, tmp_path):
    page = visit()
    assert progress(page) == "0 of 4 marked"
    page.keyboard.press("s")
    assert current(page) == ["Pair 2"]
    page.keyboard.press("ArrowRight")
    card(page, 3).get_by_role("button", name="Different").click()
    assert states(page) == [SAME, OPEN, DIFFERENT, OPEN]
    assert card(page, 3).get_by_role("button", name="Different").get_attribute("aria-pressed") == "true"
    page.reload()
    assert states(page) == [SAME, OPEN, DIFFERENT, OPEN]
    assert progress(page) == "2 of 4 marked"
    decisions = saved(page, tmp_path)
    assert len(decisions.decisions) == 2
    assert decisions.verdict_of(image("a"), image("c")) is True
    assert decisions.verdict_of(image(HOSTILE), image("b")) is False
    assert page.locator("#audit-told").inner_text() == "2 decisions saved as decisions.json."


def test_a_saved_decision_survives_a_second_audit_on_another_machine(visit, tmp_path):
    page = visit()
    page.keyboard.press("d")
    first = saved(page, tmp_path)
    again = visit(decisions=first)  # a new browser: it keeps nothing
    assert states(again) == [DIFFERENT, OPEN, OPEN, OPEN]
    again.keyboard.press("j")
    again.keyboard.press("s")
    second = saved(again, tmp_path)
    assert {each.same for each in second.decisions} == {True, False}
    assert first.decisions[0] in second.decisions


def test_undo_goes_back_and_a_pressed_button_takes_its_mark_off(visit, tmp_path):
    page = visit()
    for key in "sdu":
        page.keyboard.press(key)
    assert states(page) == [SAME, OPEN, OPEN, OPEN]
    assert current(page) == ["Pair 2"]
    page.get_by_role("button", name="Undo").click()
    assert states(page) == [OPEN] * 4
    page.keyboard.press("u")
    assert page.locator("#audit-told").inner_text() == "Nothing to undo."
    button = card(page, 1).get_by_role("button", name="Same")
    button.click()
    button.click()
    assert states(page)[0] == OPEN
    page.reload()
    assert states(page)[0] == OPEN
    assert saved(page, tmp_path) == Decisions()


def test_a_mark_taken_back_stays_so_though_the_file_had_it(visit, tmp_path):
    page = visit()
    page.keyboard.press("s")
    page = visit(decisions=saved(page, tmp_path))
    card(page, 1).get_by_role("button", name="Same").click()
    page.reload()
    assert states(page)[0] == OPEN
    assert saved(page, tmp_path) == Decisions()


def test_filters_show_what_they_say(visit):
    page = visit()
    page.keyboard.press("s")
    for name, pairs in [("Different lesion ids", [1, 3]), ("On both sides", [1, 2]), ("Not marked", [2, 3, 4])]:
        button = page.locator("[data-filter]", has_text=name)
        assert button.inner_text().split()[-1] == str(len(pairs))
        button.click()
        assert shown(page) == pairs
        assert button.get_attribute("aria-pressed") == "true"
    page.keyboard.press("s")  # pair 2: it stays where it is until the filter is pressed again
    assert shown(page) == [2, 3, 4]
    assert current(page) == ["Pair 3"]
    button.click()
    assert shown(page) == [3, 4]
    for _ in range(3):
        page.keyboard.press("k")
    assert current(page) == ["Pair 3"]
    page.keyboard.press("d")
    page.keyboard.press("d")
    button.click()
    assert page.get_by_text("No pair is of this kind.").is_visible()
    page.keyboard.press("s")  # nothing is chosen: nothing is marked
    assert states(page) == [SAME, SAME, DIFFERENT, DIFFERENT]


def test_keys_can_be_turned_off(visit):
    page = visit()
    page.get_by_label("Use keys").uncheck()
    page.locator("h1").click()
    page.keyboard.press("s")
    assert progress(page) == "0 of 4 marked"
    page.get_by_label("Use keys").check()
    page.locator("h1").click()
    page.keyboard.press("Control+s")
    assert progress(page) == "0 of 4 marked"
    page.keyboard.press("s")
    assert progress(page) == "1 of 4 marked"


def entry(a, b, same, moment):
    return {"a": list(image(a)), "b": list(image(b)), "same": same, "decided_at": moment}


def test_a_file_is_loaded_and_the_later_decision_stands(visit, tmp_path):
    page = visit()
    page.keyboard.press("s")
    content = [
        entry("c", "a", False, "2001-01-01T00:00:00Z"),  # earlier than the mark just made
        entry("c", "d", True, "2001-01-01T00:00:00+02:00"),
        entry("x", "y", False, "2001-01-01T00:00:00Z"),  # about a pair not shown: kept
    ]
    (tmp_path / "d.json").write_text(json.dumps({"format": 1, "decisions": content}))
    page.locator("#audit-file").set_input_files(tmp_path / "d.json")
    page.get_by_text("3 decisions loaded from d.json, 2 of them on pairs shown here.").wait_for()
    assert states(page) == [SAME, SAME, OPEN, OPEN]
    page.reload()
    decisions = saved(page, tmp_path)
    assert len(decisions.decisions) == 3
    assert decisions.verdict_of(image("x"), image("y")) is False


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "d.json is not JSON"),
        ("[]", "d.json is no file of decisions."),
        ('{"format": 2, "decisions": []}', "d.json is no file of decisions."),
        (json.dumps({"format": 1, "decisions": [entry("a", "a", True, "2001-01-01T00:00:00Z")]}), "decision 1"),
        (json.dumps({"format": 1, "decisions": [entry("a", "b", True, "2001-01-01T00:00:00")]}), "decision 1"),
    ],
)
def test_a_bad_file_is_refused_and_changes_nothing(visit, tmp_path, content, told):
    page = visit()
    (tmp_path / "d.json").write_text(content)
    page.locator("#audit-file").set_input_files(tmp_path / "d.json")
    page.locator("#audit-told.bad", has_text=told).wait_for()
    assert states(page) == [OPEN] * 4


def test_turning_the_second_image_lays_it_like_the_first(visit):
    page = visit()

    def seen(which):
        picture = Image.open(io.BytesIO(card(page, 4).locator(f".{which} .frame").screenshot())).convert("L")
        return np.asarray(picture.resize((64, 64)), dtype=float).ravel()

    before = np.corrcoef(seen("first"), seen("second"))[0, 1]
    card(page, 4).get_by_role("button", name="Turn the second image").click()
    after = np.corrcoef(seen("first"), seen("second"))[0, 1]
    assert before < 0.8
    assert after > 0.97


def test_hostile_ids_are_only_words(visit):
    page = visit()
    assert page.title() == "Leakage audit"
    assert HOSTILE.strip("\u2028") in card(page, 3).locator(".second dd").first.text_content()


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_screen(visit, width):
    page = visit(width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    first, second = (card(page, 4).locator(f".{each} img").bounding_box() for each in ("first", "second"))
    assert first["y"] == second["y"]  # side by side, on a phone too
    assert first["x"] + first["width"] <= second["x"]
    assert first["width"] > 130
    assert second["width"] == second["height"] == first["height"]  # whole, though it is upright and the first is not


def test_no_pairs_is_a_page_as_well(visit):
    page = visit(pairs=[])
    assert page.get_by_text("found no two images that look like the same lesion").is_visible()
    assert not page.locator(".desk").count()


def test_without_a_script_all_can_be_read_and_nothing_pressed(visit):
    page = visit(java_script=False)
    assert card(page, 4).is_visible()
    assert page.locator("noscript p").is_visible()
    assert not page.get_by_role("button").count()
