"""What a model says of one photograph, with the model that comes with cutis."""

import io

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from cutis.clinic import Patient, answers, photograph
from cutis.data import PhantomView, draw_phantom, phantom_lesion
from cutis.models import fastest_bundle, predict_files
from cutis.taxonomy import read_risk_rule


@pytest.fixture(scope="module")
def bundle():
    return fastest_bundle()


@pytest.fixture(scope="module")
def rule():
    return read_risk_rule()


def phantom(diagnosis, seed):
    return jpeg(draw_phantom(phantom_lesion(diagnosis, seed=seed), PhantomView(ita=40, seed=seed), (450, 600)).image)


def jpeg(pixels):
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=95)
    return content.getvalue()


@pytest.fixture(scope="module")
def lesion():
    return phantom("mel", 3)


def test_the_answer_is_that_of_predict(bundle, rule, lesion, tmp_path):
    (tmp_path / "lesion.jpg").write_bytes(lesion)
    patient = Patient(age=61, sex="male", site="back")
    (answer,) = answers(bundle, [photograph(lesion, "lesion.jpg")], [patient], rule=rule)
    predicted = predict_files(bundle, [tmp_path / "lesion.jpg"], patient.columns())
    told = dict(zip(bundle.classes.ids, predicted.probabilities[0], strict=True))
    assert {each.id: each.probability for each in answer.diagnoses} == pytest.approx(told, abs=1e-9)
    assert answer.unfamiliarity == pytest.approx(predicted.unfamiliarity[0], abs=1e-9)
    assert answer.seen_in_training == "no"
    assert [each.probability for each in answer.diagnoses] == sorted(told.values(), reverse=True)


def test_its_parts_agree_with_each_other(bundle, rule, lesion):
    (answer,) = answers(bundle, [photograph(lesion, "a")], rule=rule)
    of = {each.id: each for each in answer.diagnoses}
    above = {each.id for each in answer.diagnoses if each.above}
    assert answer.above == bool(above)
    assert set(answer.differential) == above if above else len(answer.differential) == 1
    assert all(of[each].probability >= of[each].threshold for each in above)
    assert set(answer.conformal_set) == {each.id for each in answer.diagnoses if each.in_set}
    assert sum(answer.risk_probabilities.values()) == pytest.approx(1)
    low = sum(each.probability for each in answer.diagnoses if each.risk == "low")
    assert answer.risk_probabilities["low"] == pytest.approx(low)
    malignant = sum(each.probability for each in answer.diagnoses if each.malignancy != "benign")
    assert answer.malignant == pytest.approx(malignant)


def test_a_batch_answers_each_photograph_as_it_does_alone(bundle, rule, lesion):
    other = phantom("nv", 5)
    patients = [Patient(age=30), Patient(age=80)]
    both = answers(bundle, [photograph(lesion, "same"), photograph(other, "same")], patients, rule=rule)
    for content, patient, together in zip((lesion, other), patients, both, strict=True):
        (alone,) = answers(bundle, [photograph(content, "same")], [patient], rule=rule)
        assert together.diagnoses[0].id == alone.diagnoses[0].id
        assert together.diagnoses[0].probability == pytest.approx(alone.diagnoses[0].probability, abs=1e-5)
    assert answers(bundle, [], rule=rule) == []


def test_noise_is_told_as_strange_and_as_unfit(bundle, rule):
    noise = np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    (answer,) = answers(bundle, [photograph(jpeg(noise), "noise")], rule=rule)
    assert answer.stranger_than == 99
    assert "noisy" in answer.unfit
    (unmeasured,) = answers(bundle, [photograph(jpeg(noise), "noise")], rule=rule, quality=False)
    assert unmeasured.unfit == ()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"age": -1}, "greater than or equal to 0"),
        ({"sex": "yes"}, "'female' or 'male'"),
        ({"site": "moon"}, "no site of the body"),
        ({"skin_type": "VII"}, "none of I, II"),
        ({"name": "x"}, "Extra inputs"),
    ],
)
def test_what_cannot_be_of_a_patient_is_refused(given, said):
    with pytest.raises(ValidationError, match=said):
        Patient(**given)


def test_empty_fields_of_a_form_are_not_known():
    assert Patient(site="", skin_type="") == Patient()
    assert Patient(site="back").site == "Trunk:Posterior trunk"
