"""Images ranked by a score once, so that thousands of weightings of them cost no further sorting.

All figures of a score's curves follow from cumulated weights: of the positives and of the negatives at or above each
threshold. A bootstrap resample is a weighting.
"""

from typing import Any, NamedTuple

import numpy as np

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import Bools, Floats, Ints, ratio

Places = np.ndarray[tuple[Any, ...], np.dtype[np.int32 | np.int64]]


class Cumulated(NamedTuple):
    """What lies at or above each of P positives' scores, for R weightings.

    Attributes:
        weight: the positives' own, P×R, in descending order of score.
        hits_above: weight of the positives that score higher, P×R.
        hits: of the positives that score as high or higher, P×R.
        alarms_above: of the negatives that score higher, P×R.
        alarms: of the negatives that score as high or higher, P×R.
        positives: of all positives, R.
        negatives: of all negatives, R.
    """

    weight: Floats
    hits_above: Floats
    hits: Floats
    alarms_above: Floats
    alarms: Floats
    positives: Floats
    negatives: Floats


class RankedScores:
    """N images ranked by score.

    Args:
        positive: N, who has the disease; N of 1 or more.
        scores: N, larger is more suspect.

    Raises:
        PredictionsError: there is no image.
    """

    def __init__(self, positive: Bools, scores: Floats) -> None:
        if len(positive) == 0:
            raise PredictionsError("there is no image to rank")
        order = np.argsort(-scores, kind="stable")
        descending = -scores[order]
        whose = np.flatnonzero(positive[order])
        own = descending[whose]
        self._order = _small(order)
        self._positives = _small(order[whose])
        # Where each positive's ties start and end, among all images and among the positives.
        self._start, self._end = (_small(np.searchsorted(descending, own, side=side)) for side in ("left", "right"))
        self._first: slice | Places = slice(0, -1)
        self._last: slice | Places = slice(1, None)
        if len(np.unique(own)) < len(own):
            self._first, self._last = (_small(np.searchsorted(own, own, side=side)) for side in ("left", "right"))

    def cumulated(self, weights: Floats | None = None) -> Cumulated:
        """The cumulated weights at every positive; None is one weighting that counts each image once."""
        each = np.ones((len(self._order), 1)) if weights is None else weights
        called = np.zeros((len(self._order) + 1, each.shape[1]))
        np.cumsum(each[self._order], axis=0, out=called[1:])
        own = each[self._positives]
        found = np.zeros((len(self._positives) + 1, each.shape[1]))
        np.cumsum(own, axis=0, out=found[1:])
        above, up_to = found[self._first], found[self._last]
        return Cumulated(
            weight=own,
            hits_above=above,
            hits=up_to,
            alarms_above=called[self._start] - above,
            alarms=called[self._end] - up_to,
            positives=found[-1],
            negatives=called[-1] - found[-1],
        )


def area(at: Cumulated) -> Floats:
    """The area under the ROC curve, R: the chance that a positive scores above a negative, ties counting half."""
    pairs = at.positives * at.negatives
    lost = np.einsum("pr,pr->r", at.weight, at.alarms_above) + np.einsum("pr,pr->r", at.weight, at.alarms)
    return ratio(pairs - lost / 2, pairs)


def precision_area(at: Cumulated) -> Floats:
    """The average precision, R: the mean precision at the thresholds of the positives."""
    called = at.hits + at.alarms
    precision = np.divide(at.hits, called, out=np.zeros_like(called), where=called > 0)
    return ratio(np.einsum("pr,pr->r", at.weight, precision), at.positives)


def area_above(at: Cumulated, least: float) -> Floats:
    """The area between the ROC curve and a sensitivity, R."""
    with np.errstate(divide="ignore", invalid="ignore"):
        before, after = at.hits_above / at.positives, at.hits / at.positives
        specificity_before, specificity_after = 1 - at.alarms_above / at.negatives, 1 - at.alarms / at.negatives
        # Each rise of the curve counts from where it enters the part above, by linear interpolation; tied positives
        # share a rise.
        entry = np.clip((least - before) / (after - before), 0.0, 1.0)
        at_entry = specificity_before + entry * (specificity_after - specificity_before)
        width = np.clip(after - np.maximum(before, least), 0.0, None)
        share = at.weight / (at.hits - at.hits_above)
    risen = np.where(at.weight > 0, share * width * (at_entry + specificity_after) / 2, 0.0)
    return np.where((at.positives > 0) & (at.negatives > 0), risen.sum(axis=0), np.nan)


def _small(places: Ints) -> Places:
    """Half the memory where numbers allow it: there is one such array a class, group and image."""
    return places.astype(np.int32 if len(places) < np.iinfo(np.int32).max else np.int64)
