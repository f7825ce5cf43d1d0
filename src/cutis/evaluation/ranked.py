"""Images ranked by a score once, so that thousands of weightings of them cost no further sorting.

All figures of a score's curves follow from cumulated weights: of the positives and of the negatives at or above each
threshold. A bootstrap resample is a weighting. Thresholds are gone through from the highest to the lowest, some
thousand images at a time, so that memory does not grow with images × resamples; each figure is a sum over them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import CELLS_AT_ONCE, Bools, Floats, Ints, Weights, ratio, row_blocks, sums_by
from cutis.evaluation.groups import NamedGroups

Places = np.ndarray[tuple[Any, ...], np.dtype[np.int32 | np.int64]]


class Cumulated(NamedTuple):
    """What lies at or above each of S distinct scores of positives, for R weightings.

    ``weight``, ``hits_above``, … are of consecutive scores only; ``positives`` and ``negatives`` are of all images.

    Attributes:
        weight: of the positives of this very score, S×R, in descending order of score.
        hits_above: weight of the positives that score higher, S×R.
        hits: of the positives that score as high or higher, S×R.
        alarms_above: of the negatives that score higher, S×R.
        alarms: of the negatives that score as high or higher, S×R.
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
        self._new = np.append(True, np.diff(scores[order]) != 0)  # whether each scores lower than the one before
        self._distinct = bool(self._new.all())
        self._positive = positive[order]
        self._order = _small(order)

    def blocks(self, weights: Weights) -> Iterator[Cumulated]:
        """The cumulated weights N×R at every distinct score of a positive, highest first, in one block or more."""
        own = self._order[self._positive]
        positives = sums_by(np.zeros(len(own), dtype=np.int64), 1, weights, images=own)[0]
        everyone = np.zeros(weights.shape[1])
        for rows in row_blocks(*weights.shape):
            everyone += weights[rows].sum(axis=0, dtype=np.float64)
        negatives = everyone - positives
        hit, alarmed = np.zeros(weights.shape[1]), np.zeros(weights.shape[1])
        for rows in self._ends(CELLS_AT_ONCE // weights.shape[1]):
            images, positive = self._order[rows], self._positive[rows]
            slot = _slots(self._tied(rows), positive)
            steps = int(slot[-1] + 1) // 2
            total = sums_by(slot, 2 * steps + 1, weights, images=images)
            weight = sums_by(slot[positive] // 2, steps, weights, images=images[positive])
            above, tied = _alarms(total, weight)
            above += alarmed
            hits = np.cumsum(weight, axis=0)
            hits += hit
            if steps or rows.stop == len(self._order):
                yield Cumulated(weight, hits - weight, hits, above[:-1], above[:-1] + tied, positives, negatives)
            hit, alarmed = hits[-1] if steps else hit, above[-1]

    def areas_by_group(self, weights: Weights, groupings: Sequence[NamedGroups]) -> list[Floats]:
        """The area under the ROC curve of the images of each group alone, R×G for each way of grouping them."""
        columns = weights.shape[1]
        # Pairs are counted at the rarer kind, whose scores are the steps: those that the other kind wins.
        swapped = 2 * np.count_nonzero(self._positive) > len(self._positive)
        lost, stepped, others = ([np.zeros((len(each.names), columns)) for each in groupings] for _ in range(3))
        for rows in self._ends(CELLS_AT_ONCE // columns):
            images, of_step = self._order[rows], self._positive[rows] ^ swapped
            here, places = weights, images
            if len(images) * columns <= 2 * CELLS_AT_ONCE:  # all but a great many equal scores
                here, places = np.take(weights, images, axis=0).astype(np.float64), np.arange(len(images))
            for n, grouping in enumerate(groupings):
                slots = _GroupSlots(grouping.number[images], self._tied(rows), of_step)
                total = sums_by(slots.slot, slots.slots, here, images=places)
                weight = sums_by(slots.step, slots.steps, here, images=places[of_step])
                for group, of_group, steps in slots.groups():
                    own, met = weight[steps], weight[steps].sum(axis=0)
                    above, tied = _alarms(total[of_group], own)
                    lost[n][group] += 2 * met * others[n][group] + np.einsum("sr,sr->r", own, 2 * above[:-1] + tied)
                    stepped[n][group] += met
                    others[n][group] += above[-1]
        pairs = [one * other for one, other in zip(stepped, others, strict=True)]
        return [ratio(n / 2 if swapped else every - n / 2, every).T for n, every in zip(lost, pairs, strict=True)]

    def counts(self) -> tuple[Ints, Ints]:
        """How many positives and negatives score as high or higher, at each distinct score from the highest."""
        last = np.flatnonzero(np.append(self._new[1:], True))
        hits = np.cumsum(self._positive, dtype=np.int64)[last]
        return hits, last + 1 - hits

    def curve(self) -> tuple[Floats, Floats]:
        """The ROC curve of the images themselves: false-positive rate and sensitivity at each score, from (0, 0)."""
        hits, alarms = self.counts()
        rate, sensitivity = np.zeros((2, len(hits) + 1))
        rate[1:], sensitivity[1:] = ratio(alarms, alarms[-1]), ratio(hits, hits[-1])
        return rate, sensitivity

    def images_at(self, points: Ints) -> Places:
        """An image with each of some of the distinct scores, which are numbered from 0, the highest."""
        return self._order[np.flatnonzero(self._new)[points]]

    def _tied(self, rows: slice) -> Bools | None:
        """Whether each of these scores lower than the one before; None where all do."""
        return None if self._distinct else self._new[rows]

    def _ends(self, most: int) -> Iterator[slice]:
        """All places in turn, about so many at a time, equal scores together."""
        start, images = 0, len(self._order)
        while start < images:
            stop = min(start + max(1, most), images)
            if stop < images and not self._new[stop]:
                stop += int(np.argmax(self._new[stop:]))
                stop = stop if self._new[stop] else images
            yield slice(start, stop)
            start = stop


def interpolated(knots: Floats, values: Floats, at: Floats, column: Ints) -> Floats:
    """Values between knots, as ``np.interp`` gives them, of many curves at a time.

    Args:
        knots: P×R, rising along the first axis.
        values: P×R.
        at: M places; each from the first knot of its curve to below the last.
        column: M, which curve each is on.
    """
    low, high = np.zeros((2, len(at)), dtype=np.int64)
    high += len(knots)
    while (low < high).any():  # by halves, for all places at a time
        middle = (low + high) // 2
        go = low < high
        below = go & (knots[np.minimum(middle, len(knots) - 1), column] <= at)
        low, high = np.where(below, middle + 1, low), np.where(below, high, middle)
    x, y = (each[low - 1, column] for each in (knots, values))
    return y + (values[low, column] - y) / (knots[low, column] - x) * (at - x)


def area(at: Cumulated) -> Floats:
    """What these scores add to the area under the ROC curve, R.

    The area is the chance that a positive scores above a negative, ties counting half; NaN where either is missing.
    """
    lost = np.einsum("sr,sr->r", at.weight, at.alarms_above) + np.einsum("sr,sr->r", at.weight, at.alarms)
    return ratio(at.weight.sum(axis=0) * at.negatives - lost / 2, at.positives * at.negatives)


def precision_area(at: Cumulated) -> Floats:
    """What these scores add to the average precision, R: the mean precision at the thresholds of the positives."""
    called = at.hits + at.alarms
    precision = np.divide(at.hits, called, out=np.zeros_like(called), where=called > 0)
    return ratio(np.einsum("sr,sr->r", at.weight, precision), at.positives)


def area_above(at: Cumulated, least: float) -> Floats:
    """What these scores add to the area between the ROC curve and a sensitivity, R."""
    with np.errstate(divide="ignore", invalid="ignore"):
        before, after = at.hits_above / at.positives, at.hits / at.positives
        specificity_before, specificity_after = 1 - at.alarms_above / at.negatives, 1 - at.alarms / at.negatives
        # Each rise of the curve counts from where it enters the part above, by linear interpolation.
        entry = np.clip((least - before) / (after - before), 0.0, 1.0)
        at_entry = specificity_before + entry * (specificity_after - specificity_before)
        width = np.clip(after - np.maximum(before, least), 0.0, None)
    risen = np.where(at.weight > 0, width * (at_entry + specificity_after) / 2, 0.0)
    return np.where((at.positives > 0) & (at.negatives > 0), risen.sum(axis=0), np.nan)


class _GroupSlots:
    """As :func:`_slots`, group after group: where images of each group stand among the positives of their own group."""

    def __init__(self, group: np.ndarray[Any, np.dtype[np.integer]], new: Bools | None, positive: Bools) -> None:
        by_group = np.argsort(group, kind="stable")
        ranked = group[by_group]
        begins = np.append(True, ranked[1:] != ranked[:-1])
        alone = None
        if new is not None:
            score = np.cumsum(new)[by_group]
            alone = begins | np.append(True, score[1:] != score[:-1])
        ordered = _slots(alone, positive[by_group])
        # One slot more a group: what lies below its last positive is not above the next group's first.
        ordered += np.cumsum(begins) - 1
        self.slot = np.empty_like(ordered)
        self.slot[by_group] = ordered
        first = np.flatnonzero(begins)
        self._group = ranked[first]
        rank = np.arange(len(first) + 1)
        # Of either end less the slots added: 2 × the positives above. A group's last slot is there though it be empty.
        begin, last = ordered[first] - rank[:-1], ordered[-1] - rank[-2]
        self._step_starts = np.append(begin // 2, (last + 1) // 2)
        self._slot_starts = 2 * self._step_starts + rank
        self.slots, self.steps = int(self._slot_starts[-1]), int(self._step_starts[-1])
        of_positive = self.slot[positive]
        self.step = (of_positive - (np.searchsorted(self._slot_starts, of_positive, side="right") - 1)) // 2

    def groups(self) -> Iterator[tuple[int, slice, slice]]:
        """Each group that is there, with its slots and its steps."""
        for n, group in enumerate(self._group):
            yield (
                int(group),
                slice(int(self._slot_starts[n]), int(self._slot_starts[n + 1])),
                slice(int(self._step_starts[n]), int(self._step_starts[n + 1])),
            )


def _slots(new: Bools | None, positive: Bools) -> Ints:
    """Where ranked images stand among the distinct scores of the positives: N slots.

    Slot 2i + 1 is of the images that score as the positives of step i do, slot 2i of those between steps i − 1 and i.

    Args:
        new: N, whether each scores lower than the one before; None where all do.
        positive: N.
    """
    if new is None:
        return 2 * np.cumsum(positive) - positive
    starts = np.flatnonzero(new)
    met = np.logical_or.reduceat(positive, starts)
    slot: Ints = np.repeat(2 * np.cumsum(met) - met, np.diff(np.append(starts, len(new))))
    return slot


def _alarms(total: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """The negatives above each of S steps and, last, all of them, (S + 1)×R, and those tied with each, S×R.

    Args:
        total: weight of all images by slot, (2S + 1)×R.
        weight: of the positives by step, S×R.
    """
    tied = total[1::2] - weight
    above = total[::2].copy()
    above[1:] += tied
    return np.cumsum(above, axis=0, out=above), tied


def _small(places: Ints) -> Places:
    """Half the memory where numbers allow it: there is one such array a class and image."""
    return places.astype(np.int32 if len(places) < np.iinfo(np.int32).max else np.int64)
