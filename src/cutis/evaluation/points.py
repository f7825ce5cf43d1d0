"""Curves as a result holds them: few enough points to store, to plot and to read."""

import numpy as np

from cutis.evaluation.arrays import Bools, Floats
from cutis.evaluation.curves import BandReach, precision_recall_curve
from cutis.evaluation.estimate import Part
from cutis.evaluation.metrics import corners, roc_curve

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


def roc_points(positive: Bools, scores: Floats) -> RocPoints:
    """The ROC curve of N images; both kinds must be there."""
    curve = roc_curve(positive, scores)
    kept = corners(curve.false_positive_rate, curve.sensitivity, _MOST)
    return RocPoints(
        false_positive_rate=curve.false_positive_rate[kept].tolist(),
        sensitivity=curve.sensitivity[kept].tolist(),
        threshold=[None, *curve.threshold[kept][1:].tolist()],
    )


def precision_recall_points(positive: Bools, scores: Floats) -> PrecisionRecallPoints:
    """The precision-recall curve of N images; there must be positives."""
    curve = precision_recall_curve(positive, scores)
    kept = corners(curve.recall, curve.precision, _MOST)
    return PrecisionRecallPoints(
        recall=curve.recall[kept].tolist(),
        precision=curve.precision[kept].tolist(),
        threshold=[None, *curve.threshold[kept][1:].tolist()],
    )


def roc_band_points(reach: BandReach, farthest: Floats, confidence: float) -> RocBandPoints | None:
    """The band at some false-positive rates; None where no resample has both kinds."""
    if np.isnan(farthest).all():
        return None
    band = reach.band(farthest, confidence)
    low, high = (np.interp(_BAND_AT, band.false_positive_rate, each) for each in (band.low, band.high))
    return RocBandPoints(
        false_positive_rate=_BAND_AT.round(4).tolist(), low=low.round(5).tolist(), high=high.round(5).tolist()
    )
