"""Intervals for shares against statsmodels, and the clustered one against what it must reduce to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from cutis.errors import PredictionsError
from cutis.evaluation.proportions import clopper_pearson_interval, clustered_wilson_interval, wilson_interval


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95]))
def test_intervals_agree_with_statsmodels(counts, confidence):
    for ours, method in ((wilson_interval, "wilson"), (clopper_pearson_interval, "beta")):
        expected = proportion_confint(*counts, alpha=1 - confidence, method=method)
        np.testing.assert_allclose(ours(*counts, confidence=confidence), expected, atol=1e-9)


def test_many_shares_at_once_and_none():
    low, high = wilson_interval([0, 5, 10, 0], [10, 10, 10, 0])
    assert low[0] == 0
    assert high[2] == 1
    assert np.isnan([low[3], high[3]]).all()
    assert np.isnan(clopper_pearson_interval(0, 0)).all()


@pytest.mark.parametrize("counts", [(11, 10), (-1, 10)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(PredictionsError, match="from 0 to the number"):
        wilson_interval(*counts)


def test_one_image_a_cluster_is_nearly_wilson():
    hit = np.random.default_rng(0).random(400) < 0.8
    clustered = clustered_wilson_interval(hit, list(range(400)))
    low, high = wilson_interval(hit.sum(), 400)
    assert clustered.design_effect == pytest.approx(400 / 399)
    assert (clustered.low, clustered.high) == pytest.approx((float(low), float(high)), abs=1e-3)


def test_copies_of_an_image_add_nothing():
    hit = np.random.default_rng(1).random(100) < 0.7
    once = clustered_wilson_interval(hit, list(range(100)))
    four = clustered_wilson_interval(np.repeat(hit, 4), np.repeat(np.arange(100), 4).tolist())
    assert four.design_effect == pytest.approx(4 * once.design_effect)
    assert four[:3] == pytest.approx(once[:3])
    assert four.effective_images == pytest.approx(once.effective_images)


def test_all_right_leaves_room_for_as_many_cases_as_there_are():
    sure = clustered_wilson_interval(np.ones(60, dtype=bool), np.repeat(np.arange(20), 3).tolist())
    assert (sure.share, sure.high, sure.design_effect) == (1, 1, 3)
    assert sure.low < wilson_interval(20, 20)[0] < wilson_interval(60, 60)[0]


def test_what_has_no_interval():
    assert np.isnan(clustered_wilson_interval(np.zeros(0, dtype=bool), [])).all()
    one = clustered_wilson_interval(np.array([True, False]), ["a", "a"])
    assert one.share == 0.5
    assert np.isnan([one.low, one.high]).all()
    with pytest.raises(PredictionsError, match="2 clusters were given for 1 images"):
        clustered_wilson_interval(np.array([True]), ["a", "b"])
