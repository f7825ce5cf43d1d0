import numpy as np
import pytest

from cutis.errors import LeakError
from cutis.evaluation import ClassThreshold, Predictions, ThresholdRule, Thresholds
from cutis.study.ai_outputs import ai_outputs
from cutis.study.cases import StudyCase
from cutis.study.design import StudyError
from cutis.taxonomy import class_set, read_risk_rule, source_classes

HAM7 = class_set("ham7")  # akiec bcc bkl df mel nv vasc
ROWS = np.array([[0.0, 0.1, 0.1, 0.05, 0.6, 0.1, 0.05], [0.01, 0.0, 0.04, 0.0, 0.0, 0.95, 0.0]])


def predictions(**more) -> Predictions:
    return Predictions(["a", "b"], ROWS, HAM7, **more)


def cases(*image_ids: str) -> list[StudyCase]:
    return [StudyCase(image_id=i, image_path="x", stratum=0, part="main", node="nevus") for i in image_ids]


def test_the_likeliest_diagnoses_come_with_their_names_and_probabilities():
    shown = ai_outputs(predictions(), cases("b", "a"), read_risk_rule(), most=2)
    assert list(shown) == ["b", "a"]
    assert [(each.id, each.name, each.probability) for each in shown["a"].differential] == [
        ("mel", "Melanoma", 0.6),
        ("bcc", "Basal cell carcinoma", 0.1),
    ]
    assert shown["a"].above is None
    assert shown["a"].risk is None
    assert shown["a"].unfamiliar is None


def test_with_thresholds_the_list_holds_what_reaches_its_own_and_says_where_nothing_does():
    at = dict.fromkeys(HAM7.ids, 0.9) | {"mel": 0.5, "df": 0.05, "nv": 0.96}
    rates = {"sensitivity": 0.5, "specificity": 0.5, "images": 1, "others": 1}
    classes = {each: ClassThreshold(value=value, **rates) for each, value in at.items()}
    thresholds = Thresholds(rule=ThresholdRule(), chosen_on="test", classes=classes)
    shown = ai_outputs(predictions(), cases("a", "b"), read_risk_rule(), thresholds=thresholds)
    assert {each.id for each in shown["a"].differential} == {"mel", "df"}
    assert shown["a"].above
    assert [each.id for each in shown["b"].differential] == ["nv"]
    assert shown["b"].above is False


def test_the_grade_is_the_one_of_least_expected_cost_and_the_probabilities_are_sums_over_its_classes():
    shown = ai_outputs(predictions(), cases("a", "b"), read_risk_rule(), show_risk=True)
    assert shown["a"].risk == "dangerous"
    assert shown["a"].risk_probabilities == pytest.approx((0.3, 0.1, 0.6))
    assert shown["b"].risk == "low"


def test_it_is_told_where_the_ai_does_not_know_the_kind_of_image():
    shown = ai_outputs(predictions(unfamiliarity=np.array([1.2, 0.4])), cases("a", "b"), read_risk_rule())
    assert (shown["a"].unfamiliar, shown["b"].unfamiliar) == (True, False)


def test_cases_the_ai_was_trained_on_or_did_not_predict_are_refused():
    with pytest.raises(LeakError, match=r"trained on 1 of 2 cases.*: a\b"):
        ai_outputs(predictions(seen=["patient", None]), cases("a", "b"), read_risk_rule())
    with pytest.raises(StudyError, match="1 of 2 cases were not predicted by the AI: c"):
        ai_outputs(predictions(), cases("a", "c"), read_risk_rule())


def test_a_grade_needs_classes_of_the_tree():
    words = Predictions(["a"], np.array([[0.5, 0.5]]), source_classes(["x", "y"]))
    assert ai_outputs(words, cases("a"), read_risk_rule())["a"].risk is None
    with pytest.raises(StudyError, match="no risk grade is known for the AI's classes x, y"):
        ai_outputs(words, cases("a"), read_risk_rule(), show_risk=True)
