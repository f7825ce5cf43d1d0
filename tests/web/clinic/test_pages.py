"""The clinic's page as a browser without scripts and as its own script get it; the crop; the words."""

import base64
import io
import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import resources

import numpy as np
import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cutis.annotation import CONFIRM_TYPES
from cutis.clinic import Answer, Patient, Photograph, answers
from cutis.data import draw_phantom, phantom_lesion, phantom_view
from cutis.errors import TaxonomyError
from cutis.models import fastest_bundle
from cutis.taxonomy import read_risk_rule
from cutis.web.clinic.answer_page import answer_page
from cutis.web.clinic.app import create_clinic_app
from cutis.web.clinic.crop import LESION_SIDE, WHOLE, Box, cropped, suggested_box
from cutis.web.clinic.engine import Limits
from cutis.web.clinic.heatmap import Heatmap
from cutis.web.clinic.pages import card_html, clinic_refusal
from cutis.web.clinic.sent import SITES
from cutis.web.clinic.words import LANGUAGES, clinic_words, often, percent
from cutis.web.refusals import Refusal
from cutis.web.rendering import ROOM, environment

SMALL = Limits(file_bytes=300_000, pixels=1_000_000)
SCRIPT = {"x-requested-with": "script"}


def picture(number: int = 3, size: tuple[int, int] = (300, 400), width_mm: float = 20.0) -> np.ndarray:
    return draw_phantom(phantom_lesion("mel", number), phantom_view(width_mm, number), size).image


def jpeg(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=92)
    return out.getvalue()


@pytest.fixture(scope="module")
def app():
    return create_clinic_app(fastest_bundle(), rule=read_risk_rule(), limits=SMALL)


@pytest.fixture
def client(app) -> Iterator[TestClient]:
    with TestClient(app, base_url="https://clinic.test", raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def send(client) -> Callable:
    """Sends the form with the page's own token."""
    token = re.search(r'name="csrf" value="(\w+)"', client.get("/").text)
    assert token

    def post(content: bytes | None = None, address: str = "/answer?lang=en", headers=None, **fields):
        files = None if content is None else {"photograph": ("photo.jpg", content, "image/jpeg")}
        data = {"csrf": token[1], **fields}
        return client.post(address, data=data, files=files or {"photograph": ("", b"")}, headers=headers or {})

    return post


def test_without_scripts_the_form_gives_the_whole_page(send) -> None:
    page = send(jpeg(picture()), age="61", sex="female", site="back", skin_type="II")
    assert page.status_code == 200
    assert "<!doctype html>" in page.text
    assert 'data-part="differential"' in page.text
    assert 'data-part="risk"' in page.text
    assert "Research software, not a medical device" in page.text
    assert 'data-part="stranger"' in page.text  # it is a drawing
    assert 'value="61"' in page.text
    assert re.search(r'<option value="back" selected>', page.text)
    assert "Age in years: 61, Female, Back, Skin type II" in page.text


def test_a_script_gets_the_answers_part_alone(send) -> None:
    part = send(jpeg(picture()), headers=SCRIPT)
    assert part.text.lstrip().startswith("<article")
    assert "<html" not in part.text


def test_the_box_is_what_the_model_is_shown(app, send, monkeypatch) -> None:
    shown = []

    async def answer(photograph, patient, *, quality=True):
        shown.append((photograph, patient))
        raise Refusal(503, "server-busy")

    monkeypatch.setattr(app.state.engine, "answer", answer)
    content = jpeg(picture())
    send(content, left="0.25", top="0.5", width="0.5", height="0.25", site="side")
    send(content)
    (part, patient), (whole, nothing) = shown
    assert part.pixels.shape == (75, 200, 3)
    assert whole.pixels.shape == (300, 400, 3)
    np.testing.assert_array_equal(part.pixels, whole.pixels[150:225, 100:300])
    assert part.key == whole.key
    assert patient == Patient(site="lateral trunk")
    assert nothing == Patient()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "no-photograph"),
        (b"", "empty"),
        (b"not a photograph", "not-a-photograph"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not-a-photograph"),
        (jpeg(picture())[:5000], "damaged"),
        (b"\xff" * 400_000, "too-large"),
        (jpeg(np.zeros((1200, 1200, 3), dtype=np.uint8)), "too-many-pixels"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
@pytest.mark.parametrize("address", ["/answer", "/look", "/heatmap"])
def test_a_wrong_file_is_told_in_words_and_the_form_is_there_again(send, content, code, address) -> None:
    told = send(content, f"{address}?lang=es")
    words = clinic_words("es")(f"problem.{code}", megabytes=0).replace("0 MB", "")[:40]
    assert told.status_code == 422
    assert words in told.text
    assert "data-ask" in told.text
    by_script = send(content, f"{address}?lang=es", headers=SCRIPT)
    assert by_script.json()["code"] == code
    assert "Traceback" not in told.text


@pytest.mark.parametrize(
    "fields",
    [
        {"age": "twelve"},
        {"age": "200"},
        {"sex": "both"},
        {"site": "moon"},
        {"skin_type": "VII"},
        {"left": "0.9", "top": "0", "width": "0.5", "height": "1"},
        {"left": "nan", "top": "0", "width": "1", "height": "1"},
        {"left": "0", "top": "0", "width": "0.001", "height": "1"},
    ],
    ids=str,
)
def test_fields_that_the_page_does_not_offer_are_refused(send, fields) -> None:
    told = send(jpeg(picture()), headers=SCRIPT, **fields)
    assert told.status_code == 422
    assert told.json()["code"] == ("box" if "left" in fields else "patient")


def test_another_sites_form_is_refused_in_the_visitors_language(client) -> None:
    sent = {"photograph": ("a.jpg", jpeg(picture()))}
    told = client.post("/answer?lang=ko", data={"csrf": "guessed"}, files=sent)
    assert told.status_code == 403
    assert clinic_words("ko")("problem.stale-form") in told.text
    by_script = client.post("/look", data={"csrf": "guessed"}, files=sent, headers=SCRIPT)
    assert (by_script.status_code, by_script.json()["code"]) == (403, "stale-form")


def test_refusals_of_the_app_have_words_of_these_pages(app) -> None:
    scope = {"type": "http", "app": app, "headers": [], "query_string": b"lang=zh", "path": "/", "method": "GET"}
    for code in ("too-large", "too-slow", "wrong-host", "server-busy", "took-too-long", "no-page", "no-form", "failed"):
        page = clinic_refusal(Request(scope), Refusal(503, code))
        assert page.status_code == 503
        told = clinic_words("zh")(f"problem.{code}", megabytes=0)[:6]
        assert told in bytes(page.body).decode()
        assert page.headers["retry-after"] == "5"


def test_a_first_look_suggests_a_box_and_tells_what_is_unfit(send) -> None:
    told = send(jpeg(far_away()[0]), "/look", headers=SCRIPT).json()
    assert not told["whole"]
    assert 0 < told["box"]["width"] < 0.6
    dark = send(jpeg((picture() * 0.15).astype(np.uint8)), "/look?lang=en", headers=SCRIPT).json()
    assert clinic_words("en")("quality.too-dark") in dark["unfit"]


def test_a_heatmap_is_pictures_and_words_and_of_nothing_there_is_is_refused(app, send, monkeypatch) -> None:
    asked = []

    async def heatmap(photograph, patient, node=None):
        asked.append((photograph.pixels.shape, node))
        if node == "no such node":
            raise TaxonomyError("is no node")
        return Heatmap("mel", "Melanoma", 0.5, "Grad-CAM", "", False, b"overlay", b"map", b"scale")

    monkeypatch.setattr(app.state.engine, "heatmap", heatmap)
    told = send(jpeg(picture()), "/heatmap?lang=ko", headers=SCRIPT, left="0", top="0", width="0.5", height="1").json()
    assert told["name"] == clinic_words("ko")("name.mel")
    assert base64.b64decode(told["overlay"]) == b"overlay"
    refused = send(jpeg(picture()), "/heatmap", headers=SCRIPT, node="no such node")
    assert (refused.status_code, refused.json()["code"]) == (422, "no-form")
    assert asked == [((300, 200, 3), None), ((300, 400, 3), "no such node")]


def test_nothing_is_kept_but_the_cookie_of_the_form(client, send) -> None:
    page = send(jpeg(picture()))
    assert list(client.cookies) == ["__Host-cutis-visitor"]
    assert page.headers["cache-control"] == "no-store"
    assert "HttpOnly" in client.get("/").headers["set-cookie"]


def test_the_model_card_is_shown_and_cannot_act(client) -> None:
    card = client.get("/card").text
    assert "<table>" in card
    assert "Not intended" in card
    evil = str(card_html("# a\n<script>alert(1)</script> [x](javascript:alert(1)) ![p](http://else/where.png) `<b>`"))
    assert "<script" not in evil
    assert 'href="javascript' not in evil
    assert "<img" not in evil


# ---- The language


def test_the_language_is_the_addresss_else_the_browsers_else_english(client) -> None:
    def language(address: str, accept: str) -> str:
        found = re.search(r'<html lang="([\w-]+)"', client.get(address, headers={"accept-language": accept}).text)
        assert found
        return found[1]

    assert language("/", "ko-KR,ko;q=0.9,en;q=0.8") == "ko"
    assert language("/", "fr-FR,es-MX;q=0.9") == "es"
    assert language("/", "fr") == "en"
    assert language("/?lang=zh", "ko") == "zh"
    assert language("/?lang=<b>", "ko") == "ko"
    assert language("/card?lang=es", "ko") == "es"


def test_every_language_says_the_same_with_the_same_braces() -> None:
    english = clinic_words("en").words
    for language in LANGUAGES:
        words = clinic_words(language).words
        assert words.keys() == english.keys()
        for key, text in words.items():
            assert text.strip(), (language, key)
            assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", english[key])), (language, key)
    same = [key for key in english if all(clinic_words(each).words[key] == english[key] for each in LANGUAGES)]
    assert set(same) <= {"app.name", "often.percent", "often.least-percent", "often.most-percent"}


def test_every_word_that_a_page_asks_for_is_there_and_none_is_left_over() -> None:
    folders = [ROOM / "clinic", ROOM / "templates/clinic", ROOM / "static"]
    texts = [
        each.read_text("utf-8")
        for folder in folders
        for each in folder.iterdir()
        if each.suffix in (".py", ".jinja", ".js")
    ]
    whole = "\n".join(texts)
    words = clinic_words("en").words
    asked = set(re.findall(r"""\bw\(\s*["']([a-z-]+\.[\w-]+[a-zI])["']\s*[,)]""", whole))
    assert len(asked) > 60
    assert asked <= words.keys()
    made = ("quality.", "name.", "plain.", "site.", "malignancy.", "problem.", "answer.stranger-", "answer.prior-")
    made += ("crop.", "patient.skin-", "patient.field-", "patient.", "app.", "confirmed.")
    script = {key.removeprefix("script.") for key in words if key.startswith("script.")}
    assert [each for each in script if f'"{each}"' not in whole and f"words.{each}" not in whole] == []
    left = [
        each for each in words if not each.startswith((*made, "script.")) and not re.search(f"[\"']{each}[\"']", whole)
    ]
    assert left == []


def test_every_way_to_confirm_a_diagnosis_has_words() -> None:
    told = {each.removeprefix("confirmed.") for each in clinic_words("en").words if each.startswith("confirmed.")}
    assert told == {each.replace(" ", "-") for each in CONFIRM_TYPES}


def test_every_reason_and_note_of_the_quality_rules_has_words() -> None:
    rules = tomllib.loads(resources.files("cutis.audit").joinpath("quality.toml").read_text("utf-8"))
    for reason in rules:
        assert f"quality.{reason.replace(' ', '-')}" in clinic_words("en").words
    assert {f"site.{each}" for each in SITES} <= clinic_words("en").words.keys()
    for word in SITES.values():
        assert Patient(site=word).site


@given(st.floats(0, 1))
def test_a_probability_in_words_is_the_probability(probability: float) -> None:
    w = clinic_words("en")
    told = [int(each) for each in re.findall(r"\d+", often(w, probability))]
    if "than" in often(w, probability):
        assert probability < 0.01 or probability > 0.99
        assert percent(w, probability)[0] in "<>"
    else:
        assert abs(told[0] / told[1] - probability) <= (0.05 if told[1] == 10 else 0.005) + 1e-9
        assert 0 < told[0] < told[1]
        assert abs(int(percent(w, probability)[:-2]) / 100 - probability) <= 0.005 + 1e-9


# ---- The answer


@pytest.fixture(scope="module")
def answer() -> Answer:
    photograph = Photograph("a.jpg", picture(), "key")
    return answers(fastest_bundle(), [photograph], rule=read_risk_rule())[0]


def shown(answer: Answer, language: str = "en", **changes):
    w = clinic_words(language)
    view = answer_page(
        answer.model_copy(update=changes), fastest_bundle(), read_risk_rule(), Patient(), "", datetime.now(UTC), w
    )
    return environment().get_template("clinic/answer.html.jinja").render(view=view, w=w)


def test_what_matters_most_stands_first(answer) -> None:
    page = shown(answer, stranger_than=95, unfit=("blurred",), seen_in_training="image")
    parts = re.findall(r'data-part="([\w-]+)"', page)
    order = ["seen", "stranger", "unfit", "risk", "differential", "set", "all", "heatmap", "not-told", "about"]
    assert [each for each in parts if each in order] == order


def test_of_a_very_strange_photograph_probabilities_are_hidden_and_nobody_is_reassured(answer) -> None:
    low = shown(answer, stranger_than=99, risk="low")
    advice = read_risk_rule().advice_for("low").text
    assert advice not in low
    assert 'data-part="hidden"' in low
    assert low.index('data-part="hidden"') < low.index('data-part="differential"')
    high = shown(answer, stranger_than=99, risk="dangerous")
    assert read_risk_rule().advice_for("dangerous").text in high
    assert 'data-part="hidden"' in high
    assert 'data-part="hidden"' not in shown(answer, stranger_than=95)
    assert advice in shown(answer, stranger_than=95, risk="low")


def test_what_a_bundle_does_not_say_is_not_told(answer) -> None:
    bare = shown(
        answer, differential=(), above=None, conformal_coverage=None, conformal_set=(), risk=None,
        risk_probabilities=None, malignant=None,
    )  # fmt: skip
    assert "no thresholds" in bare
    assert "no grade of risk" in bare
    assert 'data-part="set"' not in bare
    assert 'data-part="malignant"' not in bare
    assert "No kind reaches its threshold" in shown(answer, above=False)
    assert "The list is empty" in shown(answer, conformal_set=())


def test_every_language_has_the_advice_and_says_that_nobody_reviewed_it(answer) -> None:
    for language in LANGUAGES:
        page = shown(answer, language, risk="high")
        assert read_risk_rule().advice_for("high", language).text in page
        assert read_risk_rule().review in page
        if language != "en":
            assert clinic_words(language)("answer.unreviewed") in page


def test_names_are_escaped(answer) -> None:
    evil = answer.diagnoses[0].model_copy(update={"name": "<script>x</script>", "id": "evil"})
    page = shown(
        answer, diagnoses=(evil, *answer.diagnoses[1:]), differential=("evil",), conformal_set=(), always_in_set=()
    )
    assert "<script>x" not in page


# ---- The crop


def far_away(side: float = 0.16, place: tuple[float, float] = (0.5, 0.5), size: tuple[int, int] = (600, 800)):
    """Skin with a lesion, a dark ellipse; the picture, and left, top, right, bottom of the ellipse in shares."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    radius = side * height / 2
    inside = ((columns - place[0] * width) / (1.2 * radius)) ** 2 + ((rows - place[1] * height) / radius) ** 2 < 1
    noise = np.random.default_rng(0).normal(0, 3, (height, width, 1))
    skin = np.array([214, 170, 148]) - 12 * (columns / width)[..., None] + noise
    pixels = np.where(inside[..., None], np.array([96, 60, 48]) + noise, skin).clip(0, 255).astype(np.uint8)
    reach = 1.2 * radius / width, radius / height
    return pixels, (place[0] - reach[0], place[1] - reach[1], place[0] + reach[0], place[1] + reach[1])


@settings(max_examples=8, deadline=None)
@given(
    st.floats(0.1, 0.13),
    st.floats(0.3, 0.7),
    st.floats(0.3, 0.7),
    st.sampled_from([(300, 400), (400, 300), (300, 300)]),
)
def test_the_suggested_box_holds_the_lesion_at_its_share_and_is_of_the_networks_shape(side, x, y, size) -> None:
    pixels, (left, top, right, bottom) = far_away(side, (x, y), size)
    box = suggested_box(pixels, 4 / 3)
    assert box is not None
    assert not box.whole
    slack = 0.02
    assert box.left <= left + slack
    assert box.top <= top + slack
    assert box.left + box.width >= right - slack
    assert box.top + box.height >= bottom - slack
    shape = box.width * size[1] / (box.height * size[0])
    assert min(abs(shape - 4 / 3), abs(shape - 3 / 4)) < 0.02
    assert max((right - left) / box.width, (bottom - top) / box.height) == pytest.approx(LESION_SIDE, abs=0.16)


def test_a_photograph_like_those_it_learnt_from_is_left_whole_and_plain_skin_has_no_box() -> None:
    assert suggested_box(far_away(0.5)[0], 4 / 3) == WHOLE
    assert suggested_box(np.full((300, 400, 3), (210, 170, 150), dtype=np.uint8), 4 / 3) is None


@given(st.floats(0, 0.9), st.floats(0, 0.9), st.floats(0.02, 1), st.floats(0.02, 1))
def test_any_box_leaves_some_of_a_photograph(left, top, width, height) -> None:
    box = Box(left=left, top=top, width=min(width, 1 - left), height=min(height, 1 - top))
    pixels = np.zeros((7, 5, 3), dtype=np.uint8)
    part = cropped(Photograph("a", pixels, "k"), box).pixels
    assert part.shape[0] >= 1
    assert part.shape[1] >= 1
    assert cropped(Photograph("a", pixels, "k"), WHOLE).pixels.shape == pixels.shape
