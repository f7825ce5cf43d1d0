"""Figures of merit for a classifier, each a small function.

Every function that meets the images takes ``weights``: None counts each image once; an N×R array gives R
weightings at once, and the result then has R in front. A bootstrap resample is such a weighting, so 2,000 of
them are one call.

A class that is absent from the sample has no sensitivity and no AUC: its figure is NaN, never 0 or 1. Macro
means are taken over the classes that have a figure.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cutis.evaluation.arrays import Bools, Floats, Ints, Weights, ratio, row_blocks, sums_by, weighted


class RocCurve(NamedTuple):
    """A ROC curve from (0, 0) to (1, 1).

    ``threshold[i]`` is the lowest score called positive at point i, infinite at (0, 0).
    """

    false_positive_rate: Floats
    sensitivity: Floats
    threshold: Floats


def predicted_class(probabilities: Floats) -> Ints:
    """The class of the largest probability, N×K to N; where several are largest, the first of them."""
    largest: Ints = np.argmax(probabilities, axis=1).astype(np.int64)
    return largest


def confusion_matrix(truth: Ints, predicted: Ints, classes: int, weights: Weights | None = None) -> Floats:
    """Images by truth (row) and prediction (column): K×K, or R×K×K with N×R weights.

    Example:
        >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2)
        array([[1., 1.],
               [0., 1.]])
    """
    cell = truth * classes + predicted
    if weights is None:
        return np.bincount(cell, minlength=classes**2).astype(np.float64).reshape(classes, classes)
    return sums_by(cell, classes**2, weights).T.reshape(-1, classes, classes)


def accuracy(confusion: Floats) -> Floats:
    """Share of images answered rightly, …×K×K to …, 0 to 1; NaN where there is no image."""
    return ratio(np.trace(confusion, axis1=-2, axis2=-1), confusion.sum(axis=(-2, -1)))


def sensitivity(confusion: Floats) -> Floats:
    """Per class, the share of its images that were called so (recall, true positive rate): …×K×K to …×K."""
    return ratio(_diagonal(confusion), confusion.sum(axis=-1))


def specificity(confusion: Floats) -> Floats:
    """Per class, the share of all other images that were not called so (true negative rate): …×K×K to …×K."""
    others = confusion.sum(axis=(-2, -1))[..., None] - confusion.sum(axis=-1)
    false_positives = confusion.sum(axis=-2) - _diagonal(confusion)
    return ratio(others - false_positives, others)


def positive_predictive_value(confusion: Floats) -> Floats:
    """Per class, the share of images called so that are it (precision, at this prevalence): …×K×K to …×K."""
    return ratio(_diagonal(confusion), confusion.sum(axis=-2))


def negative_predictive_value(confusion: Floats) -> Floats:
    """Per class, the share of images not called so that are not it (at this prevalence): …×K×K to …×K."""
    not_called = confusion.sum(axis=(-2, -1))[..., None] - confusion.sum(axis=-2)
    missed = confusion.sum(axis=-1) - _diagonal(confusion)
    return ratio(not_called - missed, not_called)


def macro_mean(per_class: Floats) -> Floats:
    """Mean over the classes that have a figure, …×K to …; NaN where none has."""
    defined = ~np.isnan(per_class)
    return ratio(np.where(defined, per_class, 0.0).sum(axis=-1), defined.sum(axis=-1))


def balanced_accuracy(confusion: Floats) -> Floats:
    """Mean sensitivity over the classes present, …×K×K to …: each class counts the same, however rare."""
    return macro_mean(sensitivity(confusion))


def top_k_accuracy(truth: Ints, probabilities: Floats, k: int, weights: Floats | None = None) -> Floats:
    """Share of images whose true class is among the k most probable, 0 to 1; a scalar, or R with N×R weights.

    Equal probabilities rank in the order of the classes, so that top-1 is :func:`accuracy`.
    """
    hit = rank_of_truth(truth, probabilities) < k
    if weights is None:
        return ratio(hit.sum(), np.float64(len(hit)))
    return ratio(weighted(hit, weights), weights.sum(axis=0))


def rank_of_truth(truth: Ints, probabilities: Floats) -> Ints:
    """How many classes are called before the true one, N: 0 where it is the answer."""
    rank = np.empty(len(truth), dtype=np.int64)
    for rows in row_blocks(*probabilities.shape):
        each, k = probabilities[rows], truth[rows][:, None]
        own = np.take_along_axis(each, k, axis=1)
        earlier = np.arange(each.shape[1])[None, :] < k
        rank[rows] = ((each > own) | ((each == own) & earlier)).sum(axis=1)
    return rank


def binary_auc(positive: Bools, scores: Floats, weights: Floats | None = None) -> Floats:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counting half.

    The Mann-Whitney statistic (Hanley & McNeil 1982), weighted: every positive is placed among the sorted
    negatives, whose cumulated weight below it is its count of pairs won.

    Args:
        positive: N, who has the disease.
        scores: N, larger is more suspect.
        weights: None, or N×R.

    Returns:
        A scalar, or R values; NaN where positives or negatives are missing or weigh nothing.
    """
    found = PairsWon(positive, scores).auc(weights)
    return found[0] if weights is None else found


class PairsWon:
    """Where N images stand among each other, kept so that many weightings need no further sorting."""

    def __init__(self, positive: Bools, scores: Floats) -> None:
        negatives = np.flatnonzero(~positive)
        negatives = negatives[np.argsort(scores[negatives], kind="stable")]
        ranked, own = scores[negatives], scores[positive]
        small = np.int32 if len(positive) < np.iinfo(np.int32).max else np.int64  # half the memory where it will do
        self._negatives, self._positives = negatives.astype(small), np.flatnonzero(positive).astype(small)
        self._left = np.searchsorted(ranked, own, side="left").astype(small)
        self._right = np.searchsorted(ranked, own, side="right").astype(small)

    def auc(self, weights: Floats | None = None) -> Floats:
        """The AUC in each of R weightings (one, of 1 each, for None); see :func:`binary_auc`."""
        each = np.ones((len(self._negatives) + len(self._positives), 1)) if weights is None else weights
        below = np.zeros((len(self._negatives) + 1, each.shape[1]))
        np.cumsum(each[self._negatives], axis=0, out=below[1:])
        of_positives = each[self._positives]
        won = np.einsum("ir,ir->r", of_positives, below[self._left])
        won += np.einsum("ir,ir->r", of_positives, below[self._right])
        return ratio(won / 2, of_positives.sum(axis=0) * below[-1])


def one_vs_rest_auc(truth: Ints, probabilities: Floats, weights: Floats | None = None) -> Floats:
    """Each class's AUC against all others by its own probability: K, or R×K with N×R weights."""
    areas = [binary_auc(truth == k, probabilities[:, k], weights) for k in range(probabilities.shape[1])]
    return np.stack(areas, axis=-1)


def macro_auc(truth: Ints, probabilities: Floats, weights: Floats | None = None) -> Floats:
    """Mean one-versus-rest AUC over the classes present: a scalar, or R with N×R weights."""
    return macro_mean(one_vs_rest_auc(truth, probabilities, weights))


def roc_curve(positive: Bools, scores: Floats) -> RocCurve:
    """The ROC curve, one point a distinct score; NaN rates where positives or negatives are missing."""
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(positive[order])[last_of_tie]
    alarms = last_of_tie + 1 - hits
    return RocCurve(
        ratio(np.append(0, alarms), np.float64((~positive).sum())),
        ratio(np.append(0, hits), np.float64(positive.sum())),
        np.append(np.inf, scores[order][last_of_tie]),
    )


def corners(x: Floats, y: Floats, most: int) -> Ints:
    """Where a curve turns: at most ``most`` of its points, evenly along its length; both ends are kept."""
    turns = [
        rows.start + 1 + np.flatnonzero(np.diff(a[:-1]) * np.diff(b[1:]) != np.diff(a[1:]) * np.diff(b[:-1]))
        for rows in row_blocks(len(x) - 2)
        for a, b in [(x[rows.start : rows.stop + 2], y[rows.start : rows.stop + 2])]
    ]
    kept = np.concatenate([[0], *turns, [len(x) - 1]]).astype(np.int64)
    if len(kept) <= most:
        return kept
    length = 0.0
    for _, along in _lengths(x, y, kept):
        length = along[-1]
    wanted, found = np.linspace(0, length, most), np.zeros(most, dtype=np.int64)
    begun = 0.0
    for start, along in _lengths(x, y, kept):
        here = (wanted > begun) & (wanted <= along[-1])
        found[here] = start + 1 + np.searchsorted(along, wanted[here])
        begun = along[-1]
    return kept[np.unique(found)]


def _lengths(x: Floats, y: Floats, kept: Ints) -> Iterator[tuple[int, Floats]]:
    """How far along a curve each of its kept points but the first lies, some at a time, after which of them."""
    length = 0.0
    for rows in row_blocks(len(kept) - 1):
        points = kept[rows.start : rows.stop + 1]
        along = np.abs(np.diff(x[points])) + np.abs(np.diff(y[points]))
        along[0] += length
        np.cumsum(along, out=along)
        length = along[-1]
        yield rows.start, along


def _diagonal(confusion: Floats) -> Floats:
    return np.diagonal(confusion, axis1=-2, axis2=-1)
