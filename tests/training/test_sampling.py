import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutis.training.recipe import Sampling
from cutis.training.sampling import class_prior, epoch_order, sampled_prior

labels_of = st.lists(st.integers(0, 3), min_size=4, max_size=60).map(lambda each: np.array([0, 1, 2, 3, *each]))


@given(labels_of, st.integers(0, 5), st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_without_balance_every_image_comes_once_an_epoch(labels, seed, epoch):
    order = epoch_order(labels, 4, Sampling(), seed, epoch)
    assert sorted(order) == list(range(len(labels)))


@given(labels_of, st.integers(1, 20))
@settings(max_examples=50, deadline=None)
def test_short_epochs_go_round_all_images_before_any_comes_again(labels, size):
    epochs = [epoch_order(labels, 4, Sampling(epoch_images=size), 0, each) for each in range(8)]
    shown = np.bincount(np.concatenate(epochs), minlength=len(labels))
    assert shown.sum() == 8 * size
    assert shown.max() - shown.min() <= 1


@given(labels_of, st.sampled_from([0.3, 0.5, 1.0]), st.integers(20, 200))
@settings(max_examples=50, deadline=None)
def test_balance_gives_each_class_its_share_and_its_images_turns(labels, balance, size):
    rule = Sampling(balance=balance, epoch_images=size)
    shown = np.concatenate([epoch_order(labels, 4, rule, 0, each) for each in range(5)])
    prior = sampled_prior(labels, 4, rule)
    by_class = np.bincount(labels[shown], minlength=4)
    assert np.abs(by_class - prior * size * 5).max() <= 1
    times = np.bincount(shown, minlength=len(labels))
    for k in range(4):
        assert np.ptp(times[labels == k]) <= 1


def test_the_order_depends_on_seed_and_epoch_alone():
    labels = np.arange(50) % 4
    again = [epoch_order(labels, 4, Sampling(balance=0.5), 3, 2) for _ in range(2)]
    np.testing.assert_array_equal(*again)
    assert not np.array_equal(again[0], epoch_order(labels, 4, Sampling(balance=0.5), 3, 1))
    assert not np.array_equal(again[0], epoch_order(labels, 4, Sampling(balance=0.5), 4, 2))


@pytest.mark.parametrize(
    ("balance", "expected"), [(0.0, [0.9, 0.1, 0.0]), (0.5, [0.75, 0.25, 0.0]), (1.0, [0.5, 0.5, 0.0])]
)
def test_the_sampled_prior_follows_the_power_law_and_leaves_absent_classes_out(balance, expected):
    labels = np.array([0] * 9 + [1])
    np.testing.assert_allclose(sampled_prior(labels, 3, Sampling(balance=balance)), expected)


def test_a_coarse_label_is_divided_as_the_fine_ones_are():
    candidates = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], dtype=bool)
    np.testing.assert_allclose(class_prior(np.array([0.3, 0.1, 0.2, 0.4]), candidates), [0.6, 0.2, 0.2])


def test_a_coarse_label_without_fine_ones_is_divided_evenly():
    candidates = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]], dtype=bool)
    np.testing.assert_allclose(class_prior(np.array([0.0, 0.0, 0.5, 0.5]), candidates), [0.25, 0.25, 0.5])
