"""The arrays that figures are computed from, refused where they cannot give one."""

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from cutis.errors import PredictionsError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def checked_scores(positive: ArrayLike, scores: ArrayLike) -> tuple[Bools, Floats]:
    """N truths (bool) and N finite scores.

    Raises:
        PredictionsError: there is no image, the lengths differ, or a score is NaN or infinite.
    """
    truth, values = np.asarray(positive, dtype=bool), np.asarray(scores, dtype=np.float64)
    if truth.ndim != 1 or truth.shape != values.shape:
        raise PredictionsError(
            f"the truth has the shape {truth.shape}, the scores {values.shape}", fix="Give one of each an image."
        )
    _check_filled_and_finite(values, "scores")
    return truth, values


def checked_risks(positive: ArrayLike, probability: ArrayLike) -> tuple[Bools, Floats]:
    """N truths (bool) and N probabilities of being positive, 0 to 1.

    Raises:
        PredictionsError: as :func:`checked_scores`, or a value is not between 0 and 1.
    """
    truth, values = checked_scores(positive, probability)
    _check_range(values)
    return truth, values


def checked_outputs(truth: ArrayLike, outputs: ArrayLike) -> tuple[Ints, Floats]:
    """N class numbers and N×K finite outputs (logits, or whatever else a model gives).

    Raises:
        PredictionsError: there is no image, the shapes do not fit, a class number is none of 0 … K−1, or an
            output is NaN or infinite.
    """
    numbers, values = np.asarray(truth), np.asarray(outputs, dtype=np.float64)
    if values.ndim != 2 or numbers.shape != values.shape[:1]:
        raise PredictionsError(
            f"the truth has the shape {numbers.shape}, the outputs {values.shape}",
            fix="Give one class number an image, and one output an image and class.",
        )
    _check_filled_and_finite(values, "outputs")
    if not np.issubdtype(numbers.dtype, np.integer) or numbers.min() < 0 or numbers.max() >= values.shape[1]:
        raise PredictionsError(
            f"the truth is not numbers of {values.shape[1]} classes", fix="Number the classes from 0."
        )
    return numbers.astype(np.int64), values


def checked_probabilities(truth: ArrayLike, probabilities: ArrayLike) -> tuple[Ints, Floats]:
    """N class numbers and N×K probabilities, 0 to 1.

    Raises:
        PredictionsError: as :func:`checked_outputs`, or a value is not between 0 and 1.
    """
    numbers, values = checked_outputs(truth, probabilities)
    _check_range(values)
    return numbers, values


def ratio(part: ArrayLike, whole: ArrayLike) -> Floats:
    """``part / whole``, NaN where the whole is nothing."""
    top, bottom = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom > 0, top / bottom, np.nan)


def sums_by(group: Ints, groups: int, weights: Floats) -> Floats:
    """The weights summed by group: N numbers 0 … G−1 and N×R weights to G×R."""
    images = np.arange(len(group))
    member = scipy.sparse.csr_array((np.ones(len(group)), (group, images)), shape=(groups, len(group)))
    return np.asarray(member @ weights)


def _check_filled_and_finite(values: Floats, what: str) -> None:
    if not len(values):
        raise PredictionsError("there is no image", fix="Give one at least.")
    wrong = int((~np.isfinite(values)).sum())
    if wrong:
        raise PredictionsError(f"{wrong:,} {what} are NaN or infinite", fix="Correct or leave out those images.")


def _check_range(values: Floats) -> None:
    wrong = int(((values < 0) | (values > 1)).sum())
    if wrong:
        raise PredictionsError(f"{wrong:,} values are not between 0 and 1", fix="Give probabilities.")
