"""The study nurse's pages in a real browser: axe at two widths, dark and light, keyboard, no scripts."""

import re

import pytest

from ..study.browsing import RULES, WIDTHS
from .desk import DESIGN, post

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")


@pytest.fixture
def open_desk(make_desk, serve, browser):
    """Serves a desk; opens browsers in which the nurse is signed in."""
    opened = []

    def start(**options):
        desk = make_desk()
        address = serve(desk.app)
        context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce", **options)
        context.set_default_timeout(15_000)
        opened.append(context)
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("console", lambda told: page.errors.append(told.text) if "policy" in told.text.lower() else None)
        page.goto(f"{address}/nurse/enter/{desk.app.state.nurse.access.new_token()}")
        return desk, page, address

    yield start
    for each in opened:
        each.close()


def faults(page) -> list[str]:
    """What axe finds, and what is wider than the window: on a phone in dark mode, at a desk in light mode."""
    found = []
    for scheme, (width, height) in zip(("dark", "light"), WIDTHS.values(), strict=True):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"wider than {width}")
        told = axe.Axe().run(page, options={"runOnly": RULES}).response["violations"]
        found += [f"{each['id']} ({width}, {scheme}): {each['nodes'][0]['target']}" for each in told]
    return found


def press(page, words: str) -> None:
    page.get_by_role("button", name=words).first.click()


@pytest.mark.slow
def test_every_page_is_accessible_on_a_phone_and_at_a_desk(open_desk):
    desk, page, address = open_desk()
    assert faults(page) == []
    press(page, "Sign in")
    page.get_by_label("Codes").or_(page.get_by_role("link", name="Two")).first.click()
    page.get_by_label("Codes").fill("R01\nR02")
    press(page, "Add them")
    assert faults(page) == []
    link = page.locator("input[id=link-1]").input_value()
    reader = desk.browser(base_url=address)
    path = link.removeprefix(address)
    post(reader, path, reader.get(path).text)
    page.get_by_role("link", name="Back").click()
    for each in page.locator("summary").all():
        each.click()
    assert faults(page) == []
    for name in ("Withdraw R01", "Close the study", "Check the event log", "Results"):
        page.get_by_role("link", name=name).click()
        assert faults(page) == [], name
        page.go_back()
    for place in ("new", "sign-in", "studies/9", "studies/1/close"):
        page.goto(f"{address}/nurse/{place}")
        assert faults(page) == [], place
    page.goto(f"{address}/nurse/new")
    page.get_by_label("Or a design file").set_input_files(
        {
            "name": "d.toml",
            "mimeType": "application/toml",
            "buffer": DESIGN.replace("number = 2", "number = 40").encode(),
        }
    )
    press(page, "Read what it says")
    press(page, "Look for the cases")
    for each in page.locator("summary").all():
        each.click()
    assert "too few cases" in page.get_by_role("alert").inner_text()
    assert faults(page) == []
    for each in page.locator(".strata input").all():
        each.fill("2")
    page.keyboard.press("Enter")  # looks, and makes nothing
    page.get_by_text("All cases were found").wait_for()
    assert faults(page) == []
    press(page, "Make this study")
    page.get_by_text("The study is made").wait_for()
    assert page.errors == []


def test_a_link_is_copied_and_everything_is_reached_by_the_keyboard(open_desk):
    _, page, _address = open_desk()
    page.keyboard.press("Enter")
    page.wait_for_url("**/nurse")
    page.get_by_role("link", name="Two").press("Enter")
    names = page.get_by_label("Codes")
    for _ in range(40):
        if names.evaluate("each => each === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.type("R01")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("R01 (trainee)").wait_for()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    press(page, "Copy: R01")
    page.get_by_text("Copied").first.wait_for()
    link = page.locator("#link-1").input_value()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/s/[\w-]{43}", link)
    assert page.evaluate("navigator.clipboard.readText()") == link
    assert "work on this machine only" in page.inner_text("main").replace("works", "work")


def test_without_scripts_all_but_the_copy_button_is_there(open_desk):
    _, page, address = open_desk(java_script_enabled=False)
    press(page, "Sign in")
    page.get_by_role("link", name="Two").click()
    page.get_by_label("Codes").fill("R01")
    press(page, "Add them")
    assert page.locator("#link-1").input_value().startswith(f"{address}/s/")
    assert not page.get_by_role("button", name="Copy").is_visible()
    page.goto(f"{address}/nurse/new")
    press(page, "Read what it says")
    assert page.get_by_role("heading", name="2. Read and check").is_visible()
