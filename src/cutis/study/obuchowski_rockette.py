"""The model of Obuchowski & Rockette (1995) with Hillis' degrees of freedom (2007), as plain arithmetic.

    θ_ij = μ + τ_i + R_j + (τR)_ij + ε_ij

of modality i (I of them) and reader j (J), where errors ε are correlated because all rest on the same cases: Cov1 same
reader, other modality; Cov2 same modality, other reader; Cov3 both others. All functions take leading axes, so that
thousands of simulated studies are one call.
"""

from typing import NamedTuple

import numpy as np
import scipy

from cutis.study.readings import Bools, Design, Floats

_ROUNDING = 1e-24
"""A mean square this small beside another is the square of what rounding left: nothing."""


class MeanSquares(NamedTuple):
    """Of the I×J figures, by modality, reader, and modality × reader; NaN where there is one of either only."""

    modality: Floats
    reader: Floats
    modality_reader: Floats


class ErrorCovariances(NamedTuple):
    """Means over the I×J figures: error variance, and covariances 1 to 3. 0 where the design makes them 0."""

    error: Floats
    cov1: Floats
    cov2: Floats
    cov3: Floats


class EqualityTest(NamedTuple):
    """A test that all modalities are equal: F with ``df1`` and ``df2``, or, where ``df2`` is infinite, χ²/df1.

    ``denominator`` estimates what the mean square of modalities would be if they were equal.
    """

    statistic: Floats
    df1: float
    df2: Floats
    p: Floats
    denominator: Floats


def mean_squares(value: Floats) -> MeanSquares:
    """Mean squares of figures …×I×J."""
    i, j = value.shape[-2:]
    grand = value.mean(axis=(-2, -1), keepdims=True)
    by_modality, by_reader = value.mean(axis=-1, keepdims=True), value.mean(axis=-2, keepdims=True)
    rest = value - by_modality - by_reader + grand
    with np.errstate(divide="ignore", invalid="ignore"):
        return MeanSquares(
            np.divide(j * ((by_modality - grand) ** 2).sum(axis=(-2, -1)), i - 1),
            np.divide(i * ((by_reader - grand) ** 2).sum(axis=(-2, -1)), j - 1),
            np.divide((rest**2).sum(axis=(-2, -1)), (i - 1) * (j - 1)),
        )


def error_covariances(covariance: Floats, design: Design = "factorial") -> ErrorCovariances:
    """Error variance and covariances, averaged over modalities and readers: …×I×J×I×J to …."""
    i, j = covariance.shape[-2:]
    same_modality = np.eye(i, dtype=bool)[:, None, :, None]
    same_reader = np.eye(j, dtype=bool)[None, :, None, :]

    def mean(which: Bools) -> Floats:
        chosen = np.broadcast_to(which, (i, j, i, j))
        number = chosen.sum()
        total: Floats = (covariance * chosen).sum(axis=(-4, -3, -2, -1))
        return total / number if number else np.zeros(covariance.shape[:-4])

    error, cov1 = mean(same_modality & same_reader), mean(~same_modality & same_reader)
    cov2, cov3 = mean(same_modality & ~same_reader), mean(~same_modality & ~same_reader)
    # Figures on different cases are independent: what the jackknife over all cases leaves there is rounding and 1/n.
    nothing = np.zeros_like(error)
    if design == "cases in readers":
        return ErrorCovariances(error, cov1, nothing, nothing)
    if design == "cases in modalities":
        return ErrorCovariances(error, nothing, cov2, nothing)
    return ErrorCovariances(error, cov1, cov2, cov3)


def random_readers_random_cases(value: Floats, covariance: Floats, design: Design = "factorial") -> EqualityTest:
    """Test modalities for readers and cases like these: F with Hillis' (2007) degrees of freedom.

        F = MS(T) / [MS(TR) + J max(Cov2 − Cov3, 0)],   df2 = [same denominator]² / {MS(TR)² / [(I−1)(J−1)]}

    Args:
        value: …×I×J, I and J 2 at least.
        covariance: …×I×J×I×J.
        design: factorial, cases in readers or cases in modalities.
    """
    i, j = value.shape[-2:]
    squares, errors = mean_squares(value), error_covariances(covariance, design)
    denominator = squares.modality_reader + j * np.maximum(errors.cov2 - errors.cov3, 0.0)
    df1 = float(i - 1)
    return f_test(squares.modality, denominator, df1, hillis_df(denominator, squares.modality_reader, df1 * (j - 1)))


def readers_in_modalities(value: Floats, covariance: Floats) -> EqualityTest:
    """The same where each modality had J readers of its own, all of the same cases (Hillis 2014).

    Args:
        value: …×I×J; reader j of one modality is another person than reader j of the next.
        covariance: …×I×J×I×J.
    """
    i, j = value.shape[-2:]
    within = value.var(axis=-1, ddof=1).mean(axis=-1)
    same = np.broadcast_to(np.eye(i, dtype=bool)[:, None, :, None], (i, j, i, j))
    self_ = np.eye(i * j, dtype=bool).reshape(i, j, i, j)
    axes = (-4, -3, -2, -1)
    cov2 = (covariance * (same & ~self_)).sum(axis=axes) / (i * j * (j - 1))
    cov3 = (covariance * ~same).sum(axis=axes) / (i * (i - 1) * j * j)
    denominator = within + j * np.maximum(cov2 - cov3, 0.0)
    return f_test(mean_squares(value).modality, denominator, i - 1.0, hillis_df(denominator, within, i * (j - 1.0)))


def fixed_readers_random_cases(value: Floats, covariance: Floats, design: Design = "factorial") -> EqualityTest:
    """Test modalities for these very readers and cases like these: χ² with I−1 degrees of freedom.

    χ² = (I−1) MS(T) / [Var(ε) − Cov1 + (J−1) max(Cov2 − Cov3, 0)].
    """
    i, j = value.shape[-2:]
    squares, errors = mean_squares(value), error_covariances(covariance, design)
    denominator = errors.error - errors.cov1 + (j - 1) * np.maximum(errors.cov2 - errors.cov3, 0.0)
    return f_test(squares.modality, denominator, i - 1.0, np.full_like(denominator, np.inf))


def random_readers_fixed_cases(value: Floats) -> EqualityTest:
    """Test modalities for readers like these and these very cases: F = MS(T)/MS(TR)."""
    i, j = value.shape[-2:]
    squares = mean_squares(value)
    df2 = np.full_like(squares.modality, float((i - 1) * (j - 1)))
    return f_test(squares.modality, squares.modality_reader, i - 1.0, df2)


def hillis_df(denominator: Floats, square: Floats, df: float) -> Floats:
    """Hillis' (2007) degrees of freedom, denominator² / (square² / df); infinite if readers vary by rounding alone."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(square > _ROUNDING * denominator, denominator**2 / (square**2 / df), np.inf)


def f_test(square: Floats, denominator: Floats, df1: float, df2: Floats) -> EqualityTest:
    """F, or χ²/df1 where ``df2`` is infinite; NaN where the denominator is not above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(denominator > 0, square / denominator, np.nan)
        finite = np.where(np.isinf(df2), 1.0, df2)
        p = np.where(np.isinf(df2), scipy.stats.chi2.sf(statistic * df1, df1), scipy.stats.f.sf(statistic, df1, finite))
    return EqualityTest(statistic, df1, np.asarray(df2), p, denominator)
