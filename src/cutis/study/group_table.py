"""The papers' table: sensitivity, specificity and their means by group of readers and arm."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cutis.evaluation import Estimate, clustered_bootstrap, estimated
from cutis.study.analysis import Method, ModalityFigure, interval
from cutis.study.endpoints import balanced_accuracy, sensitivity, specificity
from cutis.study.method_choice import suited_analysis, suited_method
from cutis.study.readings import Bools, Readings


class GroupFigures(NamedTuple):
    """Means over the readers of a group in an arm, or the figures of a model.

    Attributes:
        group: its name; None for all readers.
        arm: where they read; None for a model, which reads alone.
        readers: how many.
        cases: read by any of them.
        sensitivity: share of positive cases called positive (true positive rate).
        specificity: share of negative cases called negative (true negative rate).
        balanced_accuracy: mean of both.
        geometric_mean: √(mean sensitivity · mean specificity).
        fixed: whether the intervals are for these readers alone, since there is one.
    """

    group: str | None
    arm: str | None
    readers: int
    cases: int
    sensitivity: Estimate
    specificity: Estimate
    balanced_accuracy: Estimate
    geometric_mean: Estimate
    fixed: bool


def group_figures(
    called: Readings,
    arm: str,
    group: str | None,
    readers: Sequence[str],
    *,
    method: Method | None = None,
    confidence: float = 0.95,
) -> GroupFigures:
    """The row of a group in an arm; intervals by the MRMC method that suits its readings.

    The geometric mean's is by the delta method: Var(G) = (P/S Var(S) + S/P Var(P) + 2 Cov)/4 for sensitivity S and
    specificity P, where the balanced accuracy's variance (Var(S) + Var(P) + 2 Cov)/4 gives the covariance over readers.

    Args:
        called: answers of 0 and 1.
        arm: one modality.
        group: for the row.
        readers: who is in it and read in this arm.
        method: that of a study's other figures; None takes the one that suits this group.
        confidence: of the intervals.

    Raises:
        ReadingsError: nobody of them read in this arm, or cases of one kind only.
    """
    own = called.only(modalities=[arm], readers=list(readers))
    found = [
        suited_analysis(own, each, method=method, confidence=confidence).modalities[0]
        for each in (sensitivity(), specificity(), balanced_accuracy())
    ]
    hit, spared, both = (_estimate(each) for each in found)
    fixed = suited_method(own).readers == "fixed"
    geometric = _geometric_mean(found, confidence)
    return GroupFigures(group, arm, len(own.readers), len(own.cases), hit, spared, both, geometric, fixed)


def model_figures(
    called: Bools, positive: Bools, clusters: np.ndarray, *, resamples: int, seed: int, confidence: float
) -> GroupFigures:
    """The row of a model's N answers; intervals by resampling whole clusters (patients or lesions, where known)."""

    def rates(weights: np.ndarray) -> dict[str, np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):
            hit = weights[positive & called].sum(axis=0) / weights[positive].sum(axis=0)
            spared = weights[~positive & ~called].sum(axis=0) / weights[~positive].sum(axis=0)
        return {"hit": hit, "spared": spared, "mean": (hit + spared) / 2, "geometric": np.sqrt(hit * spared)}

    here = rates(np.ones((len(positive), 1)))
    several = len(np.unique(clusters)) > 1
    spread = clustered_bootstrap(rates, clusters, resamples=resamples, seed=seed) if several else None
    hit, spared, both, geometric = (
        estimated(float(here[name][0]), None if spread is None else spread[name], confidence)
        for name in ("hit", "spared", "mean", "geometric")
    )
    return GroupFigures(None, None, 1, len(positive), hit, spared, both, geometric, fixed=True)


def _geometric_mean(found: Sequence[ModalityFigure], confidence: float) -> Estimate:
    hit, spared, both = found
    value = (hit.estimate * spared.estimate) ** 0.5
    errors = [each.standard_error for each in found]
    if not value or any(each is None for each in errors):
        return Estimate(value=value, low=None, high=None)
    s, p, b = (float(each or 0) ** 2 for each in errors)
    ratio = spared.estimate / hit.estimate
    variance = (ratio * s + p / ratio + (4 * b - s - p)) / 4
    _, low, high = interval(value, variance, both.df or np.inf, confidence, bounded=True)
    return Estimate(value=value, low=low, high=high)


def _estimate(figure: ModalityFigure) -> Estimate:
    return Estimate(value=figure.estimate, low=figure.low, high=figure.high)
