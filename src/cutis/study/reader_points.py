"""Where readers stand against a model's ROC curve: each reader's point, their mean, and what lies between."""

from typing import Literal, NamedTuple

import numpy as np

from cutis.evaluation import (
    Estimate,
    RocBand,
    binary_auc,
    bootstrap_weights,
    clustered_wilson_interval,
    estimated,
    roc_curve,
    wilson_interval,
)
from cutis.study.analysis import Part
from cutis.study.readings import Bools, Floats

Position = Literal["above", "on", "below"]
_HAIR = 1e-12  # two shares of the same cases may differ in the last bit


class Point(Part):
    """Sensitivity and specificity of hard answers; Wilson's intervals, which allow for several cases a patient."""

    cases: int
    positives: int
    negatives: int
    sensitivity: Estimate
    specificity: Estimate


class ReaderPoint(Point):
    """One reader, and the model on the cases this reader read.

    Attributes:
        reader: who.
        position: above, on or below the model's ROC curve.
        in_band: whether the point lies in the band of the model's curve over all cases; None where there is none.
        sensitivity_difference: the model's sensitivity at this reader's specificity less the reader's; 0 on the curve.
        area_difference: the area between the model's ROC curve and the two straight lines from (0, 0) over the
            reader's point to (1, 1): AUC less the mean of sensitivity and specificity, negative where the lines
            enclose more. One answer a case says little of a reader's own curve, which lies on or above those lines:
            the difference flatters the model.
    """

    reader: str
    position: Position
    in_band: bool | None
    sensitivity_difference: Estimate
    area_difference: Estimate


class MeanPoint(Part):
    """The mean of the readers' points with the SD over readers (n−1; None for one reader); else as ReaderPoint."""

    readers: int
    sensitivity: float
    sensitivity_sd: float | None
    specificity: float
    specificity_sd: float | None
    position: Position
    in_band: bool | None
    sensitivity_difference: Estimate
    area_difference: Estimate


class Sample(NamedTuple):
    """N cases as arrays: who is positive, the model's score, and each case's cluster (patient, lesion or itself)."""

    positive: Bools
    score: Floats
    cluster: np.ndarray


def answers_point(called: Bools, positive: Bools, clusters: np.ndarray, confidence: float) -> Point:
    """The point of N hard answers; a rate is None where there is no such case."""
    return Point(
        cases=len(positive),
        positives=int(positive.sum()),
        negatives=int((~positive).sum()),
        sensitivity=_share(called[positive], clusters[positive], confidence),
        specificity=_share(~called[~positive], clusters[~positive], confidence),
    )


def reader_points(
    sample: Sample,
    answers: dict[str, Floats],
    band: RocBand | None,
    *,
    resamples: int,
    seed: int,
    confidence: float,
) -> tuple[list[ReaderPoint], MeanPoint]:
    """Each reader's point and their mean.

    Args:
        sample: N cases.
        answers: by reader N answers, 1 positive, 0 negative, NaN not read; each reader read cases of both kinds.
        band: of the model's curve over all N cases.
        resamples: of the bootstrap of whole clusters; cases are resampled, readers are not.
        seed: of the bootstrap.
        confidence: of the intervals.
    """
    whole = np.ones((len(sample.positive), 1))
    here = {name: values[:, 0] for name, values in _differences(sample, answers, whole).items()}
    parts = [
        _differences(sample, answers, weights)
        for weights in bootstrap_weights(sample.cluster, resamples, seed)
        if len(np.unique(sample.cluster)) > 1
    ]
    spread = {name: np.concatenate([part[name] for part in parts], axis=1) for name in here} if parts else None

    def estimates(name: str) -> tuple[Estimate, Estimate]:
        told = [
            estimated(float(here[name][k]), None if spread is None else spread[name][k], confidence) for k in (0, 1)
        ]
        return told[0], told[1]

    points, rates = [], []
    for reader, given in answers.items():
        read = ~np.isnan(given)
        positive, called = sample.positive[read], given[read] == 1
        point = answers_point(called, positive, sample.cluster[read], confidence)
        hit, spared = point.sensitivity.value, point.specificity.value
        assert hit is not None  # checked by the caller: each reader read cases of both kinds
        assert spared is not None
        rates.append((hit, spared))
        curve = roc_curve(positive, sample.score[read])
        low, high = _curve_at(curve.false_positive_rate, curve.sensitivity, 1 - spared)
        sensitivity_difference, area_difference = estimates(reader)
        points.append(
            ReaderPoint(
                **dict(point),
                reader=reader,
                position=_position(hit, low, high),
                in_band=_in_band(band, 1 - spared, hit),
                sensitivity_difference=sensitivity_difference,
                area_difference=area_difference,
            )
        )
    hits, spares = np.array(rates).T
    curve = roc_curve(sample.positive, sample.score)
    low, high = _curve_at(curve.false_positive_rate, curve.sensitivity, 1 - float(spares.mean()))
    sensitivity_difference, area_difference = estimates(_MEAN)
    several = len(rates) > 1
    mean = MeanPoint(
        readers=len(rates),
        sensitivity=float(hits.mean()),
        sensitivity_sd=float(hits.std(ddof=1)) if several else None,
        specificity=float(spares.mean()),
        specificity_sd=float(spares.std(ddof=1)) if several else None,
        position=_position(float(hits.mean()), low, high),
        in_band=_in_band(band, 1 - float(spares.mean()), float(hits.mean())),
        sensitivity_difference=sensitivity_difference,
        area_difference=area_difference,
    )
    return points, mean


_MEAN = ""  # no reader has an empty name


def _differences(sample: Sample, answers: dict[str, Floats], weights: Floats) -> dict[str, Floats]:
    """By reader and for their mean: model less reader in sensitivity and in area, 2×r, of weights N×r."""
    found, hits, alarms = {}, [], []
    curves: dict[bytes, _Curves] = {}
    for reader, given in answers.items():
        read = ~np.isnan(given)
        key = read.tobytes()  # mostly all read the same cases: the curve is then made once
        if key not in curves:
            curves[key] = _Curves(sample.positive[read], sample.score[read], weights[read])
        positive, called, each = sample.positive[read], given[read] == 1, weights[read]
        with np.errstate(invalid="ignore", divide="ignore"):
            hit = each[positive & called].sum(axis=0) / each[positive].sum(axis=0)
            alarm = each[~positive & called].sum(axis=0) / each[~positive].sum(axis=0)
        found[reader] = curves[key].less(alarm, hit)
        hits.append(hit)
        alarms.append(alarm)
    every = _Curves(sample.positive, sample.score, weights)
    found[_MEAN] = every.less(np.mean(alarms, axis=0), np.mean(hits, axis=0))
    return found


class _Curves:
    """The model's ROC curves of r weightings of the same cases."""

    def __init__(self, positive: Bools, score: Floats, weights: Floats) -> None:
        order = np.argsort(-score, kind="stable")
        last_of_tie = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
        start = np.zeros((1, weights.shape[1]))
        with np.errstate(invalid="ignore", divide="ignore"):
            self.y, self.x = (
                np.concatenate([start, np.cumsum(weights[order] * kind[order, None], axis=0)[last_of_tie]])
                / (weights * kind[:, None]).sum(axis=0)
                for kind in (positive, ~positive)
            )
        self.area = np.atleast_1d(binary_auc(positive, score, weights))

    def less(self, alarm: Floats, hit: Floats) -> Floats:
        """Model less reader: in sensitivity at the reader's false-positive rate, and in area, 2×r."""
        gap = np.full(len(hit), np.nan)
        for r in np.flatnonzero(np.isfinite(hit) & np.isfinite(alarm)):
            low, high = _curve_at(self.x[:, r], self.y[:, r], float(alarm[r]))
            gap[r] = min(max(hit[r], low), high) - hit[r]
        return np.stack([gap, self.area - (hit + 1 - alarm) / 2])


def _curve_at(x: Floats, y: Floats, at: float) -> tuple[float, float]:
    """The lowest and the highest sensitivity of a ROC curve at one false-positive rate; they differ at a step."""
    first = min(int(np.searchsorted(x, at - _HAIR, side="left")), len(x) - 1)
    if abs(x[first] - at) <= _HAIR:
        last = int(np.searchsorted(x, at + _HAIR, side="right")) - 1
        return float(y[first]), float(y[last])
    before = first - 1
    share = (at - x[before]) / (x[first] - x[before])
    between = float(y[before] + share * (y[first] - y[before]))
    return between, between


def _position(hit: float, low: float, high: float) -> Position:
    return "above" if hit > high + _HAIR else "below" if hit < low - _HAIR else "on"


def _in_band(band: RocBand | None, alarm: float, hit: float) -> bool | None:
    if band is None:
        return None
    low, high = (float(np.interp(alarm, band.false_positive_rate, each)) for each in (band.low, band.high))
    return low - _HAIR <= hit <= high + _HAIR


def _share(hit: Bools, clusters: np.ndarray, confidence: float) -> Estimate:
    if not len(hit):
        return Estimate(value=None, low=None, high=None)
    if len(np.unique(clusters)) == len(hit):
        low, high = (float(end) for end in wilson_interval(int(hit.sum()), len(hit), confidence=confidence))
    else:
        told = clustered_wilson_interval(hit, clusters, confidence=confidence)
        low, high = told.low, told.high
    undefined = np.isnan(low) or np.isnan(high)
    return Estimate(value=float(hit.mean()), low=None if undefined else low, high=None if undefined else high)
