"""Are probabilities what they say? Reliability, calibration errors, proper scores."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import (
    Bools,
    Floats,
    Ints,
    Weights,
    checked_probabilities,
    checked_risks,
    ratio,
    row_blocks,
    sums_by,
)
from cutis.evaluation.estimate import Part
from cutis.evaluation.proportions import wilson_interval

Binning = Literal["mass", "width"]

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)  # log loss clips here, as scikit-learn does


class ReliabilityCurve(Part):
    """What happened, by what was said: one entry a bin that holds images.

    Attributes:
        low: the bins' lower ends.
        high: the bins' upper ends.
        mean_probability: what was said on average in the bin.
        share: how often it happened.
        share_low: lower end of the share's Wilson interval. It takes images as independent.
        share_high: its upper end.
        images: how many there are.
        binning: ``"mass"``, as many images a bin, or ``"width"``, as wide a bin.
    """

    low: list[float]
    high: list[float]
    mean_probability: list[float]
    share: list[float]
    share_low: list[float]
    share_high: list[float]
    images: list[int]
    binning: Binning


class BrierParts(Part):
    """Murphy's parts: ``score`` = ``reliability`` − ``resolution`` + ``uncertainty`` + ``within_bins``.

    ``within_bins`` is what the bins hide (Stephenson 2008, Weather Forecast 23:752): 0 if all probabilities of a bin
    are equal. Small reliability and large resolution are good.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


def reliability_curve(
    positive: ArrayLike,
    probability: ArrayLike,
    *,
    bins: int = 10,
    binning: Binning = "mass",
    confidence: float = 0.95,
) -> ReliabilityCurve:
    """How often it happened, against how probable it was said to be.

    Args:
        positive: N, whether it happened: the class is this one, or the answer is right.
        probability: N, what was said of it.
        bins: how many at most; bins without images are left out, and equal probabilities share a bin.
        binning: ``"mass"`` cuts at quantiles of the probabilities, ``"width"`` at equal steps from 0 to 1.
        confidence: of the Wilson intervals.
    """
    truth, said = checked_risks(positive, probability)
    edges, place = _bins(said, bins, binning)
    images = np.bincount(place, minlength=len(edges) - 1)
    filled = images > 0
    hits = np.bincount(place, truth, len(images))[filled]
    low, high = wilson_interval(hits, images[filled], confidence=confidence)
    return ReliabilityCurve(
        low=edges[:-1][filled].tolist(),
        high=edges[1:][filled].tolist(),
        mean_probability=(np.bincount(place, said, len(images))[filled] / images[filled]).tolist(),
        share=(hits / images[filled]).tolist(),
        share_low=np.asarray(low).tolist(),
        share_high=np.asarray(high).tolist(),
        images=images[filled].tolist(),
        binning=binning,
    )


def expected_calibration_error(
    positive: ArrayLike,
    probability: ArrayLike,
    *,
    bins: int = 15,
    binning: Binning = "mass",
    weights: Floats | None = None,
) -> Floats:
    """Mean distance of what happened from what was said, over bins, by their images (Naeini 2015), 0 to 1.

    It is not 0 for a perfect model of few images: noise in a bin counts as error. Compare it at equal N and bins.

    Args:
        positive: N, whether it happened.
        probability: N, what was said of it.
        bins: how many at most; they are fixed by the unweighted images.
        binning: as in :func:`reliability_curve`.
        weights: None, or N×R.

    Returns:
        A scalar, or R values.
    """
    truth, said = checked_risks(positive, probability)
    return binned_error(truth - said, probability_bins(said, bins, binning), weights)


def maximum_calibration_error(
    positive: ArrayLike,
    probability: ArrayLike,
    *,
    bins: int = 15,
    binning: Binning = "mass",
    weights: Floats | None = None,
) -> Floats:
    """The largest such distance in any bin (Naeini 2015); the arguments of :func:`expected_calibration_error`."""
    truth, said = checked_risks(positive, probability)
    gaps, shares = _gaps(truth - said, probability_bins(said, bins, binning), weights)
    largest = np.nan_to_num(gaps).max(axis=-1)
    return np.asarray(np.where(np.isnan(shares).any(axis=-1), np.nan, largest))


def top_label(truth: ArrayLike, probabilities: ArrayLike) -> tuple[Bools, Floats]:
    """Whether each answer is right, and the probability it was given with (Guo 2017): what top-label figures are of."""
    numbers, values = checked_probabilities(truth, probabilities)
    answer = values.argmax(axis=1)
    return answer == numbers, values[np.arange(len(values)), answer]


def top_label_calibration_error(
    truth: ArrayLike,
    probabilities: ArrayLike,
    *,
    bins: int = 15,
    binning: Binning = "mass",
    weights: Floats | None = None,
) -> Floats:
    """The calibration error of the answer's probability (Guo 2017): a scalar, or R values with N×R weights."""
    right, said = top_label(truth, probabilities)
    return expected_calibration_error(right, said, bins=bins, binning=binning, weights=weights)


def classwise_calibration_error(
    truth: ArrayLike,
    probabilities: ArrayLike,
    *,
    bins: int = 15,
    binning: Binning = "mass",
    weights: Floats | None = None,
) -> Floats:
    """Each class's calibration error against all others: K, or R×K. Its mean is the class-wise ECE of Kull 2019."""
    numbers, values = checked_probabilities(truth, probabilities)
    errors = [
        expected_calibration_error(numbers == k, values[:, k], bins=bins, binning=binning, weights=weights)
        for k in range(values.shape[1])
    ]
    return np.stack(errors, axis=-1)


def brier_score(truth: ArrayLike, probabilities: ArrayLike, weights: Floats | None = None) -> Floats:
    """Mean squared distance from the truth, summed over the classes (Brier 1950): 0 to 2; a scalar, or R values."""
    return _mean(brier_losses(*checked_probabilities(truth, probabilities)), weights)


def log_loss(truth: ArrayLike, probabilities: ArrayLike, weights: Floats | None = None) -> Floats:
    """Mean −log of the true class's probability, 0 and up; a scalar, or R values.

    A probability of 0 counts as 2.2e-16, as in scikit-learn: the loss stays finite.
    """
    return _mean(log_losses(*checked_probabilities(truth, probabilities)), weights)


def brier_losses(truth: Ints, probabilities: Floats) -> Floats:
    """What each of N images adds to :func:`brier_score`."""
    losses = np.empty(len(truth))
    happened = np.eye(probabilities.shape[1])
    for rows in row_blocks(*probabilities.shape):
        losses[rows] = ((probabilities[rows] - happened[truth[rows]]) ** 2).sum(axis=1)
    return losses


def log_losses(truth: Ints, probabilities: Floats) -> Floats:
    """What each of N images adds to :func:`log_loss`."""
    own = probabilities[np.arange(len(truth)), truth]
    losses: Floats = -np.log(np.maximum(own, SMALLEST_PROBABILITY))
    return losses


def brier_parts(
    positive: ArrayLike, probability: ArrayLike, *, bins: int | None = None, binning: Binning = "mass"
) -> BrierParts:
    """The Brier score of one event (0 to 1) and its parts (Murphy 1973, J Appl Meteorol 12:595).

    Args:
        positive: N, whether it happened.
        probability: N, what was said of it.
        bins: None makes every distinct probability a bin: Murphy's exact parts, right for readers' grades. For a
            model's probabilities take 10 or 15: nearly every image would be a bin of its own.
        binning: as in :func:`reliability_curve`.
    """
    truth, said = checked_risks(positive, probability)
    if bins is None:
        _, place = np.unique(said, return_inverse=True)
    else:
        _, place = _bins(said, bins, binning)
    images = np.bincount(place).astype(np.float64)
    happened, mean_said = ratio(np.bincount(place, truth), images), ratio(np.bincount(place, said), images)
    share, base = images / len(said), truth.mean()
    score = float(((said - truth) ** 2).mean())
    reliability = float((share * np.nan_to_num(mean_said - happened) ** 2).sum())
    resolution = float((share * np.where(images > 0, happened - base, 0.0) ** 2).sum())
    uncertainty = float(base * (1 - base))
    return BrierParts(
        score=score,
        reliability=reliability,
        resolution=resolution,
        uncertainty=uncertainty,
        within_bins=score - reliability + resolution - uncertainty,
    )


def probability_bins(probability: Floats, bins: int, binning: Binning = "mass") -> Ints:
    """The bin of each of N probabilities, 0 … ``bins`` − 1 at most; see :func:`reliability_curve`."""
    return _bins(probability, bins, binning)[1]


def binned_error(surplus: Floats, place: NDArray[np.integer], weights: Weights | None) -> Floats:
    """The calibration error of images whose bins are known: a scalar, or R values.

    Args:
        surplus: N, what happened (0 or 1) less what was said.
        place: N bins.
        weights: None, or N×R.
    """
    gaps, shares = _gaps(surplus, place, weights)
    error = (np.nan_to_num(gaps) * shares).sum(axis=-1)
    return np.asarray(np.where(np.isnan(shares).any(axis=-1), np.nan, error))


def _bins(said: Floats, bins: int, binning: Binning) -> tuple[Floats, Ints]:
    """The bins' ends, and each image's bin. A probability on an inner end belongs to the bin below."""
    if bins < 1:
        raise PredictionsError(f"{bins} bins", fix="Take 10 or 15.")
    steps = np.linspace(0, 1, bins + 1)
    edges = np.unique(np.quantile(said, steps)) if binning == "mass" else steps
    if len(edges) == 1:  # all probabilities are equal
        edges = np.repeat(edges, 2)
    return edges, np.searchsorted(edges[1:-1], said, side="left").astype(np.int64)


def _gaps(surplus: Floats, place: NDArray[np.integer], weights: Weights | None) -> tuple[Floats, Floats]:
    """Each bin's |happened − said| (NaN where it is empty) and its share of the images: B, or R×B."""
    count = int(place.max()) + 1
    each = np.ones((len(place), 1)) if weights is None else weights
    images, off = sums_by(place, count, each).T, sums_by(place, count, each, surplus).T
    gaps, shares = ratio(np.abs(off), images), ratio(images, images.sum(axis=1, keepdims=True) * np.ones_like(images))
    return (gaps[0], shares[0]) if weights is None else (gaps, shares)


def _mean(values: Floats, weights: Floats | None) -> Floats:
    if weights is None:
        return np.asarray(values.mean())
    return ratio(values @ weights, weights.sum(axis=0))
