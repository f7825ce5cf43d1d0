"""The arrays that figures are computed from, refused where they cannot give one; sums over very many images."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from cutis.errors import PredictionsError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Counts = NDArray[np.uint8]
"""How often each image stands in each resample: an eighth of the memory of floats."""

Weights = Floats | Counts

CELLS_AT_ONCE = 1 << 18
"""Numbers a step works on: 2 MB as floats, the size of a processor core's own cache."""


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


def row_blocks(rows: int, columns: int = 1) -> Iterator[slice]:
    """All rows in turn, so many at a time that rows × columns stay near :data:`CELLS_AT_ONCE`."""
    step = max(1, CELLS_AT_ONCE // max(1, columns))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def sums_by(
    group: NDArray[np.integer],
    groups: int,
    weights: Weights,
    values: Floats | None = None,
    images: NDArray[np.integer] | None = None,
) -> Floats:
    """The weights, or the weighted values, summed by group.

    Args:
        group: N numbers 0 … G−1.
        groups: G.
        weights: N×R.
        values: N; None sums the weights alone.
        images: which row of the weights each of the N is; None for all in order.

    Returns:
        G×R.
    """
    found: Floats | None = None
    for rows in row_blocks(len(group), weights.shape[1]):
        of = weights[rows] if images is None else np.take(weights, images[rows], axis=0)
        each = np.ones(len(of)) if values is None else values[rows]
        places = np.arange(len(of) + 1)
        member = scipy.sparse.csc_array((each, group[rows], places), shape=(groups, len(of)))
        part = member @ of.astype(np.float64, copy=False)
        found = part if found is None else found + part
    return np.zeros((groups, weights.shape[1])) if found is None else found


def weighted(values: NDArray[Any], weights: Weights) -> Floats:
    """Weighted sums of values over the images: N or N×F values and N×R weights to R or F×R."""
    found = np.zeros((*values.shape[1:], weights.shape[1]))
    for rows in row_blocks(*weights.shape):
        found += values[rows].T.astype(np.float64, copy=False) @ weights[rows].astype(np.float64, copy=False)
    return found


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
