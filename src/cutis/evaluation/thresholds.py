"""Decision thresholds: one a class, chosen on one set of images and applied to others.

Han et al. 2018 (J Invest Dermatol 138:1529) answer with a list: every disease whose output reaches that
disease's own threshold. A threshold is the lowest probability at which a class is *called*; it is chosen on
validation images. What it costs on other images :func:`cutis.evaluation.transfer_cost` says.
"""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field, model_validator

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import Bools, Floats, Ints, checked_probabilities, checked_scores
from cutis.evaluation.estimate import Part, read_part
from cutis.evaluation.metrics import roc_curve
from cutis.taxonomy import ClassSet


class ThresholdRule(Part):
    """How a threshold is chosen from the points of a ROC curve.

    ``"youden"``: largest sensitivity + specificity − 1 (Youden 1950), as Han 2018. ``"sensitivity"``: the largest
    specificity among points whose sensitivity is ``target`` or more. ``"specificity"``: the reverse. ``"cost"``: the
    least expected cost (Metz 1978) of ``cost_of_miss`` a missed positive and ``cost_of_alarm`` a false alarm, at
    ``prevalence``, or at the share of positives among the images where that is None.

    Among points that are equally good, the most sensitive is taken.
    """

    kind: Literal["youden", "sensitivity", "specificity", "cost"] = "youden"
    target: float | None = Field(None, ge=0, le=1)
    cost_of_miss: float = Field(1.0, ge=0)
    cost_of_alarm: float = Field(1.0, ge=0)
    prevalence: float | None = Field(None, gt=0, lt=1)

    @model_validator(mode="after")
    def _target_where_needed(self) -> "ThresholdRule":
        if (self.kind in ("sensitivity", "specificity")) != (self.target is not None):
            raise ValueError("a target belongs to the rules 'sensitivity' and 'specificity', and only to them")
        return self


class ClassThreshold(Part):
    """One class's threshold and what it gives on the images it was chosen on.

    ``value`` is the lowest probability at which the class is called. It is None, and the class is never called,
    where no threshold could be chosen: the images show only this class, or none of it.
    """

    value: float | None
    sensitivity: float | None
    specificity: float | None
    images: int
    others: int


class Thresholds(Part):
    """Thresholds by class id, as ``thresholds.json`` in a bundle holds them; ``chosen_on`` names the images."""

    rule: ThresholdRule
    chosen_on: str
    classes: dict[str, ClassThreshold]

    @property
    def values(self) -> Floats:
        """K thresholds in the order of ``classes``; infinite where there is none."""
        return np.array([np.inf if each.value is None else each.value for each in self.classes.values()])


class Differential(NamedTuple):
    """The differential list of one image: class ids, the first the most likely.

    Where no class reaches its threshold, ``above`` is False and the list holds the one class that comes nearest.
    """

    classes: tuple[str, ...]
    above: bool


class MalignantSpecificity(Part):
    """One malignant class's rates; None where there is no such image."""

    class_id: str
    sensitivity: float | None
    specificity_benign: float | None
    specificity_malignant: float | None


def read_thresholds(path: str | Path) -> Thresholds:
    """Read ``thresholds.json``.

    Raises:
        PredictionsError: there is no such file, or it holds something else.
    """
    return read_part(Thresholds, path)


def choose_threshold(positive: ArrayLike, scores: ArrayLike, rule: ThresholdRule | None = None) -> float:
    """The threshold that the rule (Youden's by default) chooses; scores at or above it are called positive.

    It is one of the scores, or just above the largest where the rule would rather call nothing.

    Raises:
        PredictionsError: positives or negatives are missing, or a score is not finite.
    """
    rule = rule or ThresholdRule()
    truth, values = checked_scores(positive, scores)
    if truth.all() or not truth.any():
        raise PredictionsError("a threshold needs positives and negatives", fix="Choose it on images that show both.")
    curve = roc_curve(truth, values)
    hit, correct = curve.sensitivity, 1 - curve.false_positive_rate
    if rule.kind == "youden":
        merit = hit + correct
    elif rule.kind == "cost":
        prevalence = truth.mean() if rule.prevalence is None else rule.prevalence
        merit = -(prevalence * rule.cost_of_miss * (1 - hit) + (1 - prevalence) * rule.cost_of_alarm * (1 - correct))
    else:
        kept, wanted = (hit, correct) if rule.kind == "sensitivity" else (correct, hit)
        merit = np.where(kept >= float(rule.target or 0) - 1e-12, wanted, -np.inf)
    # Equal but for rounding counts as equal; the curve's last such point is the most sensitive.
    best = int(np.flatnonzero(merit >= merit.max() - 1e-12)[-1])
    return float(np.nextafter(values.max(), np.inf)) if best == 0 else float(curve.threshold[best])


def choose_thresholds(
    truth: ArrayLike,
    probabilities: ArrayLike,
    classes: ClassSet,
    *,
    rule: ThresholdRule | None = None,
    chosen_on: str,
) -> Thresholds:
    """A threshold for each class against all others.

    Args:
        truth: N class numbers.
        probabilities: N×K.
        classes: the K classes.
        rule: how; Youden's by default.
        chosen_on: the images in words, e.g. ``"ham10000, validation, 1,204 images"``.
    """
    rule = rule or ThresholdRule()
    numbers, values = checked_probabilities(truth, probabilities)
    check_columns(values, len(classes.ids))
    chosen = {}
    for k, class_id in enumerate(classes.ids):
        own, scores = numbers == k, values[:, k]
        value = choose_threshold(own, scores, rule) if own.any() and not own.all() else None
        at = rates_at(own, scores, np.array([np.inf if value is None else value]))
        chosen[class_id] = ClassThreshold(
            value=value,
            sensitivity=None if value is None else float(at[0][0]),
            specificity=None if value is None else float(at[1][0]),
            images=int(own.sum()),
            others=int((~own).sum()),
        )
    return Thresholds(rule=rule, chosen_on=chosen_on, classes=chosen)


def rates_at(positive: ArrayLike, scores: ArrayLike, thresholds: ArrayLike) -> tuple[Floats, Floats]:
    """Sensitivity and specificity at each of T thresholds, for a plot of both against the threshold.

    NaN where positives (sensitivity) or negatives (specificity) are missing.
    """
    truth, values = checked_scores(positive, scores)
    at = np.asarray(thresholds, dtype=np.float64)
    with_it, without = np.sort(values[truth]), np.sort(values[~truth])
    nothing = np.full(at.shape, np.nan)
    below, rejected = (np.searchsorted(each, at, side="left") for each in (with_it, without))
    return (
        (len(with_it) - below) / len(with_it) if len(with_it) else nothing,
        rejected / len(without) if len(without) else nothing,
    )


def called_classes(probabilities: Floats, thresholds: Thresholds) -> Bools:
    """Which classes reach their threshold, N×K."""
    check_columns(probabilities, len(thresholds.classes))
    called: Bools = probabilities >= thresholds.values
    return called


def differential_lists(
    probabilities: Floats, thresholds: Thresholds, *, order: Literal["probability", "ratio"] = "ratio"
) -> list[Differential]:
    """Each image's differential list: every class at or above its threshold.

    Args:
        probabilities: N×K.
        thresholds: of the same K classes.
        order: by probability, or by its ratio to the class's threshold, which lets a rare disease with a low
            threshold stand first. The nearest class, where none is above, is found by the same order.
    """
    called = called_classes(probabilities, thresholds)
    ranked = np.argsort(-_merit(probabilities, thresholds, order), axis=1, kind="stable")
    ids = tuple(thresholds.classes)
    lists = []
    for row, above in zip(ranked, called, strict=True):
        named = tuple(ids[k] for k in row if above[k])
        lists.append(Differential(named or (ids[row[0]],), bool(named)))
    return lists


def listed_classes(
    probabilities: Floats, thresholds: Thresholds, *, order: Literal["probability", "ratio"] = "ratio"
) -> tuple[Bools, Ints]:
    """The same lists as arrays: which classes are in each, N×K, and which stands first, N."""
    called = called_classes(probabilities, thresholds)
    merit = _merit(probabilities, thresholds, order)
    none: Bools = ~np.asarray(called.any(axis=1))
    # An infinite threshold makes a merit of 0: such a class is never called, and stands behind all that are.
    first: Ints = np.argmax(np.where(called | none[:, None], merit, -1.0), axis=1).astype(np.int64)
    shown = called.copy()
    shown[none, first[none]] = True
    return shown, first


def _merit(probabilities: Floats, thresholds: Thresholds, order: Literal["probability", "ratio"]) -> Floats:
    if order == "probability":
        return probabilities
    limit = np.maximum(thresholds.values, np.finfo(float).tiny)  # at a threshold of 0 the ratio is still a number
    merit: Floats = probabilities / limit
    return merit


def malignant_specificity(
    truth: ArrayLike, called: Bools, malignant: Bools, classes: ClassSet
) -> list[MalignantSpecificity]:
    """Han's two specificities of each malignant class: how often it is rightly not called.

    specificity(benign) is over the images of classes that are not malignant, specificity(malignant) over the images
    of the other malignant classes: the first says how many harmless lesions raise this alarm, the second how well
    the malignancies are told from each other.

    Args:
        truth: N class numbers.
        called: N×K, as :func:`called_classes` gives it.
        malignant: K, see :func:`cutis.evaluation.malignant_classes`.
        classes: the K classes.
    """
    numbers = np.asarray(truth)
    check_columns(called, len(classes.ids))
    ill = malignant[numbers]
    results = []
    for k in np.flatnonzero(malignant):
        own = numbers == k
        results.append(
            MalignantSpecificity(
                class_id=classes.ids[k],
                sensitivity=share_of(called[own, k]),
                specificity_benign=share_of(~called[~ill, k]),
                specificity_malignant=share_of(~called[ill & ~own, k]),
            )
        )
    return results


def share_of(hits: Bools) -> float | None:
    """The share that is true, 0 to 1; None of nothing."""
    return float(hits.mean()) if len(hits) else None


def check_columns(table: Floats | Bools, classes: int) -> None:
    """Raise PredictionsError unless the table has one column a class."""
    if table.ndim != 2 or table.shape[1] != classes:
        raise PredictionsError(
            f"there are {classes} classes, the table has the shape {table.shape}", fix="Give one column a class."
        )
