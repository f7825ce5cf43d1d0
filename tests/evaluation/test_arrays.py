"""Weighted sums in blocks agree with plain ones, whatever the weights are made of."""

import numpy as np
import pytest

from cutis.evaluation import arrays
from cutis.evaluation.arrays import row_blocks, sums_by, weighted


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(arrays, "CELLS_AT_ONCE", 32)


@pytest.mark.parametrize("kind", [np.float64, np.uint8])
def test_sums_by_group_are_those_of_a_plain_loop(kind):
    generator = np.random.default_rng(0)
    weights = generator.integers(0, 200, size=(57, 5)).astype(kind)
    group, values = generator.integers(4, size=57), generator.normal(size=57)
    plain = np.stack([weights[group == k].sum(axis=0, dtype=float) for k in range(6)])
    np.testing.assert_array_equal(sums_by(group, 6, weights), plain)
    of_values = np.stack([(weights * values[:, None])[group == k].sum(axis=0) for k in range(6)])
    np.testing.assert_allclose(sums_by(group, 6, weights, values), of_values, atol=1e-10)
    images = generator.permutation(57)[:20]
    chosen = np.stack([weights[images][group[images] == k].sum(axis=0, dtype=float) for k in range(6)])
    np.testing.assert_array_equal(sums_by(group[images], 6, weights, images=images), chosen)
    assert sums_by(group[:0], 3, weights[:0]).shape == (3, 5)


def test_weighted_sums_do_not_overflow_a_byte():
    generator = np.random.default_rng(1)
    weights = np.full((300, 3), 200, dtype=np.uint8)
    values = generator.normal(size=(300, 2))
    np.testing.assert_allclose(weighted(values, weights), 200 * np.repeat(values.sum(axis=0)[:, None], 3, axis=1))
    np.testing.assert_array_equal(weighted(np.ones(300, dtype=bool), weights), np.full(3, 60_000))


def test_blocks_cover_every_row_once():
    assert [row for part in row_blocks(101, 7) for row in range(101)[part]] == list(range(101))
    assert list(row_blocks(0)) == []
