"""Figures with intervals, and parts read from files."""

import subprocess
import sys

import numpy as np
import pytest

from cutis.errors import PredictionsError
from cutis.evaluation import ConformalSets, Thresholds, read_conformal_sets, read_thresholds
from cutis.evaluation.estimate import Estimate, estimated, resampled


def test_an_estimate_says_what_is_not_defined():
    nothing = Estimate(value=None, low=None, high=None)
    assert estimated(float("nan"), np.array([1.0, 2.0]), 0.95) == nothing
    assert estimated(0.5, None, 0.95) == Estimate(value=0.5, low=None, high=None)
    assert estimated(0.5, np.full(3, np.nan), 0.95) == Estimate(value=0.5, low=None, high=None, undefined_resamples=3)
    found = estimated(0.5, np.array([*np.linspace(0, 1, 101), np.nan]), 0.9)
    assert (found.low, found.high) == (pytest.approx(0.05), pytest.approx(0.95))
    assert found.undefined_resamples == 1


def test_one_cluster_is_not_resampled():
    def mean(weights):
        return {"mean": weights.T @ np.array([0.0, 1.0]) / 2}

    options = {"resamples": 100, "seed": 0, "confidence": 0.95}
    assert resampled(mean, np.array([4, 4]), **options).estimate("mean") == Estimate(value=0.5, low=None, high=None)
    assert resampled(mean, ["a", "b"], **options).estimate("mean").high == 1
    many = resampled(mean, ["a", "b"], width=10**6, **options)  # one resample at a time, the same number of them
    assert many.spread["mean"].shape == (100,)


@pytest.mark.parametrize("read", [read_thresholds, read_conformal_sets])
def test_files_that_hold_something_else_are_refused_in_one_line(tmp_path, read):
    with pytest.raises(PredictionsError, match=r"none\.json: cannot be read"):
        read(tmp_path / "none.json")
    for text in ("{}", "no json", "[]"):
        (tmp_path / "x.json").write_text(text)
        with pytest.raises(PredictionsError, match=r"x\.json: does not hold (Thresholds|ConformalSets)"):
            read(tmp_path / "x.json")


def test_rules_survive_a_file(tmp_path):
    conformal = ConformalSets(
        score="lac",
        coverage=0.9,
        class_conditional=True,
        limits={"a": 0.5, "b": None},
        calibration_images={"a": 20, "b": 3},
        calibrated_on="x",
    )
    (tmp_path / "conformal.json").write_text(conformal.model_dump_json())
    assert read_conformal_sets(tmp_path / "conformal.json") == conformal
    thresholds = Thresholds(rule={"kind": "youden"}, chosen_on="x", classes={})
    (tmp_path / "thresholds.json").write_text(thresholds.model_dump_json())
    assert read_thresholds(tmp_path / "thresholds.json") == thresholds


def test_importing_the_room_is_light():
    """Predicting imports it cold; these packages take seconds and no prediction needs them."""
    code = (
        "import sys, cutis.data; before = set(sys.modules); import cutis.evaluation; "
        "print(*[m for m in ('pandas', 'sklearn', 'statsmodels', 'scipy.stats', 'scipy.optimize') "
        "if m in sys.modules and m not in before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
