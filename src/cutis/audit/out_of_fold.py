"""Predictions out of fold from one thing alone, from its values or from features of the image, and their AUC."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from cutis.audit.clues import Floats, Ints
from cutis.evaluation import binary_auc, macro_mean, one_vs_rest_auc

_SMOOTHING = 10.0


class _Fold(NamedTuple):
    """U distinct answers of one fold: truth U, probabilities U×K, and U×n which of the fold's n rows gave each."""

    truth: Ints
    probabilities: Floats
    member: scipy.sparse.csr_array
    rows: Ints


class OutOfFoldAuc:
    """The AUC of predictions made out of fold, for any weighting of the rows.

    Only rows of one fold are compared with each other, and the folds' AUCs averaged: models of different folds lean
    each to the classes that its own fold lacks, so that pooled answers to nothing score below 0.5 (Forman & Scholz
    2010, SIGKDD Explorations 12:49). Equal answers are counted together: thousands of weightings then cost little.

    Args:
        truth: M class numbers.
        probabilities: M×K, out of fold.
        fold: M fold numbers.
        ill: K, the malignant and premalignant classes.
        benign: K, the benign ones.
    """

    def __init__(
        self, truth: Ints, probabilities: Floats, fold: Ints, ill: npt.NDArray[np.bool_], benign: npt.NDArray[np.bool_]
    ) -> None:
        self._ill, self._judged = ill, ill | benign
        self.both = bool(ill.any() and benign.any())
        self._folds = []
        for each in np.unique(fold):
            rows = np.flatnonzero(fold == each)
            answers = np.column_stack([truth[rows], probabilities[rows]])
            alike, which = np.unique(answers, axis=0, return_inverse=True)
            member = scipy.sparse.csr_array(
                (np.ones(len(rows)), (which.ravel(), np.arange(len(rows)))), shape=(len(alike), len(rows))
            )
            self._folds.append(_Fold(alike[:, 0].astype(np.int64), alike[:, 1:], member, rows))

    def statistics(self, weights: Floats) -> dict[str, Floats]:
        """AUCs for weights M×r: of each class r×K, their mean r, and where both kinds are there of malignancy r."""
        by_class, malignant = [], []
        for each in self._folds:
            counts = np.asarray(each.member @ weights[each.rows])
            by_class.append(one_vs_rest_auc(each.truth, each.probabilities, counts))
            if self.both:
                judged = self._judged[each.truth]
                risk = each.probabilities[judged][:, self._ill].sum(axis=1)
                malignant.append(binary_auc(self._ill[each.truth[judged]], risk, counts[judged]))
        areas = macro_mean(np.stack(by_class, axis=-1))
        told = {"classes": areas, "macro": macro_mean(areas)}
        return told | {"malignant": macro_mean(np.stack(malignant, axis=-1))} if self.both else told


def folds_of(cluster: Ints, truth: Ints, folds: int, seed: int) -> Ints:
    """The fold of each row: whole clusters, dealt out in turn within the class of each one's first row."""
    _, first, number = np.unique(cluster, return_index=True, return_inverse=True)
    shuffled = np.random.default_rng(seed).random(len(first))
    fold = np.empty(len(first), dtype=np.int64)
    fold[np.lexsort((shuffled, truth[first]))] = np.arange(len(first)) % folds
    return fold[number.ravel()]


def by_value(values: Ints, truth: Ints, fold: Ints, classes: int) -> Floats:
    """Out of fold, each value's share of each class, drawn to the class's own share: M×K."""
    folds, distinct = int(fold.max()) + 1, int(values.max()) + 1
    cell = (fold * distinct + values) * classes + truth
    counts = np.bincount(cell, minlength=folds * distinct * classes).reshape(folds, distinct, classes)
    training = (counts.sum(axis=0) - counts).astype(np.float64)
    prior = training.sum(axis=1, keepdims=True) / training.sum(axis=(1, 2), keepdims=True)
    shares: Floats = (training + _SMOOTHING * prior) / (training.sum(axis=2, keepdims=True) + _SMOOTHING)
    return shares[fold, values]


def by_features(values: Floats, truth: Ints, fold: Ints, classes: int) -> Floats:
    """Out of fold, each class's probability by a linear discriminant: M×K."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # noqa: PLC0415 - seconds to import

    varies = np.ptp(values, axis=0) > 0
    probabilities = np.zeros((len(values), classes))
    for each in np.unique(fold):
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
        model.fit(values[fold != each][:, varies], truth[fold != each])
        probabilities[np.ix_(fold == each, model.classes_)] = model.predict_proba(values[fold == each][:, varies])
    return probabilities
