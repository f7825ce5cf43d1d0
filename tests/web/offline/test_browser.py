"""The offline app in a real browser: kept with consent, then answering without a network as the server does."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from cutis.clinic import Patient, answers, photograph
from cutis.web.clinic.answer_page import answer_page
from cutis.web.clinic.crop import Box, cropped
from cutis.web.clinic.words import clinic_words
from cutis.web.rendering import environment

from .device import Device, drawn, saved, turned


@pytest.fixture(scope="module")
def device(browser, address):
    """Kept on the device while online; the network is off since."""
    made = Device(browser, address)
    assert made.page.locator("#ask").is_hidden()
    assert not any("model.onnx" in each or ".wasm" in each for each in made.asked), "downloaded without consent"
    yield made.keep().offline()
    assert made.errors == []
    made.context.close()


@pytest.fixture(autouse=True)
def _fresh(request):
    if "device" in request.fixturenames:
        request.getfixturevalue("device").page.reload()
        request.getfixturevalue("device").ready()


PHOTOGRAPHS = {
    "landscape": lambda: saved(drawn("mel", 1)),
    "portrait": lambda: saved(drawn("nv", 2, (640, 480))),
    "of an iPhone, portrait by its EXIF": lambda: turned(drawn("bcc", 3, (900, 1200)), 6),
    "small": lambda: saved(drawn("bkl", 4, (90, 121))),
    "PNG with transparency": lambda: _transparent(drawn("df", 5)),
    "WebP": lambda: saved(drawn("vasc", 6, (500, 333)), "WEBP", quality=85),
}


def _transparent(image):
    image.putalpha(Image.new("L", image.size, 200))
    return saved(image, "PNG")


def same(found, expected):
    """Whether the browser's answer is the server's: probabilities to a thousandth, all that follows exactly."""
    theirs = json.loads(expected.model_dump_json())
    for each in ("malignant", "unfamiliarity"):
        assert found[each] == pytest.approx(theirs[each], abs=5e-3 if each == "unfamiliarity" else 1e-3)
    assert found["risk_probabilities"] == pytest.approx(theirs["risk_probabilities"], abs=1e-3)
    mine = {each["id"]: each for each in found["diagnoses"]}
    assert [each["id"] for each in found["diagnoses"]] == [each["id"] for each in theirs["diagnoses"]]
    for each in theirs["diagnoses"]:
        assert mine[each["id"]]["probability"] == pytest.approx(each["probability"], abs=1e-3)
        assert mine[each["id"]] | {"probability": None} == each | {"probability": None}
    left = {"malignant", "unfamiliarity", "risk_probabilities", "diagnoses", "image", "unfit", "notes"}
    assert {key: value for key, value in found.items() if key not in left} == {
        key: value for key, value in theirs.items() if key not in left
    }


@pytest.mark.parametrize("which", PHOTOGRAPHS)
def test_without_a_network_the_answer_is_the_servers(device, bundle, rule, which):
    content = PHOTOGRAPHS[which]()
    found = device.answer(content)
    same(found, answers(bundle, [photograph(content, which)], rule=rule, quality=False)[0])


def test_no_request_is_made_while_a_photograph_is_answered(device):
    device.asked.clear()
    device.answer(saved(drawn("mel", 1)))
    device.page.wait_for_timeout(300)
    assert device.asked == []


def test_what_is_known_of_the_patient_counts_as_on_the_server(device, bundle, rule):
    content = saved(drawn("mel", 8))
    device.choose(content)
    device.page.locator("#cutting").wait_for()
    device.page.click(".patient summary")
    device.page.fill("[name=age]", "71")
    device.page.select_option("[name=sex]", "male")
    device.page.select_option("[name=site]", label="Scalp")
    patient = Patient(age=71, sex="male", site="scalp")
    expected, other = answers(bundle, [photograph(content, "")] * 2, [patient, Patient()], rule=rule, quality=False)
    assert abs(expected.malignant - other.malignant) > 0.002, "the model does not heed the patient here"
    same(device.judge(), expected)


def test_a_part_is_judged_as_the_servers_crop(device, bundle, rule):
    content = saved(drawn("nv", 9, (601, 803)))
    device.choose(content)
    device.page.locator("#cutting").wait_for()
    for _ in range(3):
        device.page.click("[data-crop=smaller]")
    for key in ("ArrowLeft", "ArrowLeft", "ArrowDown"):
        device.page.locator("[data-box]").press(key)
    found = device.judge()
    shares = device.page.evaluate("told.at(-1).box")
    assert 0.4 < shares["width"] < 0.7
    same(found, answers(bundle, [cropped(photograph(content, ""), Box(**shares))], rule=rule, quality=False)[0])
    assert device.page.locator("[data-crop-seen]").is_visible()
    device.page.click("[data-crop=whole]")
    assert device.page.locator("#answer").is_hidden(), "what was answered is not what is shown now"


def test_an_image_that_the_model_learnt_from_is_told(device, real_data, bundle, rule):
    images = sorted((real_data / "ham10000" / "HAM10000_images").glob("*.jpg"))[:8]
    for each in images[:3]:
        content = each.read_bytes()
        expected = answers(bundle, [photograph(content, each.name)], rule=rule, quality=False)[0]
        same(device.answer(content), expected)
        told = device.page.locator("#answer [data-part=seen]").count() == 1
        assert told == (expected.seen_in_training == "image")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (lambda: saved(drawn("mel", 1))[:9000], "truncated"),
        (lambda: b"", "empty"),
        (lambda: b"no photograph at all", "no JPEG, PNG or WebP"),
        (lambda: saved(Image.new("RGB", (9000, 6000)), "PNG"), "9000 × 6000 pixels"),
    ],
    ids=["truncated", "empty", "text", "too large"],
)
def test_what_cannot_be_judged_is_told_and_the_next_photograph_can(device, content, told):
    device.choose(content())
    assert told in device.problem()
    assert device.page.locator("#cutting").is_hidden()
    device.answer(saved(drawn("mel", 1)))
    assert device.page.locator("#problem").is_hidden()


@pytest.mark.parametrize(
    ("language", "which"), [("en", "landscape"), ("es", "WebP"), ("zh", "portrait"), ("ko", "landscape")]
)
def test_the_answer_is_told_in_the_words_of_the_clinics_page(device, bundle, rule, which, language):
    """Each part has the same text as where the server makes the page."""
    content = PHOTOGRAPHS[which]()
    device.page.click(f"a[hreflang={language}]")
    device.ready()
    device.answer(content)
    here = device.page.evaluate(PARTS)
    w = clinic_words(language)
    expected = answers(bundle, [photograph(content, "")], rule=rule, quality=False)[0]
    view = answer_page(expected, bundle, rule, Patient(), "", datetime.now(UTC), w)
    html = environment().get_template("clinic/answer.html.jinja").render(view=view, w=w)
    there = device.page.evaluate(
        f"(html) => {{ document.getElementById('answer').innerHTML = html; return ({PARTS}); }}", html
    )
    assert here["focus"] == "answer-heading"
    assert set(here["parts"]) >= {"risk", "differential", "malignant", "set", "all"}
    assert here["parts"] == there["parts"]
    assert here["attributes"] == there["attributes"]
    device.page.click("a[hreflang=en]")
    device.ready()


PARTS = """(() => {
    const told = ["seen", "stranger", "risk", "differential", "malignant", "set", "all", "hidden"];
    const article = document.querySelector("[data-answer]");
    const parts = {};
    for (const each of article.querySelectorAll("[data-part]")) {
        const text = Array.from(each.textContent).filter((letter) => letter.trim()).join("");
        if (told.includes(each.dataset.part)) parts[each.dataset.part] = text;
    }
    return {
        parts, focus: document.activeElement.id,
        attributes: [article.dataset.stranger, article.dataset.risk],
    };
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_accessible_before_and_after_an_answer(device, scheme):
    device.page.emulate_media(color_scheme=scheme)
    device.choose(saved(drawn("nv", 2)))
    device.page.locator("#cutting").wait_for()
    device.page.click("[data-crop=smaller]")
    device.judge()
    for each in device.page.locator("summary").all():
        each.click()
    assert device.check() == []
    device.page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("language", ["ko"])  # the words of each are compared elsewhere
def test_another_language_works_offline(device, address, language):
    device.page.click(f"a[hreflang={language}]")
    device.ready()
    assert device.page.evaluate("document.documentElement.lang") == language
    device.answer(saved(drawn("nv", 2)))
    assert device.check() == []
    device.page.click("a[hreflang=en]")
    device.ready()


def test_probabilities_differ_from_the_servers_by_rounding_only(device, real_data, bundle, rule):
    """Measured: JPEG decoders agree here, so what differs is the order of sums in two builds of ONNX Runtime."""
    folders = {"ham10000/HAM10000_images": "jpg", "pad_ufes_20/images": "jpg"}
    worst = []
    for folder, suffix in folders.items():
        for each in sorted((real_data / folder).glob(f"*.{suffix}"))[::25][:4]:
            content = each.read_bytes()
            expected = answers(bundle, [photograph(content, each.name)], rule=rule, quality=False)[0]
            found = device.answer(content)
            mine = {one["id"]: one["probability"] for one in found["diagnoses"]}
            worst.append(max(abs(mine[one.id] - one.probability) for one in expected.diagnoses))
    assert np.max(worst) < 1e-3
