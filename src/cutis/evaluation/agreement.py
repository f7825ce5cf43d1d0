"""Figures of answers, from a confusion matrix: F1, MCC, kappa, geometric mean, predictive values at a prevalence.

Every function takes confusion matrices …×K×K, truth in rows and answers in columns (see
:func:`cutis.evaluation.confusion_matrix`), so that all resamples of a bootstrap are one call. NaN where a figure is
not defined.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from cutis.errors import PredictionsError
from cutis.evaluation.arrays import Floats, Ints, ratio
from cutis.evaluation.metrics import balanced_accuracy, confusion_matrix, predicted_class, sensitivity, specificity


def f1_score(confusion: Floats) -> Floats:
    """Per class, the harmonic mean of sensitivity and positive predictive value: …×K×K to …×K, 0 to 1.

    NaN for a class that neither truth nor answers hold; 0 for one that is present and never rightly answered.
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return ratio(2 * hits, confusion.sum(axis=-1) + confusion.sum(axis=-2))


def matthews_correlation(confusion: Floats) -> Floats:
    """Matthews' correlation of truth and answers, −1 to 1: …×K×K to …; for K > 2 Gorodkin's R_K (2004).

    NaN where the truth, or all answers, are one class: a constant correlates with nothing (scikit-learn says 0).
    """
    total = confusion.sum(axis=(-2, -1))
    truths, answers = confusion.sum(axis=-1), confusion.sum(axis=-2)
    hits = np.trace(confusion, axis1=-2, axis2=-1)
    covariance = hits * total - (truths * answers).sum(axis=-1)
    spread = (total**2 - (truths**2).sum(axis=-1)) * (total**2 - (answers**2).sum(axis=-1))
    return ratio(covariance, np.sqrt(spread))


def cohen_kappa(confusion: Floats, weighting: Literal["linear", "quadratic"] | None = None) -> Floats:
    """Cohen's kappa, agreement beyond chance, −1 to 1: …×K×K to ….

    Args:
        confusion: …×K×K.
        weighting: None counts every disagreement the same; for ordered classes ``"linear"`` counts it by how many
            grades apart, ``"quadratic"`` by their square (Cohen 1968).

    Returns:
        NaN where truth and answers are all one class.

    Raises:
        PredictionsError: another weighting.
    """
    grade = np.arange(confusion.shape[-1])
    apart = np.abs(grade[:, None] - grade[None, :]).astype(np.float64)
    if weighting is None:
        cost = (apart > 0).astype(np.float64)
    elif weighting == "linear":
        cost = apart
    elif weighting == "quadratic":
        cost = apart**2
    else:
        raise PredictionsError(f"there is no kappa weighting '{weighting}'", fix="Use None, 'linear' or 'quadratic'.")
    truths, answers = confusion.sum(axis=-1), confusion.sum(axis=-2)
    total = confusion.sum(axis=(-2, -1))
    expected = np.einsum("...i,ij,...j->...", truths, cost, answers)
    return 1 - ratio((confusion * cost).sum(axis=(-2, -1)) * total, expected)


def geometric_mean(confusion: Floats) -> Floats:
    """Per class, √(sensitivity · specificity): …×K×K to …×K, 0 to 1.

    Common in work on HAM10000, where most images are nevi and accuracy says little.
    """
    mean: Floats = np.sqrt(sensitivity(confusion) * specificity(confusion))
    return mean


def positive_predictive_value_at(prevalence: ArrayLike, sensitivity: ArrayLike, specificity: ArrayLike) -> Floats:
    """The positive predictive value where the disease is as frequent as ``prevalence``, by Bayes' rule.

    A test set rarely has a clinic's prevalence, so the figure read off it does not carry over; this one does.

    Args:
        prevalence: …, 0 to 1.
        sensitivity: …, 0 to 1.
        specificity: …, 0 to 1.

    Raises:
        PredictionsError: a prevalence is not from 0 to 1.
    """
    share, hit, spared = _bayes(prevalence, sensitivity, specificity)
    return ratio(share * hit, share * hit + (1 - share) * (1 - spared))


def negative_predictive_value_at(prevalence: ArrayLike, sensitivity: ArrayLike, specificity: ArrayLike) -> Floats:
    """The negative predictive value at a prevalence; arguments as :func:`positive_predictive_value_at`."""
    share, hit, spared = _bayes(prevalence, sensitivity, specificity)
    return ratio((1 - share) * spared, (1 - share) * spared + share * (1 - hit))


def inference_class_accuracy(
    truth: Ints, probabilities: Floats, inference_class: Sequence[int], weights: Floats | None = None
) -> Floats:
    """Average of inference-class accuracies (Esteva et al. 2017): answer few classes by a model of many.

    An inference class is as probable as its training classes together; the most probable is the answer; the accuracies
    within each true inference class are averaged over those present.

    Args:
        truth: N numbers of inference classes.
        probabilities: N×K, of the training classes.
        inference_class: K, the inference class (0, 1, …) of each training class.
        weights: None, or N×R.

    Returns:
        A scalar, or R values.

    Raises:
        PredictionsError: not one inference class a column, or their numbers leave a gap.
    """
    count = max(inference_class, default=-1) + 1
    if len(inference_class) != probabilities.shape[1] or set(inference_class) != set(range(count)):
        raise PredictionsError(
            f"inference classes {list(inference_class)} do not fit {probabilities.shape[1]} training classes",
            fix="Give each training class a number 0, 1, … without gaps.",
        )
    belongs = np.zeros((len(inference_class), count))
    belongs[np.arange(len(inference_class)), list(inference_class)] = 1.0
    answers = predicted_class(probabilities @ belongs)
    return balanced_accuracy(confusion_matrix(truth, answers, count, weights))


def _bayes(prevalence: ArrayLike, sensitivity: ArrayLike, specificity: ArrayLike) -> tuple[Floats, Floats, Floats]:
    share = np.asarray(prevalence, dtype=np.float64)
    if bool(np.any((share < 0) | (share > 1))):
        raise PredictionsError(f"prevalence {share} is not from 0 to 1", fix="Give 0.02 for 2 %.")
    return share, np.asarray(sensitivity, dtype=np.float64), np.asarray(specificity, dtype=np.float64)
