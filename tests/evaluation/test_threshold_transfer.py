"""What a threshold loses elsewhere, and what a group's own would gain."""

import numpy as np
import pytest

from cutis.evaluation.threshold_transfer import choose_thresholds_by_group, transfer_cost
from cutis.evaluation.thresholds import choose_thresholds
from cutis.taxonomy import class_set

THREE = class_set("isic2017")


def sample(images: int, shift: float = 0.0, seed: int = 0):
    """Three classes; ``shift`` lowers the melanoma logit, as another camera might."""
    generator = np.random.default_rng(seed)
    truth = generator.integers(3, size=images)
    logits = generator.normal(size=(images, 3))
    logits[np.arange(images), truth] += 1.5
    logits[:, 0] -= shift
    odds = np.exp(logits)
    return truth, odds / odds.sum(axis=1, keepdims=True)


def test_nothing_is_lost_where_it_was_chosen_and_a_shift_costs():
    truth, probabilities = sample(500)
    thresholds = choose_thresholds(truth, probabilities, THREE, chosen_on="here")
    assert all(each.youden_lost == 0 for each in transfer_cost(truth, probabilities, thresholds))
    other = transfer_cost(*sample(500, shift=1.5, seed=1), thresholds)
    melanoma = other[0]
    assert melanoma.class_id == "melanoma"
    assert melanoma.youden_lost > 0.1
    assert melanoma.sensitivity < melanoma.best_sensitivity
    gap = melanoma.best_sensitivity + melanoma.best_specificity - melanoma.sensitivity - melanoma.specificity
    assert melanoma.youden_lost == pytest.approx(gap)


def test_a_class_that_these_images_lack_has_no_loss():
    truth, probabilities = sample(300)
    thresholds = choose_thresholds(truth, probabilities, THREE, chosen_on="here")
    without = truth != 2
    keratosis = transfer_cost(truth[without], probabilities[without], thresholds)[2]
    assert (keratosis.sensitivity, keratosis.youden_lost, keratosis.best_threshold) == (None, None, None)
    assert 0 <= keratosis.specificity <= 1
    absent = choose_thresholds(truth[without], probabilities[without], THREE, chosen_on="x")
    assert transfer_cost(truth, probabilities, absent)[2].youden_lost is None


def grouped(images: int, seed: int):
    """Group b's melanoma probabilities are shifted; group c is tiny."""
    truth, plain = sample(images, seed=seed)
    shifted = sample(images, shift=2.0, seed=seed)[1]
    groups = np.array(["a", "b"])[np.arange(images) % 2]
    groups[:10] = "c"
    return truth, np.where((groups == "b")[:, None], shifted, plain), groups


def test_a_group_of_another_kind_gets_a_threshold_of_its_own_and_a_tiny_one_keeps_the_common():
    truth, probabilities, groups = grouped(2000, seed=0)
    common = choose_thresholds(truth, probabilities, THREE, chosen_on="validation")
    by_group = choose_thresholds_by_group(truth, probabilities, groups, THREE, common)
    assert by_group["c"].classes == common.classes
    assert by_group["b"].chosen_on == "validation; b"
    assert by_group["b"].classes["melanoma"].value < common.classes["melanoma"].value
