"""Scores of unfamiliarity: how little an image resembles what the model learned; and how well they tell it.

Every score is larger for stranger images.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import Bools, Floats, Ints, checked_outputs, checked_probabilities, ratio
from cutis.evaluation.estimate import Estimate, Part, resampled
from cutis.evaluation.metrics import PairsWon

_CELLS_AT_ONCE = 4_000_000  # 32 MB


class UnfamiliarityResult(Part):
    """How well a score tells unseen diagnoses from known ones.

    ``auroc``: the chance that an unseen image scores higher than a known one, ties counting half. ``fpr95``: see
    :func:`false_positive_rate_at`.
    """

    familiar_images: int
    unfamiliar_images: int
    auroc: Estimate
    fpr95: Estimate


def energy(logits: ArrayLike, temperature: float = 1.0) -> Floats:
    """−T log Σ exp(logit / T), N×K to N (Liu 2020, arXiv:2010.03759)."""
    _, values = checked_outputs(*_unlabelled(logits))
    return np.asarray(-temperature * scipy.special.logsumexp(values / temperature, axis=1))


def one_minus_largest_probability(probabilities: ArrayLike) -> Floats:
    """1 − the largest probability, N×K to N, 0 to 1 − 1/K: the baseline (Hendrycks & Gimpel 2017)."""
    _, values = checked_probabilities(*_unlabelled(probabilities))
    return np.asarray(1 - values.max(axis=1))


@dataclass(frozen=True)
class MahalanobisDistance:
    """The squared distance to the nearest class mean, in the shared covariance of the classes (Lee 2018).

    ``means`` is C×D, of the classes that training showed; ``whitening`` is D×D, W with W Wᵀ the inverse covariance.
    """

    means: Floats
    whitening: Floats

    def scores(self, features: ArrayLike) -> Floats:
        """N×D features to N scores, 0 and up."""
        values = _checked_features(features, self.means.shape[1]) @ self.whitening
        centres = self.means @ self.whitening
        squares = (values**2).sum(axis=1)[:, None] - 2 * values @ centres.T + (centres**2).sum(axis=1)
        nearest: Floats = np.maximum(squares, 0.0).min(axis=1)
        return nearest


@dataclass(frozen=True)
class NeighbourDistance:
    """The distance to the ``neighbours``-th nearest training image, features scaled to length 1 (Sun 2022).

    ``features`` is N×D, of length 1 each.
    """

    features: Floats
    neighbours: int

    def scores(self, features: ArrayLike) -> Floats:
        """M×D features to M scores, 0 to 2."""
        values = _unit(_checked_features(features, self.features.shape[1]))
        found = np.empty(len(values))
        at_once = max(1, _CELLS_AT_ONCE // len(self.features))
        for start in range(0, len(values), at_once):
            unlikeness = 1 - values[start : start + at_once] @ self.features.T
            kth = np.partition(unlikeness, self.neighbours - 1, axis=1)[:, self.neighbours - 1]
            found[start : start + at_once] = np.sqrt(np.maximum(2 * kth, 0.0))
        return found


def fit_mahalanobis(features: ArrayLike, labels: ArrayLike) -> MahalanobisDistance:
    """Class means and shared covariance of training features, the covariance shrunk after Ledoit & Wolf 2004.

    Args:
        features: N×D.
        labels: N class numbers; classes without an image have no mean.
    """
    from sklearn.covariance import ledoit_wolf  # noqa: PLC0415 - seconds to import, and seldom needed

    values = _checked_features(features)
    numbers = np.asarray(labels)
    if numbers.shape != values.shape[:1]:
        raise PredictionsError(f"{numbers.shape} labels for {len(values):,} images", fix="Give one an image.")
    if len(values) < 2:
        raise PredictionsError("one image shows no spread", fix="Give more images.")
    present, place = np.unique(numbers, return_inverse=True)
    means = np.stack([values[place == k].mean(axis=0) for k in range(len(present))])
    covariance, _ = ledoit_wolf(values - means[place], assume_centered=True)
    spread, directions = np.linalg.eigh(np.asarray(covariance))
    if spread[-1] <= 0:
        raise PredictionsError("the features do not vary within their classes", fix="Give more images.")
    # Directions without any spread would weigh infinitely; they get the least weight that floats can tell from none.
    floor = spread[-1] * np.finfo(np.float64).eps * len(spread)
    return MahalanobisDistance(means, directions / np.sqrt(np.maximum(spread, floor)))


def fit_neighbours(features: ArrayLike, neighbours: int = 10) -> NeighbourDistance:
    """Keep training features N×D to measure distances to; ``neighbours`` is 1 to N."""
    values = _checked_features(features)
    if not 1 <= neighbours <= len(values):
        raise PredictionsError(f"{neighbours} neighbours among {len(values):,} images", fix="Take fewer.")
    return NeighbourDistance(_unit(values), neighbours)


def false_positive_rate_at(
    unfamiliar: Bools, scores: Floats, accepted: float = 0.95, weights: Floats | None = None
) -> Floats:
    """The share of unfamiliar images that pass as familiar when ``accepted`` of the familiar ones do.

    FPR at 95 % TPR as in Hendrycks & Gimpel 2017 and Liang 2018, where the positives are the familiar images: an
    image passes if its score is at most the smallest limit that 95 % of the familiar images or more keep. (Papers
    that call the unfamiliar images positive report another number.) 0 is best; 0.95 is chance.

    Args:
        unfamiliar: N, whether the diagnosis was not learned.
        scores: N, larger is stranger.
        accepted: share of familiar images to accept.
        weights: None, or N×R.

    Returns:
        A scalar, or R values; NaN where either kind is missing or weighs nothing.
    """
    each = np.ones((len(scores), 1)) if weights is None else weights
    rate = _Accepted(unfamiliar, scores).passed(accepted, each)
    return np.asarray(rate[0]) if weights is None else rate


class _Accepted:
    """Familiar and unfamiliar images ranked once, to be accepted up to a share of the familiar ones."""

    def __init__(self, unfamiliar: Bools, scores: Floats) -> None:
        self._known, self._strange = (
            np.flatnonzero(rows)[np.argsort(scores[rows], kind="stable")] for rows in (~unfamiliar, unfamiliar)
        )
        self._limits = scores[self._known]
        self._passed = np.searchsorted(scores[self._strange], self._limits, side="right")

    def passed(self, accepted: float, weights: Floats) -> Floats:
        """Share of the unfamiliar ones that are accepted, R; NaN where either kind is missing or weighs nothing."""
        columns = weights.shape[1]
        if not len(self._known) or not len(self._strange):
            return np.full(columns, np.nan)
        kept = np.cumsum(weights[self._known], axis=0)
        place = (kept < accepted * kept[-1] - 1e-9).sum(axis=0)
        passed = np.zeros((len(self._strange) + 1, columns))
        np.cumsum(weights[self._strange], axis=0, out=passed[1:])
        below = self._passed[place.clip(max=len(self._known) - 1)]
        rate = ratio(passed[below, np.arange(columns)], passed[-1])
        return np.where(kept[-1] > 0, rate, np.nan)


def unfamiliarity_result(
    familiar: ArrayLike,
    unfamiliar: ArrayLike,
    *,
    clusters: Sequence[Hashable] | Ints | None = None,
    resamples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
) -> UnfamiliarityResult:
    """AUROC and FPR95 of a score, with intervals.

    Args:
        familiar: scores of N test images whose diagnosis the model knows.
        unfamiliar: scores of M images whose diagnosis it never saw.
        clusters: the patient or lesion of each of the N + M images, in this order; None takes each as its own.
        resamples: of the clustered bootstrap.
        seed: of the bootstrap.
        confidence: of the intervals.

    Raises:
        PredictionsError: either set is empty, or a score is not finite.
    """
    known, strange = np.asarray(familiar, dtype=np.float64), np.asarray(unfamiliar, dtype=np.float64)
    scores = np.concatenate([known, strange])
    if not len(known) or not len(strange) or not np.isfinite(scores).all():
        raise PredictionsError(
            "scores are missing, NaN or infinite", fix="Give finite scores of known and of unseen diagnoses."
        )
    positive = np.arange(len(scores)) >= len(known)

    pairs, ranked = PairsWon(positive, scores), _Accepted(positive, scores)

    def statistics(weights: Floats) -> dict[str, Floats]:
        return {"auroc": pairs.auc(weights), "fpr95": ranked.passed(0.95, weights)}

    cases = np.arange(len(scores)) if clusters is None else clusters
    if len(cases) != len(scores):
        raise PredictionsError(f"{len(cases):,} clusters for {len(scores):,} images", fix="Name one an image.")
    told = resampled(statistics, cases, resamples=resamples, seed=seed, confidence=confidence)
    return UnfamiliarityResult(
        familiar_images=len(known),
        unfamiliar_images=len(strange),
        auroc=told.estimate("auroc"),
        fpr95=told.estimate("fpr95"),
    )


def _unlabelled(outputs: ArrayLike) -> tuple[Ints, Floats]:
    values = np.asarray(outputs, dtype=np.float64)
    return np.zeros(values.shape[:1], dtype=np.int64), values


def _checked_features(features: ArrayLike, dimensions: int | None = None) -> Floats:
    _, values = checked_outputs(*_unlabelled(features))
    if dimensions is not None and values.shape[1] != dimensions:
        raise PredictionsError(
            f"features have {values.shape[1]} dimensions, {dimensions} were learned", fix="Use the same network's."
        )
    return values


def _unit(features: Floats) -> Floats:
    length = np.linalg.norm(features, axis=1, keepdims=True)
    units: Floats = features / np.where(length > 0, length, 1.0)
    return units
