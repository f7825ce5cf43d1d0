"""What is measured of a reader in a modality: AUC, sensitivity, specificity and others.

An endpoint is one of three kinds, which decides how its covariance can be had:

- *paired*: the mean of a score over all pairs of a case with and a case without the disease (AUC, balanced accuracy):
  a two-sample U-statistic;
- *single*: the mean of a score over cases (sensitivity, specificity, accuracy, any figure a case);
- *whole*: any other function of the ratings (partial AUC).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from cutis.evaluation import roc_curve
from cutis.study.readings import Bools, Floats, Readings, ReadingsError

Population = Literal["both", "positive", "negative", "any"]
"""Which cases an endpoint needs: ``both`` kinds, one kind alone, or ``any`` of them."""


@dataclass(frozen=True)
class Endpoint:
    """A figure of merit. Exactly one of ``pair_score``, ``case_score`` and ``whole`` is given.

    ``words`` names it in a sentence. ``pair_score`` takes ratings of cases with (…×P×1) and without the disease (…×1×N)
    and gives …×P×N; ``case_score`` takes ratings …×K and truths K and gives …×K; ``whole`` takes truths and ratings K
    and gives a number. Ratings of cases that were not read never count, whatever the score gives for NaN.
    ``bounded``: it lies between 0 and 1, and so do its intervals.
    """

    name: str
    words: str
    population: Population
    pair_score: Callable[[Floats, Floats], Floats] | None = None
    case_score: Callable[[Floats, Bools], Floats] | None = None
    whole: Callable[[Bools, Floats], float] | None = None
    bounded: bool = True

    @property
    def kind(self) -> Literal["paired", "single", "whole"]:
        """How it is computed."""
        return "paired" if self.pair_score else "single" if self.case_score else "whole"

    def of(self, readings: Readings) -> Readings:
        """The readings it needs: those of positive cases alone for sensitivity, and so on.

        Raises:
            ReadingsError: there is none.
        """
        if self.population in ("both", "any"):
            return readings
        return readings.only(truth=self.population == "positive")


def auc() -> Endpoint:
    """The empirical area under the ROC curve: the chance that a case with the disease is rated higher, ties half."""
    return Endpoint("auc", "area under the ROC curve (AUC)", "both", pair_score=_higher)


def sensitivity(threshold: float = 1.0) -> Endpoint:
    """Share of the cases with the disease rated ``threshold`` or more; 1 is for binary answers."""
    return Endpoint(
        "sensitivity",
        f"sensitivity{_at(threshold)}",
        "positive",
        case_score=lambda rating, _: (rating >= threshold).astype(np.float64),
    )


def specificity(threshold: float = 1.0) -> Endpoint:
    """Share of the cases without the disease rated below ``threshold``; 1 is for binary answers."""
    return Endpoint(
        "specificity",
        f"specificity{_at(threshold)}",
        "negative",
        case_score=lambda rating, _: (rating < threshold).astype(np.float64),
    )


def balanced_accuracy(threshold: float = 1.0) -> Endpoint:
    """Mean of sensitivity and specificity at ``threshold``; 1 is for binary answers."""

    def score(with_disease: Floats, without: Floats) -> Floats:
        share: Floats = ((with_disease >= threshold).astype(np.float64) + (without < threshold)) / 2
        return share

    return Endpoint("balanced_accuracy", f"balanced accuracy{_at(threshold)}", "both", pair_score=score)


def accuracy(threshold: float = 1.0) -> Endpoint:
    """Share of cases answered rightly at ``threshold``, at the study's share of disease; 1 is for binary answers."""
    return per_case(
        "accuracy",
        f"accuracy{_at(threshold)}",
        lambda rating, positive: (rating >= threshold) == positive,
        bounded=True,
    )


def partial_auc(low: float = 0.0, high: float = 0.2) -> Endpoint:
    """The area under the ROC curve between two false positive rates, divided by their distance: 0 to 1.

    Args:
        low: from this false positive rate.
        high: to this one, where specificity is 1 − ``high``.

    Raises:
        ReadingsError: not 0 ≤ low < high ≤ 1.
    """
    if not 0 <= low < high <= 1:
        raise ReadingsError(
            f"there is no partial AUC from {low:g} to {high:g}", fix="Give false positive rates, 0 ≤ low < high ≤ 1."
        )

    def area(positive: Bools, rating: Floats) -> float:
        curve = roc_curve(positive, rating)
        x, y = curve.false_positive_rate, curve.sensitivity
        width = np.diff(x)
        # Each straight piece is cut to what of it lies between the two rates; a piece straight up has no area.
        start, end = np.clip(x[:-1], low, high), np.clip(x[1:], low, high)
        slope = np.divide(np.diff(y), width, out=np.zeros_like(width), where=width > 0)
        middle = y[:-1] + slope * ((start + end) / 2 - x[:-1])
        return float((middle * (end - start)).sum() / (high - low))

    words = f"partial AUC at false positive rates of {low:g} to {high:g}"
    return Endpoint("partial_auc", words, "both", whole=area)


def per_case(
    name: str,
    words: str,
    score: Callable[[Floats, Bools], Floats | Bools],
    *,
    population: Population = "any",
    bounded: bool = False,
) -> Endpoint:
    """The mean of any figure that one read of one case has.

    Args:
        name: for JSON.
        words: for a sentence.
        score: ratings …×K and truths K to figures …×K.
        population: the cases over which the mean is taken.
        bounded: whether the mean lies between 0 and 1.
    """

    def figure(rating: Floats, positive: Bools) -> Floats:
        return np.asarray(score(rating, positive), dtype=np.float64)

    return Endpoint(name, words, population, case_score=figure, bounded=bounded)


_NAMED: dict[str, Callable[[float], Endpoint]] = {
    "sensitivity": sensitivity,
    "specificity": specificity,
    "balanced_accuracy": balanced_accuracy,
    "accuracy": accuracy,
}
ENDPOINTS = ("auc", "partial_auc", *_NAMED)
"""The endpoints that have a name."""


def endpoint(name: str, readings: Readings, *, threshold: float | None = None) -> Endpoint:
    """The endpoint of that name, for these readings.

    Args:
        name: one of :data:`ENDPOINTS`; ``partial_auc`` is at false positive rates up to 0.2.
        readings: what it is to be used on.
        threshold: a rating this high or higher calls the case diseased. None: the ratings must be 0 and 1.

    Raises:
        ReadingsError: there is no such endpoint; a threshold is missing, or given where none is used.
    """
    name = name.replace("-", "_")
    if name not in ENDPOINTS:
        raise ReadingsError(f"there is no endpoint '{name}'", fix=f"Use one of {', '.join(ENDPOINTS)}.")
    if name in ("auc", "partial_auc"):
        if threshold is not None:
            raise ReadingsError(f"{name} uses no threshold", fix="Leave it out, or ask for sensitivity.")
        return auc() if name == "auc" else partial_auc()
    if threshold is None and not readings.binary:
        raise ReadingsError(
            f"{name} needs answers of 0 and 1, and there are other ratings", fix="Give a threshold (--threshold)."
        )
    return _NAMED[name](1.0 if threshold is None else threshold)


def _higher(with_disease: Floats, without: Floats) -> Floats:
    won: Floats = (with_disease > without) + 0.5 * (with_disease == without)
    return won


def _at(threshold: float) -> str:
    return "" if threshold == 1.0 else f" at a rating of {threshold:g} or more"
