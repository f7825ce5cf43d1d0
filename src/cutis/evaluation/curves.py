"""Figures of a score, not of an answer: precision-recall, partial area, and bands for a ROC curve.

``weights`` as in :mod:`cutis.evaluation.metrics`: None counts each image once, N×R gives R weightings at once.
"""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
import scipy

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import Bools, Floats, Weights, ratio
from cutis.evaluation.intervals import bootstrap_weights
from cutis.evaluation.metrics import roc_curve
from cutis.evaluation.ranked import Cumulated, RankedScores, area_above, interpolated, precision_area

_BAND_GRID = 512  # lines along which curves are compared: finer than any plot


class PrecisionRecallCurve(NamedTuple):
    """A precision-recall curve, one point a distinct score, from the highest threshold to the lowest.

    ``threshold[i]`` is the lowest score called positive at point i. Its first point is infinite: recall 0, precision 1,
    as scikit-learn draws it.
    """

    recall: Floats
    precision: Floats
    threshold: Floats


class RocBand(NamedTuple):
    """A band that holds the whole true ROC curve with the stated confidence: ``low`` to ``high`` sensitivity."""

    false_positive_rate: Floats
    low: Floats
    high: Floats


def precision_recall_curve(positive: Bools, scores: Floats) -> PrecisionRecallCurve:
    """The precision-recall curve; recall is NaN without positives.

    Args:
        positive: N, who has the disease; N of 1 or more.
        scores: N, larger is more suspect.
    """
    if len(positive) == 0:
        raise PredictionsError("there is no image to draw a curve of")
    order = np.argsort(-scores, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(positive[order])[last_of_tie]
    recall = ratio(hits, positive.sum())
    return PrecisionRecallCurve(
        np.append(0.0 if positive.any() else np.nan, recall),
        np.append(1.0, hits / (last_of_tie + 1)),
        np.append(np.inf, scores[order][last_of_tie]),
    )


def average_precision(positive: Bools, scores: Floats, weights: Floats | None = None) -> Floats:
    """Average precision: the sum over thresholds of precision × gain in recall, without interpolation.

    Its chance level is the prevalence, not 0.5: compare only at the same prevalence.

    Args:
        positive: N, who has the disease.
        scores: N, larger is more suspect.
        weights: None, or N×R.

    Returns:
        A scalar, or R values; NaN where positives are missing or weigh nothing (scikit-learn says 0 there).
    """
    each = np.ones((len(positive), 1)) if weights is None else weights
    found: Floats = np.sum([precision_area(at) for at in RankedScores(positive, scores).blocks(each)], axis=0)
    return found[0] if weights is None else found


def partial_auc_above_sensitivity(
    positive: Bools, scores: Floats, weights: Floats | None = None, *, least: float = 0.8
) -> Floats:
    """Area between the ROC curve and sensitivity ``least``: the score of the ISIC 2024 challenge.

    The integral of specificity over sensitivities from ``least`` to 1, as the organisers compute it (Kurtansky, ISIC
    Challenge-2024-Metrics, with labels and scores flipped). It is 1 − ``least`` (0.2) for a perfect score and
    (1 − ``least``)²/2 (0.02) for chance.

    Args:
        positive: N, who has the disease.
        scores: N, larger is more suspect.
        weights: None, or N×R.
        least: lowest sensitivity that counts, 0 to below 1. With 0 it is the AUC.

    Returns:
        A scalar, or R values, 0 to 1 − ``least``; NaN where positives or negatives are missing or weigh nothing.

    Raises:
        PredictionsError: ``least`` is out of range.
    """
    if not 0 <= least < 1:
        raise PredictionsError(f"sensitivity {least:g} is not from 0 to below 1", fix="Take 0.8, as ISIC 2024 did.")
    each = np.ones((len(positive), 1)) if weights is None else weights
    found: Floats = np.sum([area_above(at, least) for at in RankedScores(positive, scores).blocks(each)], axis=0)
    return found[0] if weights is None else found


def kolmogorov_smirnov_band(positive: Bools, scores: Floats, *, confidence: float = 0.95) -> RocBand:
    """A band for the whole ROC curve, exact for any distribution and conservative (Campbell 1994, section 3).

    Sensitivity and false-positive rate are each off by no more than a Kolmogorov-Smirnov distance, with √confidence
    each; every point may lie anywhere in that rectangle. For independent images only.

    Args:
        positive: N, who has the disease; both kinds must be there.
        scores: N.
        confidence: that the whole true curve lies in the band, between 0 and 1.

    Raises:
        PredictionsError: no positive, or no negative.
    """
    _both_kinds(positive)
    each = confidence**0.5
    right = float(scipy.stats.kstwo.ppf(each, int((~positive).sum())))
    up = float(scipy.stats.kstwo.ppf(each, int(positive.sum())))
    curve = roc_curve(positive, scores)
    return _displaced(curve.false_positive_rate, curve.sensitivity, right, up)


def bootstrap_band(
    positive: Bools,
    scores: Floats,
    clusters: Sequence[Hashable],
    *,
    resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> RocBand:
    """A fixed-width band for the whole ROC curve by a bootstrap of whole clusters (Campbell 1994, section 4).

    Curves are compared along parallel lines of slope −√(negatives/positives), so that the steep start of a curve is
    treated like its flat end. The band is the curve moved both ways along them by the distance that ``confidence`` of
    the resampled curves keep everywhere.

    Args:
        positive: N, who has the disease; both kinds must be there.
        scores: N.
        clusters: N, whose image each is.
        resamples: of the bootstrap; those without positives or negatives are left out.
        seed: of the bootstrap.
        confidence: that the whole true curve lies in the band, between 0 and 1.

    Raises:
        PredictionsError: no positive, or no negative, or fewer than two clusters.
    """
    _both_kinds(positive)
    if len(set(clusters)) < 2:
        raise PredictionsError("a bootstrap needs two clusters or more", fix="Draw the curve without a band.")
    reach = BandReach(positive, scores)
    kept = [reach.farthest(weights) for weights in bootstrap_weights(clusters, resamples, seed)]
    return reach.band(np.concatenate(kept), confidence)


class BandReach:
    """How far resampled ROC curves stray from the curve itself, and the band that holds a share of them.

    Args:
        positive: N, who has the disease; both kinds must be there.
        scores: N.
        ranked: the same images, where they are ranked already.
    """

    def __init__(self, positive: Bools, scores: Floats, ranked: RankedScores | None = None) -> None:
        _both_kinds(positive)
        self._ranked = ranked or RankedScores(positive, scores)
        self._slope = float(np.sqrt((~positive).sum() / positive.sum()))
        self._lines = np.linspace(0, 1 + self._slope, _BAND_GRID)
        self._own = _along(*self._ranked.curve(), self._slope, self._lines)

    def farthest(self, weights: Weights) -> Floats:
        """The largest distance along the lines, R; NaN where a resample has no positives or no negatives."""
        walk = self.walk(weights.shape[1])
        for at in self._ranked.blocks(weights):
            walk.add(at)
        return walk.farthest()

    def walk(self, columns: int) -> "CurveWalk":
        """To go along R resampled curves block by block."""
        return CurveWalk(self._own, self._slope, self._lines, columns)

    def band(self, farthest: Floats, confidence: float) -> RocBand:
        """The curve moved both ways by what ``confidence`` of the resamples keep."""
        reach = float(np.nanquantile(farthest, confidence))
        return _displaced(*self._ranked.curve(), reach, self._slope * reach)

    def band_at(self, false_positive_rate: Floats, farthest: Floats, confidence: float) -> tuple[Floats, Floats]:
        """The band's low and high sensitivity at given false-positive rates, without drawing all of it."""
        reach = float(np.nanquantile(farthest, confidence))
        x, y = self._ranked.curve()
        # The band is straight between the curve's own rates, these less the reach, and these and the reach.
        near = np.searchsorted(x, np.concatenate([false_positive_rate + move for move in (0, -reach, reach)]))
        knots = np.unique(np.concatenate([near + step for step in (-2, -1, 0, 1)]).clip(0, len(x) - 1))
        ends = np.array([0, len(x) - 1])
        band = _displaced(x, y, reach, self._slope * reach, x[np.union1d(knots, ends)])
        low, high = (np.interp(false_positive_rate, band.false_positive_rate, each) for each in (band.low, band.high))
        return low, high


class CurveWalk:
    """Where R resampled ROC curves meet the lines of a :class:`BandReach`, found as the curves go by in blocks."""

    def __init__(self, own: Floats, slope: float, lines: Floats, columns: int) -> None:
        self._own, self._slope, self._lines = own, slope, lines
        self._met = np.zeros(columns, dtype=np.int64)  # so many lines
        self._x, self._c = np.zeros((2, 1, columns))  # where each curve has got to
        self._farthest = np.zeros(columns)
        self._defined = np.zeros(columns, dtype=bool)

    def add(self, at: Cumulated) -> None:
        """Go on along the curves."""
        self._defined = (at.positives > 0) & (at.negatives > 0)
        # A curve's corners are at its positives: between them it is level.
        turns = len(at.weight), 2, len(at.positives)
        x, y = np.empty((2, *turns))
        with np.errstate(divide="ignore", invalid="ignore"):
            x[:, 0], x[:, 1] = at.alarms_above / at.negatives, at.alarms / at.negatives
            y[:, 0], y[:, 1] = at.hits_above / at.positives, at.hits / at.positives
        self._go(x.reshape(-1, turns[2]), y.reshape(-1, turns[2]))

    def farthest(self) -> Floats:
        """The largest distance along the lines, R, once all has gone by; NaN without positives or negatives."""
        self._go(np.ones((1, len(self._met))), np.ones((1, len(self._met))))
        return np.where(self._defined, self._farthest, np.nan)

    def _go(self, x: Floats, y: Floats) -> None:
        x = np.concatenate([self._x, x])
        c = np.concatenate([self._c, y + self._slope * x[1:]])
        reached = np.where(self._defined, np.searchsorted(self._lines, c[-1]), self._met)
        lines = np.maximum(reached - self._met, 0)
        of = np.repeat(np.arange(len(lines)), lines)
        line = np.arange(lines.sum()) - np.repeat(np.cumsum(lines) - lines, lines) + self._met[of]
        self._x, self._c, self._met = x[-1:], c[-1:], np.maximum(reached, self._met)
        if not len(line):
            return
        met = interpolated(c, x, self._lines[line], of)
        np.maximum.at(self._farthest, of, np.abs(met - self._own[line]))


def _along(x: Floats, y: Floats, slope: float, lines: Floats) -> Floats:
    """Where a curve meets the lines y = c − slope·x, as x; a rising curve meets each once."""
    c = y + slope * x
    new = np.append(True, np.diff(c) > 0)
    met: Floats = np.interp(lines, c[new], x[new])
    return met


def _displaced(x: Floats, y: Floats, right: float, up: float, near: Floats | None = None) -> RocBand:
    """The curve moved left and up, and right and down, as a band over the false-positive rates of both.

    ``near`` names some of the rates alone, where the band is wanted near them only.
    """
    at = x if near is None else near
    grid = np.unique(np.clip(np.concatenate([at, at - right, at + right]), 0.0, 1.0))
    hair = 1e-12  # at a jump the upper bound takes its upper end and the lower bound its lower end, despite rounding
    high = np.interp(grid + right + hair, x, y) + up
    low = np.interp(grid - right - hair, x, y, left=0.0) - up
    return RocBand(grid, np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0))


def _both_kinds(positive: Bools) -> None:
    if not positive.any() or positive.all():
        raise PredictionsError(
            "a ROC curve needs positives and negatives", fix="Choose a class that some images show and some do not."
        )
