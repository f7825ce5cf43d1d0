"""The clustered bootstrap against a plain loop, its repeatability, and its speed."""

import time

import numpy as np
import pytest
import sklearn.metrics

from cutis.evaluation import (
    balanced_accuracy,
    bootstrap_weights,
    clustered_bootstrap,
    confusion_matrix,
    intervals,
    one_vs_rest_auc,
    percentile_interval,
    predicted_class,
)
from cutis.evaluation.intervals import bootstrap_counts, cluster_numbers


def sample(images: int, classes: int = 4, seed: int = 0):
    """Truth, probabilities and clusters of about two images each, alike within a cluster."""
    generator = np.random.default_rng(seed)
    clusters = np.sort(generator.integers(images // 2, size=images))
    truth = generator.integers(classes, size=images // 2)[clusters]
    logits = generator.normal(size=(images, classes)) + generator.normal(size=(images // 2, classes))[clusters]
    logits[np.arange(images), truth] += 1.5
    odds = np.exp(logits)
    return truth, odds / odds.sum(axis=1, keepdims=True), clusters.tolist()


def statistics_of(truth, probabilities):
    answers, classes = predicted_class(probabilities), probabilities.shape[1]

    def statistics(weights):
        confusion = confusion_matrix(truth, answers, classes, weights)
        return {
            "balanced_accuracy": balanced_accuracy(confusion),
            "auc": one_vs_rest_auc(truth, probabilities, weights),
        }

    return statistics


def test_a_resample_holds_whole_clusters_as_many_as_there_are():
    clusters = ["a", "b", "a", "c", "b", "a"]
    weights = np.concatenate(list(bootstrap_weights(clusters, 50, seed=3)), axis=1)
    assert weights.shape == (6, 50)
    np.testing.assert_array_equal(weights[0], weights[2])
    np.testing.assert_array_equal(weights[0], weights[5])
    np.testing.assert_array_equal(weights[1], weights[4])
    np.testing.assert_array_equal(weights[[0, 1, 3]].sum(axis=0), 3)


@pytest.mark.parametrize("alone", [False, True])
def test_resamples_as_bytes_are_the_same_ones(alone, monkeypatch):
    clusters = np.arange(40) if alone else np.sort(np.random.default_rng(0).integers(15, size=40))
    weights = np.concatenate(list(bootstrap_weights(clusters, 300, seed=3)), axis=1)
    monkeypatch.setattr(intervals, "_COUNTS_AT_ONCE", 40 * 7)
    batches = list(bootstrap_counts(cluster_numbers(clusters), 300, seed=3))
    assert {each.dtype for each in batches} == {np.dtype(np.uint8)}
    assert max(each.shape[1] for each in batches) == 7
    np.testing.assert_array_equal(np.concatenate(batches, axis=1), weights)


def test_clusters_are_numbered_as_they_appear():
    assert cluster_numbers(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]
    for given, numbers in (([7, 3, 7], [0, 1, 0]), ([0, 1, 0, 2], [0, 1, 0, 2]), ([0, 2, 1], [0, 1, 2]), ([], [])):
        assert cluster_numbers(np.array(given, dtype=np.int64)).tolist() == numbers


def test_every_resample_gives_what_scikit_learn_gives_on_the_drawn_images():
    truth, probabilities, clusters = sample(120)
    weights = np.concatenate(list(bootstrap_weights(clusters, 25, seed=5)), axis=1)
    values = clustered_bootstrap(statistics_of(truth, probabilities), clusters, resamples=25, seed=5)
    for r in range(25):
        drawn = np.repeat(np.arange(120), weights[:, r].astype(int))
        expected = sklearn.metrics.balanced_accuracy_score(truth[drawn], probabilities[drawn].argmax(axis=1))
        assert values["balanced_accuracy"][r] == pytest.approx(expected)
        for k in range(4):
            expected = sklearn.metrics.roc_auc_score(truth[drawn] == k, probabilities[drawn, k])
            assert values["auc"][r, k] == pytest.approx(expected)


def test_intervals_agree_with_a_plain_loop_over_clusters():
    truth, probabilities, clusters = sample(200, seed=1)
    members = [np.flatnonzero(np.array(clusters) == each) for each in sorted(set(clusters))]
    generator = np.random.default_rng(99)
    slow = []
    for _ in range(1500):
        drawn = np.concatenate([members[each] for each in generator.integers(len(members), size=len(members))])
        slow.append(sklearn.metrics.roc_auc_score(truth[drawn] == 0, probabilities[drawn, 0]))
    values = clustered_bootstrap(statistics_of(truth, probabilities), clusters, resamples=4000, seed=2)
    low, high = percentile_interval(values["auc"])
    np.testing.assert_allclose([low[0], high[0]], np.quantile(slow, [0.025, 0.975]), atol=0.012)


def test_clusters_of_copies_widen_the_interval_as_they_should():
    """Each case photographed four times over: the same width as each case once, not half of it."""
    truth, probabilities, _ = sample(150, seed=4)
    four = np.repeat(np.arange(150), 4)
    once = clustered_bootstrap(statistics_of(truth, probabilities), list(range(150)), seed=0)
    copied = clustered_bootstrap(statistics_of(truth[four], probabilities[four]), four.tolist(), seed=0)
    np.testing.assert_allclose(copied["balanced_accuracy"], once["balanced_accuracy"])
    naive = clustered_bootstrap(statistics_of(truth[four], probabilities[four]), list(range(600)), seed=0)
    assert naive["balanced_accuracy"].std() < 0.6 * once["balanced_accuracy"].std()


def test_the_seed_fixes_the_resamples():
    truth, probabilities, clusters = sample(60)
    runs = [
        clustered_bootstrap(statistics_of(truth, probabilities), clusters, resamples=50, seed=seed)["auc"]
        for seed in (7, 7, 8)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_undefined_resamples_are_left_out_and_an_undefined_statistic_has_no_interval():
    values = np.stack([np.append(np.arange(101.0), np.nan), np.full(102, np.nan)], axis=1)
    low, high = percentile_interval(values, confidence=0.9)
    np.testing.assert_allclose(low, [5, np.nan])
    np.testing.assert_allclose(high, [95, np.nan])


def test_two_thousand_resamples_of_1503_images_take_seconds():
    truth, probabilities, clusters = sample(1503, classes=7)
    start = time.process_time()
    clustered_bootstrap(statistics_of(truth, probabilities), clusters, resamples=2000)
    assert time.process_time() - start < 5
