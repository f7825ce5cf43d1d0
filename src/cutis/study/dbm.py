"""The method of Dorfman, Berbaum & Metz (1992): an analysis of variance of the jackknife's pseudovalues.

A pseudovalue, Y_ijk = n θ_ij − (n−1) θ_ij(k), tells what case k adds to the figure of modality i and reader j. They are
centred to have the mean θ_ij (normalised pseudovalues, Hillis, Obuchowski & Berbaum 2005). With Hillis' degrees of
freedom (2007) the tests of random readers are those of Obuchowski & Rockette with the jackknife's covariance.
"""

from typing import NamedTuple

import numpy as np

from cutis.study.obuchowski_rockette import EqualityTest, f_test, hillis_df
from cutis.study.readings import Floats


class CaseMeanSquares(NamedTuple):
    """Of pseudovalues, by modality (T), reader (R), case (C) and what they have together."""

    modality: float
    reader: float
    case: float
    modality_reader: float
    modality_case: float
    reader_case: float
    modality_reader_case: float


def pseudovalues(value: Floats, without_case: Floats) -> Floats:
    """Normalised pseudovalues I×J×K, of figures I×J and of the same without each case, K×I×J."""
    n = len(without_case)
    raw = n * value - (n - 1) * without_case
    return np.moveaxis(raw + (value - raw.mean(axis=0)), 0, -1)


def case_mean_squares(pseudovalue: Floats) -> CaseMeanSquares:
    """Mean squares of pseudovalues I×J×K; NaN where a factor has one level only."""
    y = pseudovalue
    i, j, k = y.shape
    grand = y.mean()
    mean = {axes: y.mean(axis=axes, keepdims=True) for axes in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2))}
    t, r, c = mean[1, 2] - grand, mean[0, 2] - grand, mean[0, 1] - grand
    tr, tc, rc = mean[2,] - grand - t - r, mean[1,] - grand - t - c, mean[0,] - grand - r - c
    trc = y - grand - t - r - c - tr - tc - rc

    def square(effect: Floats, times: int, df: int) -> float:
        return float(times * (effect**2).sum() / df) if df else float("nan")

    return CaseMeanSquares(
        square(t, j * k, i - 1),
        square(r, i * k, j - 1),
        square(c, i * j, k - 1),
        square(tr, k, (i - 1) * (j - 1)),
        square(tc, j, (i - 1) * (k - 1)),
        square(rc, i, (j - 1) * (k - 1)),
        square(trc, 1, (i - 1) * (j - 1) * (k - 1)),
    )


def variance_components(squares: CaseMeanSquares, shape: tuple[int, int, int]) -> dict[str, float]:
    """The six components of I×J×K pseudovalues; an estimate may be negative.

    ``reader``, ``case``, ``modality_reader``, ``modality_case``, ``reader_case``, and ``error``, which is that of
    modality × reader × case and the error together.
    """
    i, j, k = shape
    s, rest = squares, squares.modality_reader_case
    return {
        "reader": (s.reader - s.modality_reader - s.reader_case + rest) / (i * k),
        "case": (s.case - s.modality_case - s.reader_case + rest) / (i * j),
        "modality_reader": (s.modality_reader - rest) / k,
        "modality_case": (s.modality_case - rest) / j,
        "reader_case": (s.reader_case - rest) / i,
        "error": rest,
    }


def random_readers_random_cases(pseudovalue: Floats) -> EqualityTest:
    """F = MS(T) / [MS(TR) + max(MS(TC) − MS(TRC), 0)] with Hillis' degrees of freedom, of I×J×K pseudovalues."""
    i, j, _ = pseudovalue.shape
    s = case_mean_squares(pseudovalue)
    denominator = np.float64(s.modality_reader + max(s.modality_case - s.modality_reader_case, 0.0))
    df2 = hillis_df(np.asarray(denominator), np.asarray(s.modality_reader), (i - 1.0) * (j - 1))
    return f_test(np.asarray(s.modality), np.asarray(denominator), i - 1.0, df2)


def fixed_readers_random_cases(pseudovalue: Floats) -> EqualityTest:
    """F = MS(T)/MS(TC) with I−1 and (I−1)(K−1) degrees of freedom."""
    i, _, k = pseudovalue.shape
    s = case_mean_squares(pseudovalue)
    return f_test(np.asarray(s.modality), np.asarray(s.modality_case), i - 1.0, np.asarray((i - 1.0) * (k - 1)))


def random_readers_fixed_cases(pseudovalue: Floats) -> EqualityTest:
    """F = MS(T)/MS(TR) with I−1 and (I−1)(J−1) degrees of freedom."""
    i, j, _ = pseudovalue.shape
    s = case_mean_squares(pseudovalue)
    return f_test(np.asarray(s.modality), np.asarray(s.modality_reader), i - 1.0, np.asarray((i - 1.0) * (j - 1)))
