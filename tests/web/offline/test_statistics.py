"""The browser's arithmetic from logits to an answer is the server's, for every kind of calibration and set."""

from typing import ClassVar

import numpy as np
import pytest
from safetensors.numpy import save

from cutis.evaluation import (
    ConformalSets,
    IsotonicScaling,
    TemperatureScaling,
    Thresholds,
    VectorScaling,
    differential_lists,
    fit_neighbours,
)
from cutis.evaluation.thresholds import ClassThreshold, ThresholdRule
from cutis.models.familiarity import Familiarity, FamiliarityFacts
from cutis.taxonomy import decide, grade_probabilities
from cutis.web.offline.model_facts import model_facts

IDS = ("a", "b", "c", "d")
LOGITS = np.random.default_rng(7).normal(0, 3, (40, 4))
PROBABILITIES = TemperatureScaling(temperature=1.5).probabilities(LOGITS)


@pytest.mark.parametrize(
    "scaling",
    [
        TemperatureScaling(temperature=0.7),
        VectorScaling(scale=(0.5, 1.0, 1.5, 2.0), shift=(0.0, -1.0, 0.3, 2.0)),
        IsotonicScaling(
            said=((0.1, 0.4, 0.4, 0.9), (0.0, 1.0), (0.3,), (0.2, 0.8)),
            meant=((0.02, 0.1, 0.3, 0.95), (0.1, 0.9), (0.25,), (0.2, 0.2)),
        ),
    ],
    ids=lambda each: each.kind,
)
def test_calibration(script, scaling):
    run = "(module, { scaling, logits }) => logits.map((row) => module.calibrated(scaling, row))"
    found = script("statistics.js", run, {"scaling": scaling.model_dump(), "logits": LOGITS.tolist()})
    np.testing.assert_allclose(found, scaling.probabilities(LOGITS), atol=1e-14)


@pytest.mark.parametrize("score", ["lac", "aps"])
def test_conformal_sets(script, score):
    sets = ConformalSets(
        score=score,
        coverage=0.9,
        class_conditional=True,
        limits=dict(zip(IDS, (0.6, 0.9, None, 0.3), strict=True)),
        calibration_images=dict.fromkeys(IDS, 10),
        calibrated_on="noise",
    )
    run = "(module, { rule, rows }) => rows.map((row) => module.conformalSet(rule, row))"
    rule = {"score": score, "limits": list(sets.limits.values())}
    found = script("statistics.js", run, {"rule": rule, "rows": PROBABILITIES.tolist()})
    np.testing.assert_array_equal(found, sets.sets(PROBABILITIES))


class TestAnswer:
    facts: ClassVar = {
        "name": "noise",
        "classes": [{"id": each, "name": each, "nodes": [], "malignancy": "benign"} for each in IDS],
        "calibration": {"kind": "temperature", "temperature": 1.5},
        "thresholds": None,
        "conformal": None,
        "familiarity": None,
        "risk": None,
    }

    def answers(self, script, **facts):
        run = """(module, { facts, rows }) =>
            rows.map((logits) => module.answerOf(facts, { logits, features: null, seen: "no" }))"""
        return script("statistics.js", run, {"facts": self.facts | facts, "rows": LOGITS.tolist()})

    @pytest.mark.parametrize("values", [(0.3, 0.1, None, 0.0), (0.99, 0.999, None, 0.98)])
    def test_the_differential_list(self, script, values):
        limits = {
            each: ClassThreshold(value=value, sensitivity=None, specificity=None, images=1, others=1)
            for each, value in zip(IDS, values, strict=True)
        }
        thresholds = Thresholds(rule=ThresholdRule(), chosen_on="noise", classes=limits)
        expected = differential_lists(PROBABILITIES, thresholds)
        found = self.answers(script, thresholds=list(values))
        assert [(tuple(each["differential"]), each["above"]) for each in found] == [tuple(each) for each in expected]

    def test_the_risk_is_the_least_expected_cost(self, script, rule):
        grades = ("low", "dangerous", "high", "low")
        expected = decide(grade_probabilities(PROBABILITIES, grades), rule)
        found = self.answers(script, risk={"classes": grades, "cost": rule.cost})
        assert tuple(each["risk"] for each in found) == expected
        assert len(set(expected)) == 3

    def test_of_equal_costs_the_most_dangerous_is_said(self, script):
        free = {"classes": ["low"] * 4, "cost": [[0, 0, 0]] * 3}
        assert {each["risk"] for each in self.answers(script, risk=free)} == {"dangerous"}

    def test_what_a_bundle_lacks_is_not_said(self, script):
        (found, *_) = self.answers(script)
        assert found["above"] is found["risk"] is found["unfamiliarity"] is found["conformal_coverage"] is None
        assert found["differential"] == found["conformal_set"] == found["always_in_set"] == []

    def test_malignancy_is_summed_only_where_every_class_has_one(self, script):
        kinds = ("malignant", "benign", "premalignant", "benign")
        classes = [each | {"malignancy": kind} for each, kind in zip(self.facts["classes"], kinds, strict=True)]
        found = [each["malignant"] for each in self.answers(script, classes=classes)]
        np.testing.assert_allclose(found, PROBABILITIES[:, [0, 2]].sum(axis=1))
        classes[1]["malignancy"] = "other"
        assert {each["malignant"] for each in self.answers(script, classes=classes)} == {None}


def test_unfamiliarity(script):
    rng = np.random.default_rng(3)
    learnt = fit_neighbours(rng.normal(0, 1, (60, 24)).astype(np.float16), 10)
    numbers = FamiliarityFacts(
        neighbours=10, fitted_on="noise", measured_on="noise", median=0.9, limit_95=1.05, limit_99=1.1
    )
    familiarity = Familiarity(learnt, numbers)
    features = np.concatenate([rng.normal(0, 1, (20, 24)), learnt.features[:3], np.zeros((1, 24))])
    run = """(module, { facts, file, rows }) => {
        const learnt = module.learntFeatures(Uint8Array.from(file).buffer);
        return rows.map((row) => module.unfamiliarity({ ...facts, learnt }, row));
    }"""
    file = list(save({"features": learnt.features.astype(np.float16)}))
    given = {"facts": numbers.model_dump(mode="json"), "file": file, "rows": features.tolist()}
    found = script("statistics.js", run, given)
    expected = familiarity.scores(features)
    np.testing.assert_allclose([each["value"] for each in found], expected, atol=2e-3)  # kept in half precision
    assert [each["strangerThan"] for each in found] == [familiarity.stranger_than(each) for each in expected]


def test_the_facts_hold_a_code_for_every_value_that_is_asked(bundle, rule):
    facts = model_facts(bundle, rule)
    assert facts["patient"]["fields"] == ("age", "sex", "site")
    codes = facts["patient"]["codes"]
    assert codes["age"]["61"] == 61 // 5 + 1
    assert codes["sex"] == {"female": 1, "male": 2}
    assert len(codes["site"]) == 13
    assert all(codes["site"].values())
