"""The clinic's page in a real browser: crop, answer, map, print, languages, wrong files, a lost network, keys, axe."""

import asyncio
import io
import time

import numpy as np
import pytest
from PIL import Image

from cutis.models import fastest_bundle
from cutis.taxonomy import read_risk_rule
from cutis.web.clinic.app import create_clinic_app
from cutis.web.clinic.engine import Limits
from cutis.web.clinic.heatmap import Heatmap
from cutis.web.clinic.words import LANGUAGES, clinic_words

from ..study.browsing import RULES, WIDTHS
from .test_pages import far_away, jpeg, picture

pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")

FAR = far_away(0.16, (0.3, 0.4))[0]


class Visitor:
    """A browser at the page. Errors of scripts and policy are collected, and addresses that are asked elsewhere."""

    def __init__(self, browser, address: str, path: str = "/", **options) -> None:
        self.address = address
        self.context = browser.new_context(
            **{"viewport": {"width": 1280, "height": 800}, "locale": "en", "reduced_motion": "reduce", **options}
        )
        self.context.set_default_timeout(15_000)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.asked: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda told: self.errors.append(told.text) if told.type == "error" else None)
        self.page.on("request", lambda request: self.asked.append(f"{request.method} {request.url}"))
        self.page.goto(address + path)

    def choose(self, content: bytes, name: str = "photo.jpg", kind: str = "image/jpeg") -> None:
        self.page.set_input_files("label.choose input", {"name": name, "mimeType": kind, "buffer": content})

    def looked(self) -> "Visitor":
        """Wait for the first look at the photograph."""
        self.until("!['', words.reading, words.looking].includes(document.querySelector('[data-hint]').textContent)")
        return self

    def until(self, expression: str) -> None:
        """Wait until this is true in the page."""
        words = "const words = JSON.parse(document.querySelector('[data-ask]').dataset.words)"
        whole = f"() => {{ {words}; return {expression}; }}"
        for _ in range(150):
            if self.page.evaluate(whole):
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"never: {expression}")

    def photograph(self, pixels: np.ndarray) -> "Visitor":
        self.choose(jpeg(pixels))
        return self.looked()

    def answer(self) -> "Visitor":
        self.page.click("[data-go]")
        self.page.wait_for_selector(".answer")
        return self

    def posts(self, path: str) -> int:
        return sum(each.startswith(f"POST {self.address}{path}") for each in self.asked)

    def box(self) -> list[float]:
        """Left, top, width and height of the box, in shares of the photograph as it is shown."""
        outer = self.page.locator("[data-stage] canvas").bounding_box()
        inner = self.page.locator("[data-box]").bounding_box()
        return [
            (inner["x"] - outer["x"]) / outer["width"],
            (inner["y"] - outer["y"]) / outer["height"],
            inner["width"] / outer["width"],
            inner["height"] / outer["height"],
        ]

    def wrong(self, schemes: tuple[str, ...] = ("light", "dark")) -> list[str]:
        """What is wrong by axe's rules, and where the page is wider than the window, at both widths."""
        from axe_playwright_python.sync_playwright import Axe

        found = []
        for name, (width, height) in WIDTHS.items():
            self.page.set_viewport_size({"width": width, "height": height})
            for scheme in schemes:
                self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                self.page.wait_for_timeout(150)  # colours fade over
                for each in Axe().run(self.page, options={"runOnly": RULES}).response["violations"]:
                    found.append(f"{name} {scheme}: {each['id']}: {each['nodes'][0]['html']}")
            if self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                found.append(f"{name}: the page is wider than the window")
        return found


@pytest.fixture
def clinic(browser, serve):
    """Serves the clinic with the model that comes with cutis, and opens browsers on it."""
    app = create_clinic_app(fastest_bundle(), rule=read_risk_rule(), limits=Limits(file_bytes=2_000_000))
    address = serve(app)
    opened: list[Visitor] = []

    def visit(path: str = "/", **options) -> Visitor:
        opened.append(Visitor(browser, address, path, **options))
        return opened[-1]

    visit.app = app
    yield visit
    for each in opened:
        each.context.close()


def changed(app, **changes) -> None:
    """Have the engine answer with something else."""
    plain = app.state.engine.answer

    async def answer(*args, **options):
        return (await plain(*args, **options)).model_copy(update=changes)

    app.state.engine.answer = answer


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def test_the_whole_way_on_a_phone(clinic) -> None:
    visitor = clinic(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = visitor.page
    assert page.get_by_text("Take a photograph").is_visible()
    visitor.photograph(FAR)
    left, top, width, height = visitor.box()
    assert left < 0.2
    assert top < 0.32
    assert 0.2 < width < 0.6
    assert page.get_by_text("The box is a suggestion").is_visible()
    for corner in ("nw", "ne", "sw", "se"):
        size = page.locator(f"[data-handle={corner}]").bounding_box()
        assert size["width"] >= 44
        assert size["height"] >= 44
    # Dragged by a corner, its shape stays; dragged by its middle, its size.
    corner = page.locator("[data-handle=se]").bounding_box()
    page.mouse.move(corner["x"] + 22, corner["y"] + 22)
    page.mouse.down()
    page.mouse.move(corner["x"] + 82, corner["y"] + 62, steps=4)
    page.mouse.up()
    grown = visitor.box()
    assert grown[2] > width + 0.05
    assert grown[2] / grown[3] == pytest.approx(width / height, rel=0.05)
    assert grown[:2] == pytest.approx([left, top], abs=0.02)
    middle = page.locator("[data-box]").bounding_box()
    x, y = middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 500, y, steps=4)
    page.mouse.up()
    moved = visitor.box()
    assert moved[0] + moved[2] == pytest.approx(1, abs=0.02)
    assert moved[2:] == pytest.approx(grown[2:], abs=0.01)
    page.get_by_role("button", name="Suggestion").click()
    assert visitor.box() == pytest.approx([left, top, width, height], abs=0.01)

    shown = []
    plain = clinic.app.state.engine.answer

    async def answer(photograph, patient, **options):
        shown.append((photograph.pixels.shape, patient))
        return await plain(photograph, patient, **options)

    clinic.app.state.engine.answer = answer
    page.get_by_text("About the patient").click()
    page.get_by_label("Age in years").fill("61")
    page.get_by_label("Where on the body").select_option("Back")
    visitor.answer()
    ((size, patient),) = shown
    assert size[0] == pytest.approx(height * 600, abs=3)
    assert size[1] == pytest.approx(width * 800, abs=3)
    assert (patient.age, patient.site) == (61, "Trunk:Posterior trunk")
    assert page.locator("[data-crop-seen]").is_visible()
    assert page.evaluate("document.activeElement.matches('[data-answer-heading]')")
    assert page.get_by_text("Age in years: 61, Back").is_visible()
    # What is changed afterwards makes the answer go.
    page.get_by_role("button", name="Whole photograph").click()
    assert not page.locator(".answer").is_visible()
    visitor.answer()
    assert shown[1][0] == (600, 800, 3)
    assert visitor.errors == []
    assert all(visitor.address in each for each in visitor.asked)
    assert [each["name"] for each in visitor.context.cookies()] == ["cutis-visitor"]
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0


def test_the_heatmap_is_asked_for_with_the_photograph_in_memory(clinic) -> None:
    asked = []

    async def heatmap(photograph, _patient, node=None):
        asked.append((photograph.pixels.shape, node))
        over = np.full((30, 40, 3), 200, dtype=np.uint8)
        return Heatmap(node, "Basal cell carcinoma", 0.5, "Grad-CAM", "", False, png(over), png(over), png(over))

    clinic.app.state.engine.heatmap = heatmap
    visitor = clinic().photograph(picture()).answer()
    page = visitor.page
    page.locator("[data-node]").select_option("bcc")
    page.get_by_role("button", name="Show the map").dblclick()
    page.wait_for_selector("[data-heatmap-figure]:not([hidden])")
    assert asked == [((300, 400, 3), "bcc")]
    assert "It proves nothing" in page.locator("[data-heatmap-figure] figcaption").inner_text()
    assert "Basal cell carcinoma" in page.locator("[data-heatmap-picture]").get_attribute("aria-label")
    assert page.evaluate("document.querySelector('[data-heatmap-picture]').width") == 40
    assert visitor.wrong(("light",)) == []
    assert visitor.errors == []


def test_a_very_strange_photographs_probabilities_are_shown_after_a_tap(clinic) -> None:
    changed(clinic.app, stranger_than=99, risk="low")
    visitor = clinic().photograph(picture()).answer()
    page = visitor.page
    assert page.get_by_role("heading", name="This does not look like what the model learnt from").is_visible()
    assert page.get_by_role("heading", name="No grade of risk").is_visible()
    assert not page.locator(".diagnosis").first.is_visible()
    page.get_by_text("Show the probabilities all the same").click()
    assert page.locator(".diagnosis").first.is_visible()


@pytest.mark.parametrize(
    ("content", "name", "kind", "told"),
    [
        (b"no photograph at all", "notes.txt", "text/plain", "This file cannot be shown as a photograph"),
        (b"no photograph at all", "photo.jpg", "image/jpeg", "This file cannot be shown as a photograph"),
        (b"", "photo.jpg", "image/jpeg", "This file cannot be shown as a photograph"),
    ],
)
def test_what_is_no_photograph_is_told_before_anything_is_sent(clinic, content, name, kind, told) -> None:
    visitor = clinic()
    visitor.choose(content, name, kind)
    visitor.page.wait_for_selector(f"[data-problem]:has-text('{told}')")
    assert visitor.posts("/") == 0
    visitor.page.click("[data-go]")
    visitor.page.wait_for_selector("[data-problem]:has-text('Take or choose a photograph first')")
    visitor.photograph(picture()).answer()
    assert not visitor.page.locator("[data-problem]").is_visible()


def test_a_truncated_photograph_is_never_answered(clinic) -> None:
    visitor = clinic()
    visitor.choose(jpeg(picture())[:6000])
    visitor.page.wait_for_timeout(800)
    visitor.page.click("[data-go]")
    visitor.page.wait_for_selector("[data-problem]:not([hidden])")
    told = visitor.page.locator("[data-problem]").inner_text()
    assert "damaged" in told or "Take or choose a photograph first" in told
    assert visitor.page.locator(".answer").count() == 0


def test_a_large_photograph_is_scaled_down_before_it_is_sent(clinic) -> None:
    large = np.asarray(Image.fromarray(picture()).resize((2600, 1800)))
    shapes = []
    plain = clinic.app.state.engine.answer

    async def answer(photograph, patient, **options):
        shapes.append(photograph.pixels.shape)
        return await plain(photograph, patient, **options)

    clinic.app.state.engine.answer = answer
    visitor = clinic()
    visitor.choose(jpeg(large))
    visitor.looked()
    visitor.page.get_by_role("button", name="Whole photograph").click()
    visitor.answer()
    assert shapes == [(1662, 2400, 3)]


def test_a_double_click_asks_once_and_a_lost_network_loses_nothing(clinic) -> None:
    visitor = clinic().photograph(picture())
    page = visitor.page
    page.locator("[data-go]").dblclick()
    page.wait_for_selector(".answer")
    assert visitor.posts("/answer") == 1
    page.get_by_role("button", name="Smaller").click()
    visitor.context.set_offline(True)
    page.click("[data-go]")
    page.wait_for_selector("[data-problem]:has-text('No connection to the server')")
    assert page.locator("[data-stage] canvas").is_visible()
    visitor.context.set_offline(False)
    visitor.answer()
    assert not page.locator("[data-problem]").is_visible()
    # A photograph chosen without a network can be answered once there is one.
    visitor.context.set_offline(True)
    visitor.choose(jpeg(FAR))
    page.wait_for_selector("[data-hint]:has-text('No box could be suggested')")
    visitor.context.set_offline(False)
    visitor.answer()


def test_a_slow_first_look_never_overrules_a_person(clinic) -> None:
    import cutis.web.clinic.pages as pages

    plain = pages._looked_at

    def slow(*args):
        time.sleep(0.8)
        return plain(*args)

    pages._looked_at = slow
    try:
        visitor = clinic()
        visitor.choose(jpeg(FAR))
        visitor.page.wait_for_selector("[data-stage] canvas")
        visitor.page.get_by_role("button", name="Smaller").click()
        mine = visitor.box()
        visitor.page.wait_for_timeout(1500)
        assert visitor.box() == mine
    finally:
        pages._looked_at = plain


def test_by_keyboard_alone(clinic) -> None:
    visitor = clinic().photograph(FAR)
    page = visitor.page
    page.locator("[data-box]").focus()
    left, top, width, _ = visitor.box()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    moved = visitor.box()
    assert moved[0] > left
    assert moved[1] > top
    page.keyboard.press("+")
    assert visitor.box()[2] > width
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert visitor.box()[2] < width
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.handle") == "nw"
    before = visitor.box()
    page.keyboard.press("ArrowLeft")
    after = visitor.box()
    assert after[2] > before[2]
    assert after[0] + after[2] == pytest.approx(before[0] + before[2], abs=0.01)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('[data-go]')"):
            break
    page.keyboard.press("Enter")
    page.wait_for_selector(".answer")
    page.keyboard.press("Tab")
    assert page.evaluate("Boolean(document.activeElement.closest('.answer'))")
    assert visitor.errors == []


def test_the_language_is_switched_by_a_link_and_stays_in_the_address(clinic) -> None:
    visitor = clinic(locale="ko-KR")
    page = visitor.page
    assert page.locator("h1").inner_text() == clinic_words("ko")("page.heading")
    for language, name in LANGUAGES.items():
        page.get_by_role("link", name=name, exact=True).click()
        page.wait_for_selector(f"html[lang={language}]")
        assert page.locator("h1").inner_text() == clinic_words(language)("page.heading")
    page.get_by_role("link", name=LANGUAGES["es"], exact=True).click()
    visitor.photograph(picture()).answer()
    assert page.locator("[data-answer-heading]").inner_text() == "La respuesta"
    # The card opens beside the answer, which is kept nowhere but in this page.
    with visitor.context.expect_page() as opened:
        page.get_by_role("link", name=clinic_words("es")("page.card")).click()
    opened.value.get_by_role("link", name=clinic_words("es")("page.back")).click()
    opened.value.wait_for_selector("html[lang=es]")
    assert page.locator(".answer").is_visible()


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_worst_answer_prints_to_one_page(clinic, language) -> None:
    from pypdf import PdfReader

    unfit = ("low resolution", "blurred", "too dark", "lesion too small")
    ids = tuple(each.id for each in fastest_bundle().classes.classes)
    changed(
        clinic.app, stranger_than=99, risk="dangerous", seen_in_training="image", unfit=unfit,
        notes=("hair", "ruler", "text"), differential=ids[:5], above=True, conformal_set=ids,
    )  # fmt: skip
    visitor = clinic(f"/?lang={language}", color_scheme="dark").photograph(FAR).answer()
    visitor.page.locator(".hidden-answer > summary").click()
    printed = PdfReader(io.BytesIO(visitor.page.pdf(prefer_css_page_size=True)))
    assert len(printed.pages) == 1
    sheet = printed.pages[0]
    assert [round(float(each) * 25.4 / 72) for each in sheet.mediabox[2:]] == [210, 297]
    text = " ".join(sheet.extract_text().replace("ﬁ", "fi").split())
    w = clinic_words(language)
    for wanted in (w("page.statement"), w("answer.stranger-99"), "cutis ham7", str(time.gmtime().tm_year)):
        assert wanted in text
    assert read_risk_rule().advice_for("dangerous", language).title in text
    assert w("ask.button") not in text
    assert len(sheet.images) >= 2


def test_without_scripts_a_photograph_is_answered(clinic) -> None:
    visitor = clinic(java_script_enabled=False)
    page = visitor.page
    assert page.get_by_text("Your browser runs no scripts").is_visible()
    visitor.choose(jpeg(picture()))
    page.get_by_role("button", name="Get the answer").click()
    page.wait_for_selector(".answer")
    assert page.get_by_role("heading", name="The answer").is_visible()


def test_the_page_and_every_kind_of_answer_are_accessible(clinic) -> None:
    visitor = clinic()
    assert visitor.wrong(("light",)) == []
    visitor.photograph(FAR)
    visitor.page.get_by_text("About the patient").click()
    assert visitor.wrong(("dark",)) == []
    changed(clinic.app, stranger_than=95, risk="high", unfit=("blurred",), seen_in_training="image", notes=("hair",))
    visitor.answer()
    visitor.page.get_by_text("All kinds that the model knows").click()
    assert visitor.wrong() == []
    assert visitor.errors == []


@pytest.mark.slow
@pytest.mark.parametrize(("risk", "stranger"), [("low", None), ("dangerous", 99), ("low", 99)])
def test_other_answers_are_accessible(clinic, risk, stranger) -> None:
    changed(clinic.app, stranger_than=stranger, risk=risk)
    visitor = clinic().photograph(picture()).answer()
    if stranger == 99:
        visitor.page.locator(".hidden-answer > summary").click()
    assert visitor.wrong() == []


@pytest.mark.slow
def test_the_card_and_a_problem_are_accessible(clinic) -> None:
    visitor = clinic("/card")
    assert visitor.wrong(("dark",)) == []
    visitor.page.goto(visitor.address)
    visitor.page.click("[data-go]")
    assert visitor.wrong(("light",)) == []


def test_a_server_that_is_busy_is_told(clinic) -> None:
    from cutis.web.refusals import Refusal

    async def busy(*_args, **_options):
        await asyncio.sleep(0)
        raise Refusal(503, "server-busy", back="/")

    visitor = clinic().photograph(picture())
    clinic.app.state.engine.answer = busy
    visitor.page.click("[data-go]")
    visitor.page.wait_for_selector("[data-problem]:has-text('Too many photographs')")
