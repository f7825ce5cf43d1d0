"""The scores of ISIC 2018 task 3, figure for figure as package ``isic-challenge-scoring`` 5.6 computes them.

Its habits differ from the rest of this room, and are followed here alone:

- An image whose largest probability is shared by two categories is *undecided*: wrong whatever it shows.
- A category's accuracy, sensitivity, … take every probability above 0.5 as an answer, whatever the others get.
- A ratio over nothing is 1, not undefined ("a freebie"); the average precision of an absent category is 0.
- Only the AUC of an absent category is NaN and left out of the mean. (The package itself stops at such a category.)

It also pairs weights with images by their place in the file after having sorted the images; here each weight stays with
its image. The two agree wherever the truth file is sorted by image, as the published ones are.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from cutis.data import read_table
from cutis.errors import ManifestError, PredictionsError, listed
from cutis.evaluation.arrays import Bools, Floats, Ints
from cutis.evaluation.curves import average_precision
from cutis.evaluation.metrics import binary_auc

Target = Literal["balanced_accuracy", "auc", "average_precision"]

_WEIGHTS = ("score_weight", "validation_weight")
_WITHDRAWN = "ISIC_0035068"  # the organisers give this image no weight


@dataclass(frozen=True)
class CategoryScores:
    """One category, its own probability above 0.5 being the answer; or the mean over categories.

    ``auc_above_80_sensitivity`` is the area under the part of the ROC curve from sensitivity 0.8 upwards, down to the
    axis: not the partial area of ISIC 2024.
    """

    accuracy: float
    sensitivity: float
    specificity: float
    dice: float
    ppv: float
    npv: float
    auc: float
    auc_above_80_sensitivity: float
    average_precision: float


@dataclass(frozen=True)
class Isic2018Scores:
    """ISIC 2018 task 3.

    Attributes:
        overall: what entries are ranked by: the target metric with the score weights.
        validation: the same with the validation weights.
        balanced_accuracy: balanced multi-class accuracy with the score weights.
        per_category: by category.
        macro_average: mean over the categories.
        undecided: images whose largest probability is tied, of any weight.
    """

    overall: float
    validation: float
    balanced_accuracy: float
    per_category: dict[str, CategoryScores]
    macro_average: CategoryScores
    undecided: int


def isic2018_scores(
    truth: Floats | Bools,
    probabilities: Floats,
    categories: tuple[str, ...],
    *,
    score_weights: Floats | None = None,
    validation_weights: Floats | None = None,
    target: Target = "balanced_accuracy",
) -> Isic2018Scores:
    """Score predictions as the challenge did.

    Args:
        truth: N×K, 1 for the image's category and 0 elsewhere.
        probabilities: N×K, 0 to 1; rows need not sum to 1.
        categories: K names.
        score_weights: N, None for 1 each.
        validation_weights: N, None for 1 each.
        target: what ``overall`` and ``validation`` are.

    Raises:
        PredictionsError: the shapes differ, or a value is not from 0 to 1.
    """
    expected = (len(truth), len(categories))
    if truth.shape != expected or probabilities.shape != expected:
        raise PredictionsError(f"truth {truth.shape} and probabilities {probabilities.shape} do not fit {expected}")
    for values in (truth, probabilities):
        if not bool(np.all((values >= 0) & (values <= 1))):
            raise PredictionsError("values are missing or not between 0 and 1")
    each = np.ones(len(truth)) if score_weights is None else score_weights
    validating = np.ones(len(truth)) if validation_weights is None else validation_weights
    per_category = {name: _category(truth[:, k], probabilities[:, k], each) for k, name in enumerate(categories)}
    macro = CategoryScores(
        **{
            figure: _mean([getattr(scores, figure) for scores in per_category.values()])
            for figure in CategoryScores.__dataclass_fields__
        }
    )
    balanced = _balanced_accuracy(truth, probabilities, each)
    if target == "balanced_accuracy":
        overall, validation = balanced, _balanced_accuracy(truth, probabilities, validating)
    elif target == "auc":
        overall = macro.auc
        validation = _mean([_auc(truth[:, k], probabilities[:, k], validating) for k in range(len(categories))])
    else:
        overall = macro.average_precision
        validation = _mean([_precision(truth[:, k], probabilities[:, k], validating) for k in range(len(categories))])
    return Isic2018Scores(overall, validation, balanced, per_category, macro, int((_labels(probabilities) < 0).sum()))


def isic2018_scores_of_files(
    truth_path: str | Path, prediction_path: str | Path, *, target: Target = "balanced_accuracy"
) -> Isic2018Scores:
    """Score a challenge entry: two CSV files with ``image`` and one column a category.

    The truth may hold ``score_weight`` and ``validation_weight``; without them every image counts once. ``.jpg`` after
    an image's name is ignored in the prediction. Images may come in any order.

    Raises:
        PredictionsError: a column or image is missing, doubled or too many, or a value is not from 0 to 1.
    """
    truth, predicted = _read(Path(truth_path)), _read(Path(prediction_path))
    categories = tuple(column for column in truth.columns if column not in ("image", *_WEIGHTS))
    _same(predicted.columns, ["image", *categories], "columns", str(prediction_path))
    predicted = predicted.with_columns(pl.col("image").str.replace(r"(?i)\.jpg$", ""))
    for table, path in ((truth, truth_path), (predicted, prediction_path)):
        twice = table.filter(pl.col("image").is_duplicated())["image"].unique().sort().to_list()
        if twice:
            raise PredictionsError(f"{len(twice):,} images are there twice: {listed(twice)}", where=str(path))
    _same(predicted["image"].to_list(), truth["image"].to_list(), "images", str(prediction_path))
    paired = truth.select("image").join(predicted, on="image", how="left", maintain_order="left")
    withdrawn = (truth["image"] == _WITHDRAWN).to_numpy()
    score, validation = (np.where(withdrawn, 0.0, _weights(truth, name, truth_path)) for name in _WEIGHTS)
    return isic2018_scores(
        _numbers(truth, categories, truth_path),
        _numbers(paired, categories, prediction_path),
        categories,
        score_weights=score,
        validation_weights=validation,
        target=target,
    )


def _category(truth: Floats | Bools, probabilities: Floats, weights: Floats) -> CategoryScores:
    true, called = truth > 0.5, probabilities > 0.5
    tp, tn = float(weights[true & called].sum()), float(weights[~true & ~called].sum())
    fp, fn = float(weights[~true & called].sum()), float(weights[true & ~called].sum())
    total = tp + tn + fp + fn
    return CategoryScores(
        accuracy=(tp + tn) / total if total else float("nan"),
        sensitivity=_or_one(tp, tp + fn),
        specificity=_or_one(tn, tn + fp),
        dice=_or_one(2 * tp, 2 * tp + fp + fn),
        ppv=_or_one(tp, tp + fp),
        npv=_or_one(tn, tn + fn),
        auc=_auc(truth, probabilities, weights),
        auc_above_80_sensitivity=_auc_above_sensitivity(true, probabilities, weights, 0.8),
        average_precision=_precision(truth, probabilities, weights),
    )


def _auc(truth: Floats | Bools, probabilities: Floats, weights: Floats) -> float:
    return float(binary_auc(truth > 0.5, probabilities, weights[:, None])[0])


def _precision(truth: Floats | Bools, probabilities: Floats, weights: Floats) -> float:
    if not weights[truth > 0.5].sum():
        return 0.0
    return float(average_precision(truth > 0.5, probabilities, weights[:, None])[0])


def _auc_above_sensitivity(true: Bools, probabilities: Floats, weights: Floats, least: float) -> float:
    counted = weights != 0
    true, probabilities, weights = true[counted], probabilities[counted], weights[counted]
    if not true.any() or true.all():
        return float("nan")
    order = np.argsort(-probabilities, kind="stable")
    last_of_tie = np.append(np.flatnonzero(np.diff(probabilities[order])), len(order) - 1)
    hits = np.cumsum((weights * true)[order])[last_of_tie]
    alarms = np.cumsum((weights * ~true)[order])[last_of_tie]
    y, x = np.append(0.0, hits / hits[-1]), np.append(0.0, alarms / alarms[-1])
    first = int(np.searchsorted(y, least, side="left"))
    entry = np.interp(least, y[first - 1 : first + 1], x[first - 1 : first + 1])
    return float(np.trapezoid(np.append(least, y[first:]), np.append(entry, x[first:])))


def _balanced_accuracy(truth: Floats | Bools, probabilities: Floats, weights: Floats) -> float:
    shown, answered = _labels(truth), _labels(probabilities)
    right = weights * (shown == answered)
    per_category = []
    for k in range(truth.shape[1]):
        of_category = weights[shown == k].sum()
        per_category.append(float(right[shown == k].sum() / of_category) if of_category else float("nan"))
    return _mean(per_category)


def _labels(probabilities: Floats | Bools) -> Ints:
    """The category of the largest probability; −1, undecided, where two or more are largest."""
    largest = probabilities == probabilities.max(axis=1, keepdims=True)
    return np.where(largest.sum(axis=1) > 1, -1, largest.argmax(axis=1)).astype(np.int64)


def _or_one(part: float, whole: float) -> float:
    return part / whole if whole else 1.0


def _mean(values: list[float]) -> float:
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")


def _read(path: Path) -> pl.DataFrame:
    try:
        table = read_table(path)
    except ManifestError as error:
        raise PredictionsError(error.problem, where=error.where, fix=error.fix) from error
    if "image" not in table.columns:
        raise PredictionsError(f"column 'image' is missing (found: {listed(table.columns)})", where=str(path))
    return table.with_columns(pl.col("image").cast(pl.String))


def _same(found: list[str], expected: list[str], what: str, where: str) -> None:
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    told = [f"{len(missing):,} {what} are missing: {listed(missing)}"] if missing else []
    told += [f"{len(extra):,} {what} are too many: {listed(extra)}"] if extra else []
    if told:
        raise PredictionsError("; ".join(told), where=where, fix=f"Give the {what} of the ground truth, no others.")


def _weights(truth: pl.DataFrame, name: str, path: str | Path) -> Floats:
    if name not in truth.columns:
        return np.ones(len(truth))
    return _numbers(truth, (name,), path, most=float("inf"))[:, 0]


def _numbers(table: pl.DataFrame, columns: tuple[str, ...], path: str | Path, most: float = 1) -> Floats:
    """The columns as numbers from 0 to ``most``, N×C."""
    values = table.select(pl.col(columns).cast(pl.Float64, strict=False)).to_numpy().astype(np.float64)
    outside = np.any(~((values >= 0) & (values <= most)), axis=1)  # NaN too
    wrong = table.filter(pl.Series(outside))["image"].to_list()
    if wrong:
        allowed = "between 0 and 1" if most == 1 else "0 or more"
        raise PredictionsError(
            f"{len(wrong):,} images have values that are missing or not {allowed}: {listed(wrong)}", where=str(path)
        )
    return values
