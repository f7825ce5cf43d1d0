"""The variance of an AUC without resampling, and tests of AUCs (DeLong, DeLong & Clarke-Pearson 1988).

Each positive's placement is the share of negatives it outscores, each negative's the share of positives that
outscore it, ties counting half. The AUC is their mean and its variance follows from theirs. Placements are read off
midranks in O(N log N) (Sun & Xu 2014, "Fast implementation of DeLong's algorithm").

All of this takes the images as independent. With several images a lesion or patient the variance is too small: use
:func:`cutis.evaluation.clustered_bootstrap` there.
"""

from typing import NamedTuple

import numpy as np
import scipy

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import Bools, Floats


class AucTest(NamedTuple):
    """A test of two AUCs: ``difference`` is first minus second.

    ``statistic`` is z for a paired test, Welch's t for an unpaired one; ``p`` is two-sided; ``low`` and ``high`` bound
    the difference. All NaN where an AUC has no variance; identical curves have p = 1.
    """

    first: float
    second: float
    difference: float
    standard_error: float
    statistic: float
    p: float
    low: float
    high: float


def delong_auc(positive: Bools, scores: Floats) -> tuple[float, float]:
    """The AUC and its variance.

    Args:
        positive: N, who has the disease.
        scores: N, larger is more suspect.

    Returns:
        AUC, 0 to 1 (NaN without positives or without negatives), and variance (NaN with fewer than two of either).

    Raises:
        PredictionsError: a score is NaN, or the shapes differ.
    """
    areas, covariance = delong_covariance(positive, scores[:, None])
    return float(areas[0]), float(covariance[0, 0])


def delong_covariance(positive: Bools, scores: Floats) -> tuple[Floats, Floats]:
    """The AUCs of M scores of the same images, and their M×M covariance.

    Args:
        positive: N, who has the disease.
        scores: N×M, one column a model or reader.

    Returns:
        M AUCs (NaN without positives or without negatives) and M×M covariances (NaN with fewer than two of either).

    Raises:
        PredictionsError: a score is NaN, or the shapes differ.
    """
    if scores.ndim != 2 or len(scores) != len(positive):
        raise PredictionsError(f"scores have the shape {scores.shape} for {len(positive):,} images")
    if np.isnan(scores).any():
        raise PredictionsError(f"{int(np.isnan(scores).any(axis=1).sum()):,} images have a score that is not a number")
    ours, others = scores[positive], scores[~positive]
    m, n = len(ours), len(others)
    areas = np.full(scores.shape[1], np.nan)
    unknown = np.full((scores.shape[1], scores.shape[1]), np.nan)
    if m == 0 or n == 0:
        return areas, unknown
    pooled = scipy.stats.rankdata(np.concatenate([ours, others]), axis=0)
    of_positives = (pooled[:m] - scipy.stats.rankdata(ours, axis=0)) / n
    of_negatives = 1 - (pooled[m:] - scipy.stats.rankdata(others, axis=0)) / m
    areas = of_positives.mean(axis=0)
    if m < 2 or n < 2:
        return areas, unknown
    covariance = np.atleast_2d(np.cov(of_positives.T)) / m + np.atleast_2d(np.cov(of_negatives.T)) / n
    return areas, covariance


def delong_interval(
    positive: Bools, scores: Floats, *, confidence: float = 0.95, logit: bool = False
) -> tuple[float, float]:
    """An interval for the AUC; NaN where its variance is 0 or not defined (perfect separation, one positive).

    Args:
        positive: N, who has the disease.
        scores: N.
        confidence: between 0 and 1.
        logit: make it on the logit scale, so that it stays within 0 and 1 and covers better near 1 (Pepe 2003, 5.2.2);
            otherwise AUC ± z·SE, cut at 0 and 1, as pROC gives it.
    """
    return auc_interval(*delong_auc(positive, scores), confidence=confidence, logit=logit)


def auc_interval(area: float, variance: float, *, confidence: float = 0.95, logit: bool = False) -> tuple[float, float]:
    """As :func:`delong_interval`, from an AUC and its variance."""
    if not variance > 0:
        return float("nan"), float("nan")
    z = float(scipy.stats.norm.ppf((1 + confidence) / 2))
    if not logit:
        half = z * variance**0.5
        return max(0.0, area - half), min(1.0, area + half)
    centre = np.log(area / (1 - area))
    half = z * variance**0.5 / (area * (1 - area))
    return float(1 / (1 + np.exp(half - centre))), float(1 / (1 + np.exp(-half - centre)))


def delong_paired_test(positive: Bools, first: Floats, second: Floats, *, confidence: float = 0.95) -> AucTest:
    """Whether two scores of the same images have different AUCs: z-test with their covariance.

    Args:
        positive: N, who has the disease.
        first: N scores.
        second: N scores of the same images.
        confidence: of the difference's interval.
    """
    areas, covariance = delong_covariance(positive, np.column_stack([first, second]))
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    # Rounding leaves a trace of variance where the two curves are the same.
    variance = 0.0 if abs(variance) < 1e-15 else float(variance)
    return _test(float(areas[0]), float(areas[1]), variance, None, confidence)


def delong_unpaired_test(
    first_positive: Bools,
    first_scores: Floats,
    second_positive: Bools,
    second_scores: Floats,
    *,
    confidence: float = 0.95,
) -> AucTest:
    """Whether two AUCs on different images differ: Welch's t with Satterthwaite's degrees of freedom, as in pROC."""
    first, first_variance = delong_auc(first_positive, first_scores)
    second, second_variance = delong_auc(second_positive, second_scores)
    variance = first_variance + second_variance
    if not variance > 0:
        return _test(first, second, variance, None, confidence)
    freedom = variance**2 / (
        first_variance**2 / (len(first_scores) - 1) + second_variance**2 / (len(second_scores) - 1)
    )
    return _test(first, second, variance, freedom, confidence)


def _test(first: float, second: float, variance: float, freedom: float | None, confidence: float) -> AucTest:
    difference = first - second
    if variance == 0 and difference == 0:
        return AucTest(first, second, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0)
    if not variance > 0:
        nan = float("nan")
        return AucTest(first, second, difference, nan, nan, nan, nan, nan)
    distribution = scipy.stats.norm() if freedom is None else scipy.stats.t(freedom)
    error = variance**0.5
    statistic = difference / error
    half = float(distribution.ppf((1 + confidence) / 2)) * error
    p = float(2 * distribution.sf(abs(statistic)))
    return AucTest(first, second, difference, error, statistic, p, difference - half, difference + half)
