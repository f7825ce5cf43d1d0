"""Curves as a result holds them: few enough points to store, to plot and to read."""

import numpy as np

from cutis.evaluation.arrays import Bools, Floats
from cutis.evaluation.curves import BandReach
from cutis.evaluation.estimate import Part
from cutis.evaluation.metrics import corners
from cutis.evaluation.ranked import RankedScores

_MOST = 200
# Close together where ROC curves are steep.
_BAND_AT = np.unique(np.concatenate([np.linspace(0, 0.1, 51), np.linspace(0.1, 1, 91)]))


class RocPoints(Part):
    """The corners of a ROC curve, 200 at most; ``threshold`` is None at (0, 0), where nothing is positive."""

    false_positive_rate: list[float]
    sensitivity: list[float]
    threshold: list[float | None]


class RocBandPoints(Part):
    """A simultaneous band: the whole true curve lies in it with the intervals' confidence (Campbell 1994)."""

    false_positive_rate: list[float]
    low: list[float]
    high: list[float]


class PrecisionRecallPoints(Part):
    """Points of a precision-recall curve, 200 at most; ``threshold`` is None at recall 0."""

    recall: list[float]
    precision: list[float]
    threshold: list[float | None]


def roc_points(positive: Bools, scores: Floats, ranked: RankedScores | None = None) -> RocPoints:
    """The ROC curve of N images; both kinds must be there. ``ranked`` are the same, where they are ranked already."""
    images = ranked or RankedScores(positive, scores)
    rate, sensitivity = images.curve()
    kept = corners(rate, sensitivity, _MOST)
    return RocPoints(
        false_positive_rate=rate[kept].tolist(),
        sensitivity=sensitivity[kept].tolist(),
        threshold=[None, *scores[images.images_at(kept[1:] - 1)].tolist()],
    )


def precision_recall_points(
    positive: Bools, scores: Floats, ranked: RankedScores | None = None
) -> PrecisionRecallPoints:
    """The precision-recall curve of N images; there must be positives. ``ranked`` as of :func:`roc_points`."""
    images = ranked or RankedScores(positive, scores)
    hits, alarms = images.counts()
    recall, precision = np.zeros((2, len(hits) + 1))
    precision[0] = 1.0
    recall[1:], precision[1:] = hits / hits[-1], hits / (hits + alarms)
    kept = corners(recall, precision, _MOST)
    return PrecisionRecallPoints(
        recall=recall[kept].tolist(),
        precision=precision[kept].tolist(),
        threshold=[None, *scores[images.images_at(kept[1:] - 1)].tolist()],
    )


def roc_band_points(reach: BandReach, farthest: Floats, confidence: float) -> RocBandPoints | None:
    """The band at some false-positive rates; None where no resample has both kinds."""
    if np.isnan(farthest).all():
        return None
    low, high = reach.band_at(_BAND_AT, farthest, confidence)
    return RocBandPoints(
        false_positive_rate=_BAND_AT.round(4).tolist(), low=low.round(5).tolist(), high=high.round(5).tolist()
    )
