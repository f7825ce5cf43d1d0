"""Photographs to answers, over the API."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from cutis.clinic import Patient, answers
from cutis.clinic import photograph as decoded
from cutis.taxonomy import LANGUAGES
from cutis.web.api.rendering import STATEMENT
from cutis.web.api.schema import Models, Predictions

PREDICT = "/api/v1/predict"


def problem(response, status, code):
    """The problem that a response tells, checked against RFC 9457."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert told["type"] == f"urn:cutis:problem:{code}"
    assert told["status"] == status
    assert told["title"]
    assert told["detail"]
    assert told["instance"] == response.headers["x-request-id"]
    return told


def test_it_answers_as_the_model_does(api, model, rule, photograph):
    files = [photograph(), photograph("PNG")]
    patients = [{"age": 61, "sex": "female", "site": "back"}, {}]
    response = api.post(
        PREDICT,
        files=[("images", ("one.jpg", files[0])), ("images", ("two.png", files[1]))],
        data={"patients": json.dumps(patients)},
    )
    assert response.status_code == 200, response.text
    told = Predictions.model_validate_json(response.content)
    photographs = [decoded(each, name) for each, name in zip(files, ("one.jpg", "two.png"), strict=True)]
    known = [Patient.model_validate(each) for each in patients]
    for ours, each in zip(told.answers, answers(model, photographs, known, rule=rule, quality=False), strict=True):
        assert [one.id for one in ours.diagnoses] == [one.id for one in each.diagnoses]
        for one, other in zip(ours.diagnoses, each.diagnoses, strict=True):
            assert one.probability == pytest.approx(other.probability, abs=1e-4)
        assert (ours.image, ours.risk, ours.differential) == (each.image, each.risk, each.differential)
        assert ours.advice.title == rule.advice_for(each.risk, "en").title
        assert ours.advice.review == rule.review
    assert told.request_id == response.headers["x-request-id"]
    assert told.model.name == model.name
    assert told.model.sha256 == model.about["weights_sha256"]
    assert told.statement == STATEMENT["en"]
    assert not told.quality_measured


def test_one_patient_holds_for_all_photographs(api, photograph):
    files = [("images", ("a.jpg", photograph())), ("images", ("b.jpg", photograph()))]
    known = api.post(PREDICT, files=files, data={"patients": '{"age": 85, "site": "face"}'}).json()["answers"]
    unknown = api.post(PREDICT, files=files).json()["answers"]
    assert known[0]["diagnoses"] == known[1]["diagnoses"]
    assert known[0]["diagnoses"] != unknown[0]["diagnoses"]


def test_quality_is_measured_when_asked_for(api):
    out = io.BytesIO()
    Image.fromarray(np.full((300, 400, 3), 4, dtype=np.uint8)).save(out, "PNG")
    files = {"images": ("dark.png", out.getvalue())}
    assert api.post(PREDICT, files=files).json()["answers"][0]["unfit"] == []
    told = api.post(PREDICT, files=files, params={"quality": "true"}).json()
    assert told["quality_measured"]
    assert told["answers"][0]["unfit"]


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("es-MX,es;q=0.9", "es"),
        ("fr, ko;q=0.3, zh-TW;q=0.8", "zh"),
        ("ko;q=0, de", "en"),
        ("", "en"),
        ("en;q=no, ko;q=0.1", "ko"),
    ],
)
def test_advice_is_in_the_language_that_is_liked_best(api, rule, photograph, asked, language):
    files = {"images": ("a.jpg", photograph())}
    response = api.post(PREDICT, files=files, headers={"accept-language": asked})
    told = response.json()
    (answer,) = told["answers"]
    assert told["language"] == response.headers["content-language"] == language
    assert told["statement"] == STATEMENT[language]
    assert answer["advice"]["text"] == rule.advice_for(answer["risk"], language).text


def test_every_language_of_the_advice_has_the_statement():
    assert set(STATEMENT) == set(LANGUAGES)


def test_bad_files_are_told_by_name_and_place_all_of_them(api, photograph):
    files = [
        ("images", ("good.jpg", photograph())),
        ("images", ("empty.jpg", b"")),
        ("images", ("../../etc/drawing.svg", b"<svg/>")),
        ("images", ("large.png", b"\x89PNG\r\n" + b"0" * 3_000_001)),
    ]
    told = problem(api.post(PREDICT, files=files), 422, "bad-photographs")
    assert [(each["place"], each["name"]) for each in told["photographs"]] == [(3, "large.png")]
    told = problem(api.post(PREDICT, files=files[:3]), 422, "bad-photographs")
    assert [(each["place"], each["name"]) for each in told["photographs"]] == [(1, "empty.jpg"), (2, "drawing.svg")]
    assert "empty.jpg: is empty" in told["detail"]


def test_pixels_are_counted_before_decoding(api):
    out = io.BytesIO()
    Image.new("1", (3000, 3000)).save(out, "PNG")
    told = problem(api.post(PREDICT, files={"images": ("wide.png", out.getvalue())}), 422, "bad-photographs")
    assert "3,000 × 3,000 pixels; at most 4,000,000 are read" in told["detail"]


@pytest.mark.parametrize(
    ("patients", "field", "words"),
    [
        ('{"age": 200}', "age", "less than or equal to 120"),
        ('{"sex": "x"}', "sex", "'female' or 'male'"),
        ('{"site": "moon"}', "site", "no site of the body"),
        ('{"name": "Jane"}', "name", "not permitted"),
        ('{"age": ', "patients", "Invalid JSON"),
        ("[" * 5000, "patients", "Invalid JSON"),
        ('[{"age": 1}, {"age": -1}]', "1.age", "greater than or equal to 0"),
    ],
)
def test_what_is_wrong_of_a_patient_is_told_by_field_and_not_repeated(api, photograph, patients, field, words):
    response = api.post(PREDICT, files={"images": ("a.jpg", photograph())}, data={"patients": patients})
    told = problem(response, 422, "bad-patient")
    assert told["fields"][0]["field"] == field
    assert words in told["fields"][0]["problem"]
    text = response.text.replace(told["instance"], "")  # whose random letters say nothing
    assert not any(word in text for word in ("Jane", "moon", "200"))


def test_forms_that_are_not_as_described_are_told(api, photograph):
    good = photograph()
    file = ("images", ("a.jpg", good))
    problem(api.post(PREDICT, content=b"x", headers={"content-type": "image/jpeg"}), 415, "no-multipart")
    problem(api.post(PREDICT, files=[("images", (None, "text"))]), 422, "no-photograph")
    problem(api.post(PREDICT, files=[("patients", (None, "{}"))]), 422, "no-photograph")
    told = problem(api.post(PREDICT, files=[file, ("pictures", ("b.jpg", good))]), 422, "unknown-field")
    assert "no 'pictures'" in told["detail"]
    told = problem(api.post(PREDICT, files=[file] * 6), 400, "no-form")
    assert "Too many files" in told["detail"]
    problem(api.post(PREDICT, files=[file] * 5), 422, "no-photograph")
    told = problem(api.post(PREDICT, files=[file] * 2, data={"patients": "[{}]"}), 422, "bad-patient")
    assert "1 entries for 2 photographs" in told["detail"]
    problem(api.post(PREDICT, files=[file], data={"patients": ["{}", "{}"]}), 422, "bad-patient")
    problem(api.post(PREDICT, files=[file], params={"quality": "perhaps"}), 422, "bad-parameter")
    problem(api.post(PREDICT, content=b"a" * 5_000_001, headers={"content-type": "x/y"}), 413, "too-large")
    problem(api.get(PREDICT), 405, "not-allowed")
    problem(api.get("/api/v2"), 404, "no-page")


def test_another_sites_page_is_refused(api, photograph):
    files = {"images": ("a.jpg", photograph())}
    problem(api.post(PREDICT, files=files, headers={"sec-fetch-site": "cross-site"}), 403, "other-site")
    assert api.post(PREDICT, files=files, headers={"sec-fetch-site": "same-origin"}).status_code == 200


def test_the_model_is_told_with_codes_figures_and_limits(api, model):
    told = Models.model_validate_json(api.get("/api/v1/models").content)
    (one,) = told.models
    assert [each.id for each in one.classes] == list(model.classes.ids)
    melanoma = next(each for each in one.classes if each.id == "mel")
    assert any(code.startswith("C43") for node in melanoma.nodes for code in node.icd10cm)
    assert melanoma.threshold == model.thresholds.classes["mel"].value
    assert one.metrics["balanced_accuracy"] == model.evaluation["overall"]["balanced_accuracy"]
    assert one.card == model.card
    assert one.limits.files_per_request == 4


def test_a_client_may_give_the_id_of_its_request(api):
    assert api.get("/healthz", headers={"x-request-id": "ab12-cd34"}).headers["x-request-id"] == "ab12-cd34"
    for bad in ("short", "a" * 65, "Jane Doe 1970", "<script>alert(1)</script>"):
        assert api.get("/healthz", headers={"x-request-id": bad}).headers["x-request-id"] != bad
