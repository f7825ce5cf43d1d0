"""Agreement against published examples and statsmodels."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cutis.study import (
    ReadingsError,
    agreement_between_readers,
    agreement_within_readers,
    check_readings,
    fleiss_kappa,
    krippendorff_alpha,
    pairwise_kappa,
)

NAN = np.nan
# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C: four observers, twelve units.
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)
# Fleiss (1971) as worked on Wikipedia: fourteen raters, ten subjects, five categories; kappa 0.210.
FLEISS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ],
    dtype=float,
)


@pytest.mark.parametrize(("scale", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_krippendorffs_published_example(scale, published):
    assert krippendorff_alpha(OBSERVERS, scale) == pytest.approx(published, abs=5e-4)


def test_fleiss_published_example_and_statsmodels():
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    assert fleiss_kappa(FLEISS) == pytest.approx(0.210, abs=5e-4)
    assert fleiss_kappa(FLEISS) == pytest.approx(inter_rater.fleiss_kappa(FLEISS))


@settings(max_examples=20, deadline=None)
@given(
    ratings=st.lists(st.lists(st.integers(1, 4), min_size=6, max_size=6), min_size=2, max_size=4),
    times=st.lists(st.integers(0, 2), min_size=6, max_size=6).filter(lambda each: sum(each) > 1),
    scale=st.sampled_from(["nominal", "ordinal", "interval"]),
)
def test_a_weight_is_a_repetition(ratings, times, scale):
    values = np.array(ratings, dtype=float)
    weighted = krippendorff_alpha(values, scale, np.array(times, dtype=float)[:, None])[0]
    assert weighted == pytest.approx(krippendorff_alpha(np.repeat(values, times, axis=1), scale), nan_ok=True)
    counts = (values[:, :, None] == np.arange(1, 5)).sum(axis=0).astype(float)
    weighted = fleiss_kappa(counts, np.array(times, dtype=float)[:, None])[0]
    assert weighted == pytest.approx(fleiss_kappa(np.repeat(counts, times, axis=0)), nan_ok=True)


def test_fleiss_refuses_missing_ratings():
    with pytest.raises(ReadingsError, match="same number of raters"):
        fleiss_kappa(np.array([[2.0, 0.0], [1.0, 0.0]]))


@pytest.fixture
def readings():
    generator = np.random.default_rng(0)
    rows = []
    for case in range(60):
        truth = case % 3 == 0
        for reader in "ABC":
            for modality in ("first", "second"):
                answer = truth if generator.random() < 0.85 else not truth
                rows.append((reader, modality, str(case), int(truth), int(answer)))
    return check_readings(pl.DataFrame(rows, schema=["reader", "modality", "case", "truth", "rating"], orient="row"))


def test_readers_with_each_other_and_with_themselves(readings):
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    alpha = agreement_between_readers(readings, modality="first", resamples=400)
    fleiss = agreement_between_readers(readings, modality="first", coefficient="fleiss", resamples=400)
    # Alpha corrects Fleiss' kappa for the number of ratings.
    assert alpha.coefficient == pytest.approx(1 - (1 - fleiss.coefficient) * (1 - 1 / 180))
    assert alpha.low < alpha.coefficient < alpha.high
    ratings = readings.grid().rating
    table, _ = inter_rater.to_table(ratings[:, 0].T.astype(int), bins=2)
    within = agreement_within_readers(readings, "first", "second", resamples=400)
    expected = inter_rater.cohens_kappa(table)
    assert within["A"].coefficient == pytest.approx(expected.kappa)
    # The bootstrap's interval against the asymptotic one.
    assert [within["A"].low, within["A"].high] == pytest.approx([expected.kappa_low, expected.kappa_upp], abs=0.08)
    assert set(pairwise_kappa(readings, modality="first", resamples=50)) == {("A", "B"), ("A", "C"), ("B", "C")}
    with pytest.raises(ReadingsError, match="Name one"):
        agreement_between_readers(readings)
