"""The pages in a real browser: boxes by mouse, touch and keyboard, drafts, two tabs, accessibility at both widths."""

import json

import pytest

from cutis.annotation import annotated_image

from ..study.browsing import RULES, WIDTHS

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")


def faults(page) -> list[str]:
    """What axe finds, and what is wider than the window: on a phone in dark mode, at a desk in light mode."""
    found = []
    for scheme, (width, height) in zip(("dark", "light"), WIDTHS.values(), strict=True):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        for each in axe.Axe().run(page, options={"runOnly": RULES}).response["violations"]:
            found.append(f"{width}: {each['id']}: {each['nodes'][0]['html']}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{width}: the page is wider than the window")
    return found


def until(page, expression: str) -> None:
    """Wait until this is true in the page; playwright's own waiting is refused by the page's policy."""
    for _ in range(150):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {expression}")


def open_image(page, image: int) -> None:
    page.goto(f"{page.address}/images/{image}")
    until(page, "document.querySelector('[data-photograph]').naturalWidth > 0")


def numbers(page) -> list[list[int]]:
    """The boxes as their number fields tell them."""
    return page.evaluate(
        "[...document.querySelectorAll('[data-box-list] li')].map(row => "
        "[...row.querySelectorAll('input')].map(each => Number(each.value)))"
    )


def corner(page, x: float, y: float) -> tuple[float, float]:
    """A pixel of the image, on the screen."""
    area = page.locator("[data-photograph]").bounding_box()
    return area["x"] + x * area["width"] / 400, area["y"] + y * area["height"] / 300


def drag(page, start, end) -> None:
    page.mouse.move(*corner(page, *start))
    page.mouse.down()
    page.mouse.move(*corner(page, *((a + b) / 2 for a, b in zip(start, end, strict=True))))
    page.mouse.move(*corner(page, *end))
    page.mouse.up()


def near(box, wanted) -> bool:
    return all(abs(a - b) <= 1 for a, b in zip(box, wanted, strict=True))


def save(page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    until(page, "/^Saved, version/.test(document.querySelector('[data-saved]').textContent)")


def test_boxes_are_drawn_moved_resized_and_removed_by_mouse(served, open_page):
    page = open_page("A")
    open_image(page, 1)
    assert numbers(page) == []
    drag(page, (100, 80), (200, 160))
    assert near(numbers(page)[0], (100, 80, 100, 80))
    drag(page, (150, 120), (170, 100))  # move it
    assert near(numbers(page)[0], (120, 60, 100, 80))
    drag(page, (220, 140), (260, 170))  # its lower right handle
    assert near(numbers(page)[0], (120, 60, 140, 110))
    drag(page, (190, 115), (900, 900))  # it stays within the image
    assert near(numbers(page)[0], (260, 190, 140, 110))
    drag(page, (20, 20), (21, 21))  # a click draws nothing
    drag(page, (10, 10), (60, 60))
    assert len(numbers(page)) == 2
    page.get_by_role("button", name="Larger").click()
    page.get_by_role("button", name="Larger").click()
    before = numbers(page)
    assert page.locator("[data-zoom-level]").inner_text() == "2 ×"
    assert numbers(page) == before
    page.get_by_role("button", name="Remove box 1").click()
    assert near(numbers(page)[0], (10, 10, 50, 50))
    save(page)
    kept = annotated_image(served.library, served.people["A"], 1).mine.annotation.boxes
    assert [[each.left, each.top, each.width, each.height] for each in kept] == numbers(page)
    assert page.errors == []


def test_everything_is_done_by_the_keyboard(served, open_page):
    page = open_page("A")
    open_image(page, 1)
    search = page.get_by_role("combobox", name="Diagnosis")
    search.focus()
    page.keyboard.type("bowen")
    until(page, "document.querySelectorAll('[role=option]').length > 2")
    assert search.get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.locator("[role=option][aria-selected=true] b").inner_text() == "Bowen disease"
    page.keyboard.press("Enter")
    assert page.locator("[data-chosen]").inner_text() == "Chosen: Bowen disease"
    page.get_by_role("button", name="Add a box here").press("Enter")
    [(left, top, width, height)] = numbers(page)
    for key in ("ArrowRight", "ArrowDown", "Control+ArrowLeft", "Shift+ArrowRight", "Control+Shift+ArrowUp"):
        page.keyboard.press(key)
    assert numbers(page) == [[left + 3, top + 4, width + 4, height - 1]]
    page.get_by_label("Left of box 1").fill("12")
    page.keyboard.press("Tab")
    assert numbers(page)[0][0] == 12
    page.get_by_label("Width of box 1").fill("999")
    page.keyboard.press("Tab")
    assert "would not lie within the image" in page.locator("[data-problem]").inner_text()
    assert numbers(page)[0][2] == width + 4
    page.get_by_role("button", name="Add a box here").press("Enter")
    page.keyboard.press("Delete")
    assert len(numbers(page)) == 1
    page.get_by_label("hair").press("Space")
    page.keyboard.press("Control+s")
    until(page, "/^Saved, version 1/.test(document.querySelector('[data-saved]').textContent)")
    kept = annotated_image(served.library, served.people["A"], 1).mine.annotation
    assert (kept.node, kept.quality, len(kept.boxes)) == ("bowen-disease", ("hair",), 1)
    search.fill("not a diagnosis at all zzz")
    page.keyboard.press("Tab")
    assert search.input_value() == "Bowen disease"  # what was not chosen does not count
    search.fill("")
    page.keyboard.press("Tab")
    save(page)
    assert annotated_image(served.library, served.people["A"], 1).mine.annotation.node is None


def test_a_finger_draws_only_when_asked(served, open_page):
    page = open_page("A", has_touch=True, is_mobile=True)
    page.set_viewport_size({"width": 390, "height": 844})
    open_image(page, 1)

    def swipe(start, end):
        client = page.context.new_cdp_session(page)
        points = [corner(page, *start), corner(page, *((a + b) / 2 for a, b in zip(start, end, strict=True)))]
        points.append(corner(page, *end))
        for k, (x, y) in enumerate(points):
            kind = "touchMove" if k else "touchStart"
            client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(100)

    swipe((200, 150), (200, 100))
    assert numbers(page) == []
    page.evaluate("scrollTo(0, 0)")
    page.get_by_role("button", name="Draw a box").tap()
    swipe((100, 80), (250, 200))
    assert len(numbers(page)) == 1
    assert abs(numbers(page)[0][2] - 150) <= 4
    assert page.get_by_role("button", name="Draw a box").get_attribute("aria-pressed") == "false"
    before = numbers(page)[0]
    swipe((175, 140), (195, 160))  # a box is moved without it
    assert numbers(page)[0][0] > before[0]


def test_unsaved_work_outlives_a_reload_and_can_be_discarded(served, open_page):
    page = open_page("A")
    open_image(page, 1)
    drag(page, (100, 80), (200, 160))
    page.get_by_label("Note").fill("not yet saved")
    drawn = numbers(page)
    page.reload()
    assert numbers(page) == drawn
    assert page.get_by_label("Note").input_value() == "not yet saved"
    assert "are restored" in page.locator("[data-restored]").inner_text()
    page.goto(page.address)
    assert "Unsaved in this browser: IMAGE0" in page.locator("[data-drafts]").inner_text()
    open_image(page, 1)
    page.get_by_role("button", name="Discard them").click()
    assert numbers(page) == []
    page.goto(page.address)
    assert not page.locator("[data-drafts]").is_visible()


def test_two_tabs_never_overwrite_each_other_silently(served, open_page):
    page = open_page("A")
    open_image(page, 1)
    other = page.context.new_page()
    other.address = page.address
    open_image(other, 1)
    page.get_by_label("Note").fill("from the first tab")
    save(page)
    other.get_by_label("Note").fill("from the second tab")
    other.get_by_role("button", name="Save", exact=True).click()
    until(other, "!document.querySelector('[data-conflict]').hidden")
    assert "saved in the meantime (version 1" in other.locator("[data-conflict]").inner_text()
    kept = annotated_image(served.library, served.people["A"], 1).mine
    assert (kept.version, kept.annotation.note) == (1, "from the first tab")
    other.get_by_role("button", name="Look again, keep mine").click()
    until(other, "!document.querySelector('[data-restored]')?.hidden")
    assert "version 1 stands now" in other.locator("[data-restored]").inner_text()
    assert other.get_by_label("Note").input_value() == "from the second tab"
    save(other)
    assert annotated_image(served.library, served.people["A"], 1).mine.version == 2


def test_work_is_kept_when_the_server_is_gone_or_the_session_ended(served, open_page):
    page = open_page("A")
    open_image(page, 1)
    page.get_by_label("Note").fill("keep me")
    page.context.set_offline(True)
    page.get_by_role("button", name="Save", exact=True).click()
    until(page, "/does not answer/.test(document.querySelector('[data-problem]').textContent)")
    page.context.set_offline(False)
    page.context.clear_cookies()
    page.get_by_role("button", name="Save", exact=True).click()
    until(page, "/not signed in any more/.test(document.querySelector('[data-problem]').textContent)")
    assert "keep me" in json.dumps(page.evaluate("({...localStorage})"))


def test_the_curator_takes_one_and_saves(served, open_page):
    for name, left in (("A", 10), ("B", 200)):
        client = served.signed_in(name)
        client.save(1, node="nevus" if name == "A" else "melanoma",
                    boxes=[{"left": left, "top": 20, "width": 30, "height": 40}])  # fmt: skip
    page = open_page("K")
    page.goto(f"{page.address}/?progress=disagreed")
    page.get_by_role("link", name="IMAGE0").click()
    assert page.locator(".seen").count() == 2
    assert "They disagree on: diagnosis, boxes." in page.inner_text("main")
    page.get_by_role("button", name="Take this").nth(1).click()
    assert numbers(page) == [[200, 20, 30, 40]]
    save(page)
    kept = annotated_image(served.library, served.people["K"], 1)
    assert (kept.state, kept.settlement.annotation.node) == ("adjudicated", "melanoma")


def test_save_and_next_goes_on_within_the_filters(served, open_page):
    page = open_page("A")
    page.goto(f"{page.address}/?progress=to+do&node=melanoma")
    page.get_by_role("link", name="IMAGE0").click()
    page.get_by_role("button", name="Save and next").click()
    page.wait_for_url("**/images/4?node=melanoma&progress=to+do")
    assert "1 of 1" in page.inner_text("main")
    assert annotated_image(served.library, served.people["A"], 1).mine.annotation.node == "melanoma"


@pytest.mark.slow
def test_every_page_is_accessible_at_both_widths_in_light_and_dark(served, open_page):
    for name, node in (("A", "nevus"), ("B", "melanoma")):
        client = served.signed_in(name)
        for image in (1, 2):
            client.save(image, node=node, quality=["hair"], note="a note",
                        boxes=[{"left": 10, "top": 20, "width": 90, "height": 140}])  # fmt: skip
    page = open_page("A")
    assert faults(page) == []
    open_image(page, 1)
    page.get_by_label("Note").fill("unsaved")
    page.get_by_role("button", name="Larger").click()
    page.get_by_role("combobox", name="Diagnosis").fill("nev")
    until(page, "document.querySelectorAll('[role=option]').length > 2")
    page.keyboard.press("ArrowDown")
    assert faults(page) == []
    for address in ("/nowhere", "/desk", "/?quality=x", "/sign-in", "/enter/x", "/?source=none"):
        page.goto(page.address + address)
        assert faults(page) == [], address
    page = open_page("K")
    open_image(page, 1)
    for each in page.locator("summary").all():
        each.click()
    assert faults(page) == []
    for address in ("/desk", "/desk/history", "/?progress=disagreed&node=benign"):
        page.goto(page.address + address)
        assert faults(page) == [], address
    page.goto(f"{page.address}/desk")
    page.get_by_role("button", name="New link for A").click()
    assert faults(page) == []
    assert page.errors == []


def test_axe_finds_a_fault_where_there_is_one(open_page):
    page = open_page("A")
    page.evaluate("document.querySelector('.quiet').style.color = '#bbb'")
    assert any("color-contrast" in each for each in faults(page))
