"""Intervals for a share of images, from counts alone: Wilson, Clopper-Pearson, and Wilson for clustered images."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import Bools, Floats, Ints
from cutis.evaluation.intervals import cluster_numbers


class ClusteredShare(NamedTuple):
    """A share of clustered images: ``design_effect`` is how many times larger its variance is than with independent
    images; ``effective_images`` how many independent images would tell as much.
    """

    share: float
    low: float
    high: float
    design_effect: float
    effective_images: float


def wilson_interval(hits: ArrayLike, images: ArrayLike, *, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Wilson's score interval (1927), the one to use for a share of independent images (Brown, Cai & DasGupta 2001).

    Args:
        hits: …, 0 to ``images``; need not be whole.
        images: …, NaN results where 0.
        confidence: between 0 and 1.

    Returns:
        Low and high ends, each …, 0 to 1.

    Raises:
        PredictionsError: a count is negative, or there are more hits than images.
    """
    x, n = _counts(hits, images)
    z = float(scipy.stats.norm.ppf((1 + confidence) / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = x / n
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # Exactly 0 and 1 at the ends, where rounding leaves 1e-17.
    low = np.where(x == 0, 0.0, np.maximum(centre - half, 0.0))
    high = np.where(x == n, 1.0, np.minimum(centre + half, 1.0))
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def clopper_pearson_interval(hits: ArrayLike, images: ArrayLike, *, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """The exact interval of Clopper & Pearson (1934): never covers less than it says, mostly more.

    Arguments, results and errors as :func:`wilson_interval`.
    """
    x, n = _counts(hits, images)
    tail = (1 - confidence) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(x == 0, 0.0, scipy.stats.beta.ppf(tail, x, n - x + 1))
        high = np.where(x == n, 1.0, scipy.stats.beta.ppf(1 - tail, x + 1, n - x))
    return np.where(n > 0, low, np.nan), np.where(n > 0, high, np.nan)


def clustered_wilson_interval(
    hit: Bools, clusters: Sequence[Hashable] | Ints, *, confidence: float = 0.95
) -> ClusteredShare:
    """Wilson's interval for images that come several a lesion or patient.

    The number of images is divided by the design effect: the variance of the share between clusters (a ratio estimate,
    Rao & Scott 1992) over p(1−p)/N, never taken below 1. It is also cut by (z/t)², t with one degree of freedom less
    than clusters, as the design effect is itself estimated (Korn & Graubard 1998). Where all images are hits, or none
    is, the data say nothing of the design effect: images of a cluster then count as one another's copies.

    Args:
        hit: N, what is counted.
        clusters: N, whose image each is.
        confidence: between 0 and 1.

    Returns:
        All NaN without images; low and high NaN with fewer than two clusters.

    Raises:
        PredictionsError: not one cluster an image.
    """
    if len(hit) != len(clusters):
        raise PredictionsError(f"{len(clusters):,} clusters were given for {len(hit):,} images")
    nan = float("nan")
    if len(hit) == 0:
        return ClusteredShare(nan, nan, nan, nan, nan)
    member = cluster_numbers(clusters)
    size = np.bincount(member).astype(np.float64)
    hits = np.bincount(member, weights=hit.astype(np.float64))
    images, count = float(len(hit)), len(size)
    share = float(hits.sum() / images)
    if count < 2:
        return ClusteredShare(share, nan, nan, nan, nan)
    if 0 < share < 1:
        variance = count / (count - 1) * float(((hits - share * size) ** 2).sum()) / images**2
        effect = max(1.0, variance / (share * (1 - share) / images))
    else:
        effect = float((size**2).sum() / images)
    end = (1 + confidence) / 2
    effective = images / effect * float(scipy.stats.norm.ppf(end) / scipy.stats.t.ppf(end, count - 1)) ** 2
    low, high = wilson_interval(share * effective, effective, confidence=confidence)
    return ClusteredShare(share, float(low), float(high), effect, effective)


def _counts(hits: ArrayLike, images: ArrayLike) -> tuple[Floats, Floats]:
    x, n = np.broadcast_arrays(np.asarray(hits, dtype=np.float64), np.asarray(images, dtype=np.float64))
    if not bool(np.all((x >= 0) & (x <= n))):
        raise PredictionsError("a share needs counts from 0 to the number of images", fix="Check the counts.")
    return x, n
