"""What predictions are worth in the clinic: net benefit, biopsies a cancer found, cost."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from cutis.errors import PredictionsError, listed
from cutis.evaluation.arrays import Bools, Floats, Ints, checked_risks, ratio, sums_by
from cutis.taxonomy import ClassSet


class DecisionCurve(NamedTuple):
    """Net benefit at T threshold probabilities (T, or R×T with N×R weights); treating none has 0 everywhere.

    A net benefit of 0.05 is worth 5 true positives in 100 patients without any false one.
    """

    threshold: Floats
    model: Floats
    treat_all: Floats


def malignant_classes(classes: ClassSet, *, premalignant: bool = True) -> Bools:
    """Which of K classes count as malignant; premalignant ones do by default (as Tschandl 2019, Lancet Oncol 20:938).

    Raises:
        PredictionsError: it is not known of every class whether it is malignant, or one holds both kinds.
    """
    unknown = [each.id for each in classes.classes if each.malignancy in ("unknown", "either")]
    if unknown:
        raise PredictionsError(
            f"it is not known whether these classes are malignant: {listed(unknown)}",
            fix="Use a class set that says so.",
        )
    if premalignant:
        return malignant_flags(classes)
    return np.array([each.malignancy == "malignant" for each in classes.classes])


def malignant_flags(classes: ClassSet) -> Bools:
    """Which of K classes are malignant or premalignant for sure."""
    return np.array([each.malignancy in ("malignant", "premalignant") for each in classes.classes])


def benign_flags(classes: ClassSet) -> Bools:
    """Which of K classes are benign for sure."""
    return np.array([each.malignancy == "benign" for each in classes.classes])


def malignancy_probability(probabilities: Floats, malignant: Bools) -> Floats:
    """The chance that a lesion is malignant, N×K to N: the sum over the malignant classes (Esteva 2017)."""
    summed: Floats = probabilities[:, malignant].sum(axis=1)
    return np.clip(summed, 0.0, 1.0)


def decision_curve(
    positive: ArrayLike,
    probability: ArrayLike,
    thresholds: ArrayLike,
    *,
    prevalence: float | None = None,
    weights: Floats | None = None,
) -> DecisionCurve:
    """Net benefit over threshold probabilities (Vickers & Elkin 2006, Med Decis Making 26:565).

    At threshold t, who is treated from t on weighs one false positive as t / (1 − t) true ones:
    net benefit = sensitivity × prevalence − (1 − specificity) × (1 − prevalence) × t / (1 − t).

    Args:
        positive: N, who has the disease.
        probability: N, calibrated; a score that is no probability gives nonsense here.
        thresholds: T threshold probabilities, 0 to below 1.
        prevalence: where the curve is to hold, 0 to 1; None takes the images' own, which in a collection
            enriched with cancers is far too high.
        weights: None, or N×R.

    Returns:
        NaN where positives or negatives are missing and a prevalence is given.

    Raises:
        PredictionsError: a value is out of its range or not finite.
    """
    truth, risk = checked_risks(positive, probability)
    at = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    if not ((at >= 0) & (at < 1)).all():
        raise PredictionsError("a threshold probability is not from 0 to below 1", fix="Take 0.01 to 0.99.")
    if prevalence is not None:
        _check_prevalence(prevalence)
    each = np.ones((len(risk), 1)) if weights is None else weights
    odds = at / (1 - at)
    ill, well = each[truth].sum(axis=0)[:, None], each[~truth].sum(axis=0)[:, None]
    found, alarms = (_treated(risk[rows], each[rows], at) for rows in (truth, ~truth))
    if prevalence is None:
        model, everyone = net_benefit(at, found, alarms, ill + well), net_benefit(at, ill, well, ill + well)
    else:
        model = ratio(found, ill) * prevalence - ratio(alarms, well) * (1 - prevalence) * odds
        everyone = np.broadcast_to(prevalence - (1 - prevalence) * odds, model.shape)
    return DecisionCurve(at, *((model[0], everyone[0]) if weights is None else (model, everyone)))


def net_benefit(thresholds: Floats, found: Floats, alarms: Floats, images: Floats) -> Floats:
    """Net benefit R×T at T threshold probabilities, of weights R×T (or R×1): ill treated, others treated, all."""
    return ratio(found - alarms * (thresholds / (1 - thresholds)), images)


def biopsies_avoided(curve: DecisionCurve) -> Floats:
    """Net reduction in interventions against treating all, as a share of patients, none more missed (Vickers 2008).

    NaN at a threshold of 0, where an intervention costs nothing.
    """
    odds = curve.threshold / (1 - curve.threshold)
    return ratio(curve.model - curve.treat_all, np.broadcast_to(odds, curve.model.shape))


def number_needed_to_biopsy(sensitivity: ArrayLike, specificity: ArrayLike, prevalence: ArrayLike) -> Floats:
    """Lesions biopsied for each malignant one found, 1 or more: 1 / positive predictive value.

    Args:
        sensitivity: …, 0 to 1.
        specificity: …, 0 to 1.
        prevalence: share of malignant lesions among those looked at, 0 to 1. A test set's share is seldom a
            clinic's: the number at 50 % says nothing of 5 %.

    Returns:
        NaN where no malignant lesion is found.
    """
    hit, correct, share = (np.asarray(each, dtype=np.float64) for each in (sensitivity, specificity, prevalence))
    for each in (hit, correct, share):
        _check_prevalence(each)
    found = hit * share
    return ratio(found + (1 - correct) * (1 - share), found)


def expected_cost(confusion: Floats, costs: ArrayLike, prevalence: ArrayLike | None = None) -> Floats:
    """Mean cost an image, …×K×K to ….

    Args:
        confusion: images by truth (row) and answer (column).
        costs: K×K, what it costs to answer the column's class when the row's is true; any unit.
        prevalence: K shares of the classes, summing to 1, where the cost is to hold; None takes the images' own.

    Returns:
        NaN where there is no image, or none of a class whose prevalence is above 0.
    """
    price = _checked_costs(costs, confusion.shape[-1])
    spent = (confusion * price).sum(axis=-1)
    rows = confusion.sum(axis=-1)
    if prevalence is None:
        return ratio(spent.sum(axis=-1), rows.sum(axis=-1))
    share = np.asarray(prevalence, dtype=np.float64)
    if share.shape != price.shape[:1] or not np.isclose(share.sum(), 1) or (share < 0).any():
        raise PredictionsError("the prevalences are not shares of the classes that sum to 1", fix="Correct them.")
    each = np.where(share > 0, ratio(spent, rows) * share, 0.0)
    total: Floats = each.sum(axis=-1)
    return total


def least_cost_class(probabilities: Floats, costs: ArrayLike) -> Ints:
    """The answer of least expected cost, N×K to N (Bayes' decision); the first where several cost the same.

    Args:
        probabilities: N×K, calibrated and for the prevalence at hand.
        costs: K×K, as in :func:`expected_cost`.
    """
    price = _checked_costs(costs, probabilities.shape[1])
    cheapest: Ints = np.argmin(probabilities @ price, axis=1).astype(np.int64)
    return cheapest


def _treated(risk: Floats, weights: Floats, thresholds: Floats) -> Floats:
    """The weight of those at or above each threshold, R×T."""
    rising = np.sort(thresholds)
    reached = sums_by(np.searchsorted(rising, risk, side="right"), len(rising) + 1, weights)
    treated = np.cumsum(reached[::-1], axis=0)[::-1][1:]
    found: Floats = treated[np.searchsorted(rising, thresholds)].T
    return found


def _checked_costs(costs: ArrayLike, classes: int) -> Floats:
    price = np.asarray(costs, dtype=np.float64)
    if price.shape != (classes, classes) or not np.isfinite(price).all():
        raise PredictionsError(
            f"the costs are not {classes} × {classes} numbers", fix="Give one a true class (row) and answer (column)."
        )
    return price


def _check_prevalence(share: ArrayLike) -> None:
    values = np.asarray(share, dtype=np.float64)
    if ((values < 0) | (values > 1)).any():
        raise PredictionsError("a rate or prevalence is not between 0 and 1", fix="Give shares, not percentages.")
