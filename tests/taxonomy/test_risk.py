import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cutis.errors import PredictionsError, TaxonomyError
from cutis.taxonomy.risk import (
    GRADES,
    LANGUAGES,
    RiskRule,
    decide,
    expected_costs,
    grade_probabilities,
    node_grades,
    read_risk_rule,
    risk_grades,
)
from cutis.taxonomy.tree import Node, Taxonomy

RULE = read_risk_rule()


def node(node_id, parent=None, risk=None):
    return Node(id=node_id, name=node_id, parent=parent, risk=risk, sources=("test",))


TREE = Taxonomy(
    [
        node("benign", risk="low"),
        node("nevus", "benign"),
        node("atypical-nevus", "nevus", "high"),
        node("blue-nevus", "nevus"),
        node("keratosis", "benign"),
        node("malignant", risk="dangerous"),
        node("bcc", "malignant", "high"),
        node("melanoma", "malignant"),
        node("unknown"),
    ]
)


def rule(**changes):
    return RiskRule(**{**dict(RULE), **changes})


def test_grades_are_the_trees():
    found = risk_grades(TREE, [("keratosis",), ("bcc",), ("melanoma",)], RULE)
    assert found.grades == ("low", "high", "dangerous")
    assert found.notes == ()


def test_a_class_of_several_grades_is_the_most_dangerous_and_a_note_says_so():
    found = risk_grades(TREE, [("keratosis", "bcc"), ("melanoma",)], RULE)
    assert found.grades == ("high", "dangerous")
    assert found.notes == ("class 'keratosis+bcc' is graded high, its most dangerous node; lower: keratosis (low)",)


def test_a_note_names_more_dangerous_diagnoses_below_a_class():
    found = risk_grades(TREE, [("nevus",), ("keratosis",)], RULE)
    assert found.grades == ("low", "low")
    assert found.notes == ("class 'nevus' is graded low but holds more dangerous ones: atypical-nevus (high)",)


def test_a_diagnosis_with_a_class_of_its_own_is_not_noted_at_the_class_above():
    assert risk_grades(TREE, [("nevus",), ("atypical-nevus",)], RULE).notes == ()


def test_a_users_grade_goes_down_as_far_as_the_tree_hands_it_down():
    changed = node_grades(TREE, rule(nodes={"nevus": "dangerous", "malignant": "low"}))
    assert changed == {
        "benign": "low",
        "nevus": "dangerous",
        "atypical-nevus": "high",
        "blue-nevus": "dangerous",
        "keratosis": "low",
        "malignant": "low",
        "bcc": "high",
        "melanoma": "low",
        "unknown": None,
    }


def test_unknown_and_ungraded_nodes_are_errors():
    with pytest.raises(TaxonomyError, match="Did you mean melanoma"):
        risk_grades(TREE, [("bcc",)], rule(nodes={"melanom": "low"}))
    with pytest.raises(TaxonomyError, match="no risk grade is known for unknown"):
        risk_grades(TREE, [("unknown",)], RULE)
    assert risk_grades(TREE, [("unknown",)], rule(nodes={"unknown": "high"})).grades == ("high",)


def test_a_grades_probability_is_the_sum_over_its_classes():
    summed = grade_probabilities(np.array([[0.1, 0.2, 0.3, 0.4]]), ["high", "low", "high", "low"])
    assert summed[0] == pytest.approx([0.6, 0.4, 0.0])
    with pytest.raises(PredictionsError, match="3 columns"):
        grade_probabilities(np.ones((1, 2)), ["low", "high", "low"])


@pytest.mark.parametrize(
    ("probabilities", "decision"),
    [
        ([1, 0, 0], "low"),
        ([0, 1, 0], "high"),
        ([0, 0, 1], "dangerous"),
        ([0.95, 0, 0.05], "low"),
        ([0.9, 0, 0.1], "high"),  # an argmax would say low
        ([0.8, 0, 0.2], "dangerous"),
        ([0.85, 0.15, 0], "low"),
        ([0.8, 0.2, 0], "high"),
    ],
)
def test_what_ships_weighs_a_missed_dangerous_lesion_most(probabilities, decision):
    assert decide(np.array([probabilities]), RULE) == (decision,)
    costs = np.array(RULE.cost)
    assert costs.max() == costs[GRADES.index("dangerous"), GRADES.index("low")]


def test_the_thresholds_that_the_file_tells():
    for dangerous, decision in [
        (1 / 16 - 1e-6, "low"),
        (1 / 16 + 1e-6, "high"),
        (1 / 6 - 1e-6, "high"),
        (1 / 6 + 1e-6, "dangerous"),
    ]:
        assert decide(np.array([[1 - dangerous, 0, dangerous]]), RULE) == (decision,)
    for high, decision in [(1 / 6 - 1e-6, "low"), (1 / 6 + 1e-6, "high")]:
        assert decide(np.array([[1 - high, high, 0]]), RULE) == (decision,)


def test_of_equal_costs_the_more_dangerous_grade_is_decided():
    assert decide(np.array([[15 / 16, 0, 1 / 16], [5 / 6, 0, 1 / 6], [5 / 6, 1 / 6, 0]]), RULE) == (
        "high",
        "dangerous",
        "high",
    )
    assert decide(np.array([[1.0, 0, 0]]), rule(cost=((0, 0, 0), (0, 0, 0), (0, 0, 0)))) == ("dangerous",)


costs = st.lists(st.integers(0, 50), min_size=6, max_size=6).map(
    lambda values: ((0, values[0], values[1]), (values[2], 0, values[3]), (values[4], values[5], 0))
)
grade_rows = (
    st.lists(st.integers(0, 20), min_size=3, max_size=3).filter(any).map(lambda row: np.array([row]) / sum(row))
)


@given(grade_rows, costs)
def test_the_decision_has_the_least_expected_cost(row, cost):
    decision = GRADES.index(decide(row, rule(cost=cost))[0])
    by_hand = [sum(row[0, truth] * cost[truth][each] for truth in range(3)) for each in range(3)]
    assert by_hand == pytest.approx(expected_costs(row, rule(cost=cost))[0])
    assert by_hand[decision] == pytest.approx(min(by_hand))
    assert all(each > by_hand[decision] for each in by_hand[decision + 1 :])  # ties go to the more dangerous


@given(grade_rows)
def test_with_equal_costs_it_is_the_most_probable_grade(row):
    equal = rule(cost=((0, 1, 1), (1, 0, 1), (1, 1, 0)))
    assert row[0, GRADES.index(decide(row, equal)[0])] == row.max()


def test_rows_without_a_probability_are_named():
    with pytest.raises(PredictionsError, match="2 rows .* row 2, 3"):
        decide(np.array([[1, 0, 0], [np.nan, 0, 1], [-0.1, 1, 0]]), RULE)
    with pytest.raises(PredictionsError, match="3 columns"):
        decide(np.ones((2, 2)), RULE)
    assert decide(np.empty((0, 3)), RULE) == ()


@pytest.mark.parametrize(
    "cost",
    [
        ((0, 1), (1, 0)),
        ((0, 1, 1), (1, 0), (1, 1, 0)),
        ((0, 1, 1), (1, 0, -1), (1, 1, 0)),
        ((0, 1, 1), (1, 2, 1), (1, 1, 0)),
        ((0, 1, 1), (1, 0, float("inf")), (1, 1, 0)),
    ],
)
def test_costs_are_square_not_negative_and_zero_where_right(cost):
    with pytest.raises(ValidationError):
        rule(cost=cost)


def test_every_grade_has_advice_in_four_languages_that_awaits_review():
    texts = [RULE.advice_for(grade, each) for grade in GRADES for each in LANGUAGES]
    assert len({each.text for each in texts}) == len(texts) == 12
    assert not any(each.reviewed for each in texts)
    assert "native speaker" in RULE.review
    with pytest.raises(TaxonomyError, match="'fr'"):
        RULE.advice_for("low", "fr")


def test_a_users_file_changes_only_what_it_holds(tmp_path):
    own = tmp_path / "mine.toml"
    own.write_text(
        '[nodes]\nbcc = "dangerous"\n[advice.high.ko]\nreviewed = true\n'
        "[cost]\nlow = [0, 1, 1]\nhigh = [9, 0, 1]\ndangerous = [99, 9, 0]\n"
    )
    changed = read_risk_rule(own)
    assert changed.nodes == {"bcc": "dangerous"}
    assert changed.cost[2] == (99, 9, 0)
    assert changed.advice_for("high", "ko").reviewed
    assert changed.advice_for("high", "ko").text == RULE.advice_for("high", "ko").text
    assert changed.advice_for("low", "ko") == RULE.advice_for("low", "ko")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[cost]\nlow = [0, 1, 1]\n", r"\[cost\] needs the rows low, high, dangerous"),
        ("[cost]\nlow = [0, 1, 1]\nhigh = [1, 0, 1]\ndangerous = [1, 1, 5]\n", "right decision costs 0"),
        ('[nodes]\nbcc = "severe"\n', r"\[nodes.bcc\]"),
        ("[grades]\n", "unknown table or key 'grades'"),
        ('review = "none"\n', r"\[review\]"),
        ("[cost\n", "not valid TOML"),
    ],
)
def test_a_bad_file_is_an_error_that_names_it(tmp_path, text, message):
    own = tmp_path / "mine.toml"
    own.write_text(text)
    with pytest.raises(TaxonomyError, match=message) as error:
        read_risk_rule(own)
    assert "mine.toml" in str(error.value)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(TaxonomyError, match="does not exist"):
        read_risk_rule(tmp_path / "none.toml")
