"""FHIR bundles, checked by fhir.resources (R5, and R4B, which leaves these resources as R4 has them) and by the rules
of the specification that it does not check."""

import json
from datetime import UTC, datetime

import pytest
from fhir.resources.bundle import Bundle as BundleR5
from fhir.resources.R4B.bundle import Bundle as BundleR4

from cutis.clinic import Patient, Photograph, answers
from cutis.clinic.fhir import BASE, ICD_10_CM, class_concept, fhir_bundle
from cutis.clinic.wording import STATEMENT
from cutis.data import PhantomView, draw_phantom, phantom_lesion
from cutis.models import fastest_bundle
from cutis.taxonomy import read_risk_rule, shipped_taxonomy

WHEN = datetime(2024, 3, 5, 10, 11, 12, tzinfo=UTC)
MODELS = {"R4": BundleR4, "R5": BundleR5}


@pytest.fixture(scope="module")
def bundle():
    return fastest_bundle()


@pytest.fixture(scope="module")
def rule():
    return read_risk_rule()


@pytest.fixture(scope="module")
def answer(bundle, rule):
    pixels = draw_phantom(phantom_lesion("mel", seed=3), PhantomView(ita=40, seed=3), (90, 120)).image
    return answers(bundle, [Photograph("Jane Doe.jpg", pixels, "0" * 32)], rule=rule)[0]


def made(answer, bundle, rule, **options):
    return fhir_bundle(answer, bundle, "0" * 32, rule=rule, when=WHEN, **options)


def by_kind(found):
    kinds = {}
    for each in found["entry"]:
        kinds.setdefault(each["resource"]["resourceType"], []).append(each["resource"])
    return kinds


def observation(found, code):
    (only,) = (each for each in by_kind(found)["Observation"] if each["code"]["coding"][0]["code"] == code)
    return only


@pytest.mark.parametrize("release", ["R4", "R5"])
@pytest.mark.parametrize("subject", [None, "Patient/123"])
def test_fhir_resources_accepts_it(release, subject, answer, bundle, rule):
    found = made(
        answer, bundle, rule, release=release, subject=subject, study_uid="1.2.3", patient=Patient(site="scalp")
    )
    text = json.dumps(found, allow_nan=False)
    read = MODELS[release].model_validate_json(text)
    assert json.loads(read.model_dump_json(exclude_none=True)).keys() == found.keys()
    kinds = by_kind(found)
    assert {kind: len(each) for kind, each in kinds.items()} == {
        "DiagnosticReport": 1,
        "Observation": 5,
        "RiskAssessment": 1,
        "Device": 1,
    }


def test_the_wrong_release_is_not_accepted(answer, bundle, rule):
    """The check above can fail: R4 and R5 name the device and the study differently."""
    found = made(answer, bundle, rule, release="R5", study_uid="1.2.3")
    with pytest.raises(ValueError, match=r"deviceName|Extra|name|study"):
        BundleR4.model_validate_json(json.dumps(found))


def test_it_says_what_the_answer_says(answer, bundle, rule):
    found = made(answer, bundle, rule)
    components = observation(found, "class-probabilities")["component"]
    assert [each["valueQuantity"]["value"] for each in components] == pytest.approx(
        [each.probability for each in answer.diagnoses], abs=1e-6
    )
    extensions = [{each["url"].rpartition("/")[2]: each for each in one["extension"]} for one in components]
    assert [each["above-threshold"]["valueBoolean"] for each in extensions] == [each.above for each in answer.diagnoses]
    held = [each["valueBoolean"] for each in observation(found, "conformal-set")["component"]]
    assert held == [each.in_set for each in answer.diagnoses]
    assert observation(found, "unfamiliarity")["valueQuantity"]["value"] == pytest.approx(
        answer.unfamiliarity, abs=1e-6
    )
    assert observation(found, "risk-grade")["valueCodeableConcept"]["coding"][0]["code"] == answer.risk
    assert observation(found, "photograph-quality")["valueBoolean"] == (not answer.unfit)


def test_probabilities_of_a_risk_assessment_are_percentages(answer, bundle, rule):
    """RiskAssessment.prediction.probability[x]: decimals are percentages, at most 100 (rule ras-2)."""
    (risk,) = by_kind(made(answer, bundle, rule))["RiskAssessment"]
    malignant, *grades = (each["probabilityDecimal"] for each in risk["prediction"])
    assert malignant == pytest.approx(100 * answer.malignant, abs=1e-3)
    assert sum(grades) == pytest.approx(100, abs=1e-2)
    assert all(0 <= each <= 100 for each in (malignant, *grades))
    advice = rule.advice_for(answer.risk)
    assert risk["mitigation"].startswith(advice.text)
    assert rule.review in risk["mitigation"]


def test_every_reference_is_in_the_bundle_and_every_id_is_its_own(answer, bundle, rule):
    found = made(answer, bundle, rule)
    urls = [each["fullUrl"] for each in found["entry"]]
    assert len(set(urls)) == len(urls)
    assert all(each["fullUrl"] == f"urn:uuid:{each['resource']['id']}" for each in found["entry"])

    def references(value):
        if isinstance(value, dict):
            yield from ([value["reference"]] if "reference" in value else [])
            value = list(value.values())
        if isinstance(value, list):
            for each in value:
                yield from references(each)

    assert set(references(found)) <= set(urls)
    (report,) = by_kind(found)["DiagnosticReport"]
    assert len(report["result"]) == len(by_kind(found)["Observation"])


def test_made_twice_it_has_the_same_ids(answer, bundle, rule):
    assert made(answer, bundle, rule) == made(answer, bundle, rule)
    assert made(answer, bundle, rule)["id"] != made(answer, bundle, rule, release="R5")["id"]


def test_everything_is_preliminary_labelled_and_says_what_it_is(answer, bundle, rule):
    for each in made(answer, bundle, rule)["entry"]:
        resource = each["resource"]
        assert resource["meta"]["security"][0]["code"] == "AIAST"
        assert STATEMENT.replace("'", "&#x27;") in resource["text"]["div"]
        assert resource["status"] == ("active" if resource["resourceType"] == "Device" else "preliminary")
    assert "conclusionCode" not in json.dumps(made(answer, bundle, rule))


def test_nobody_is_named_unless_asked_for(answer, bundle, rule):
    text = json.dumps(made(answer, bundle, rule, patient=Patient(age=61, sex="female", site="scalp")))
    assert "Jane" not in text
    assert "female" not in text
    assert '"Patient' not in text
    named = made(answer, bundle, rule, subject="Patient/123")
    subjects = [each["resource"].get("subject") for each in named["entry"]]
    assert subjects.count({"reference": "Patient/123"}) == len(subjects) - 1  # all but the device
    (risk,) = by_kind(made(answer, bundle, rule))["RiskAssessment"]
    assert risk["subject"]["extension"][0]["valueCode"] == "unknown"


def test_codes_are_the_trees_and_none_is_invented(answer):
    tree = shipped_taxonomy()
    for each in answer.diagnoses:
        ours, *others = class_concept(each)["coding"]
        assert ours["system"].startswith(BASE)
        if len(each.nodes) > 1:
            assert (ours["code"], others) == (each.id, [])
            continue
        node = tree[each.nodes[0]]
        assert ours["code"] == node.id
        told = [code["code"] for code in others if code["system"] == ICD_10_CM]
        assert told == (list(node.icd10cm) if len(node.icd10cm) == 1 else [])
        assert len(told) == len(others)
    with_code = {each.id for each in answer.diagnoses if len(class_concept(each)["coding"]) > 1}
    assert with_code == {"bcc", "df", "mel"}
