"""The pages in a real browser: tapping a place, the suggested box, two compared, accessibility at both widths."""

import pytest

from cutis.follow_up import lesions_of, photographs_of

from ..study.browsing import RULES, WIDTHS
from .conftest import jpeg

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")


def faults(page) -> list[str]:
    """What axe finds, and what is wider than the window: on a phone in dark mode, at a desk in light mode."""
    found = []
    for scheme, (width, height) in zip(("dark", "light"), WIDTHS.values(), strict=True):
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        for each in axe.Axe().run(page, options={"runOnly": RULES}).response["violations"]:
            found.append(f"{page.url} {width}: {each['id']}: {each['nodes'][0]['html']}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{page.url} {width}: the page is wider than the window")
    return found


def until(page, expression: str) -> None:
    """Wait until this is true in the page; playwright's own waiting is refused by the page's policy."""
    for _ in range(150):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never: {expression}")


def test_a_lesion_is_tapped_photographed_and_compared(served, open_page):
    desk = served.signed_in("R1")
    patient = desk.patient("P-17", birth_year="1961")
    page = open_page("K1")
    page.goto(f"{page.address}/patients/{patient}/lesions/new")
    drawing = page.locator("[data-side=back]")
    drawing.scroll_into_view_if_needed()
    area = drawing.bounding_box()
    page.mouse.click(area["x"] + 0.4 * area["width"], area["y"] + 0.3 * area["height"])
    assert page.locator("[name=side]:checked").input_value() == "back"
    assert abs(float(page.locator("#across").input_value()) - 40) < 1
    assert abs(float(page.locator("#down").input_value()) - 30) < 1
    page.locator("#down").fill("35")  # by the keyboard as well
    assert page.locator("[data-side=back] [data-mark] circle").get_attribute("cy") == "154"
    page.locator("#site").select_option("back")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/lesions/*")
    lesion = lesions_of(served.store, patient)[0]
    assert (lesion.facts.side, lesion.facts.down) == ("back", 350)

    page.get_by_role("link", name="Add a photograph").click()
    far = jpeg(6, shift=(0.1, 0.05))
    page.set_input_files("#photograph", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": far})
    until(page, "!['', 'Looking for the lesion …'].includes(document.querySelector('[data-hint]').textContent)")
    page.get_by_role("button", name="Smaller").click()
    assert 0 < float(page.locator("[data-side=width]").input_value()) < 1
    page.locator("#taken_on").fill("2025-03-01")
    page.get_by_role("button", name="Keep and answer").click()
    page.wait_for_url("**/photographs/*")
    assert page.locator(".answer").count() == 1
    assert not page.locator("[data-heatmap]").is_visible()
    assert faults(page) == []
    kept = photographs_of(served.store, lesion.uid)[0]
    assert kept.answers[0].given.box[2] < 1

    desk.photograph(lesion.uid, jpeg(6, shift=(0.1, 0.05), exposure=1.05), "2025-09-01")
    page.goto(f"{page.address}/lesions/{lesion.uid}/compare")
    until(page, "[...document.images].every(each => each.naturalWidth > 0)")
    assert page.locator("[data-align]").get_attribute("aria-pressed") == "true"
    page.locator("[data-align]").click()
    assert "shown" in page.locator("[data-earlier]").get_attribute("src")
    page.get_by_role("button", name="Larger").click()
    page.get_by_role("button", name="Larger").click()
    assert page.locator("[data-level]").inner_text() == "2 ×"
    page.locator("[data-pane]").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    until(
        page,
        "new Set([...document.querySelectorAll('[data-pane]')].map(each => Math.round(each.scrollLeft))).size === 1",
    )
    page.get_by_role("button", name="Smaller").click()
    page.get_by_role("button", name="Smaller").click()
    page.locator("[data-slider]").fill("100")
    assert page.evaluate("document.querySelector('[data-above]').style.opacity") == "0"
    blink = page.get_by_role("button", name="Blink")
    blink.click()
    until(page, "document.querySelector('[data-above]').style.opacity === '0'")
    until(page, "document.querySelector('[data-above]').style.opacity === '1'")
    blink.click()
    assert blink.get_attribute("aria-pressed") == "false"
    assert faults(page) == []
    assert page.errors == []
    assert all(each.startswith((page.address.rsplit("/", 1)[0], "blob:", "data:")) for each in page.asked)


def test_every_page_is_accessible_and_fits(served, open_page):
    desk = served.signed_in("K1")
    patient = desk.patient("P-17", birth_year="1961", sex="female")
    lesion = desk.lesion(patient, note="A note of\ntwo lines")
    desk.lesion(patient, label="L2", side="front", status="removed", diagnosis="Nevus")
    for day in ("2025-03-01", "2025-09-01"):
        desk.photograph(lesion, jpeg(int(day[6])), day)
    page = open_page("K1")
    wrong = []
    for address in (
        "", "/people", "/history", "/sign-in", "/patients/new", f"/patients/{patient}", f"/patients/{patient}/edit",
        f"/lesions/{lesion}", f"/lesions/{lesion}/edit", f"/lesions/{lesion}/add", f"/lesions/{lesion}/compare",
        f"/erase/patient/{patient}", "/lesions/none",
    ):  # fmt: skip
        page.goto(page.address + address)
        wrong += faults(page)
        assert "not a medical device" in page.inner_text("body")
    assert wrong == []
    assert [each for each in page.errors if "404" not in each] == []


def test_a_patients_page_works_by_keyboard(served, open_page):
    desk = served.signed_in("R1")
    patient = desk.patient("P-17")
    lesion = desk.lesion(patient)
    page = open_page("R1")
    page.goto(f"{page.address}/patients/{patient}")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('mark')"):
            break
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "L1, Back, watched"
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/lesions/{lesion}")
    assert page.errors == []
