"""The predictions artefact: one row an image, one probability column a class.

A Parquet or CSV file with ``image_id`` (or ``image``, as the ISIC challenges write it), one column a class,
named by the class's id, and two optional ones. ``seen_in_training``: what of this row the model that made the
prediction was trained on. ``unfamiliarity``: how little the image resembles those the model knows. Any other system
may write such a file.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from pydantic import ValidationError

from cutis.data import read_table, write_table
from cutis.errors import CutisError, ManifestError, PredictionsError, listed
from cutis.evaluation.arrays import Floats
from cutis.files import replacing
from cutis.taxonomy import ClassSet, matching_class_set, rollup_classes, source_classes

SEEN_IN_TRAINING = ("no", "image", "lesion", "patient", "group")
"""What of a row its model was trained on: nothing, its image, or another of its lesion, patient or group."""

SUM_TOLERANCE = 1e-3
_NOT_CLASSES = ("seen_in_training", "unfamiliarity")
_ID_COLUMNS = ("image_id", "image")
_CLASSES_KEY = "cutis.classes"


@dataclass(frozen=True)
class Predictions:
    """What a model, a challenge entry or a reader answered.

    Attributes:
        image_ids: N ids, each once.
        probabilities: N×K, float64, 0 to 1, each row summing to 1 within 0.001; columns in the order of
            ``classes.ids``.
        classes: the K classes.
        seen: for each row one of :data:`SEEN_IN_TRAINING`, or None where it is not known; None for the whole
            when no row's is known.
        rolled_up_from: the finer classes that were summed to these; None where the predictions are as they came.
        unfamiliarity: N, float64, how little each image resembles those the model knows: larger is stranger, 1 is the
            limit beyond which the model warns (which 95 % of its validation images keep). NaN where it is not known;
            None for the whole when no row's is known.

    Raises:
        PredictionsError: any of the above does not hold.
    """

    image_ids: list[str]
    probabilities: Floats
    classes: ClassSet
    seen: list[str | None] | None = None
    rolled_up_from: ClassSet | None = None
    unfamiliarity: Floats | None = None

    def __post_init__(self) -> None:
        expected = (len(self.image_ids), len(self.classes.ids))
        if self.probabilities.shape != expected:
            raise PredictionsError(
                f"probabilities have the shape {self.probabilities.shape}, {expected} was expected",
                fix="Give one row an image and one column a class.",
            )
        _check_ids(self.image_ids, "predictions")
        _check_probabilities(self.probabilities, self.classes.ids, "predictions")
        if self.seen is not None:
            if len(self.seen) != len(self.image_ids):
                raise PredictionsError(f"seen has {len(self.seen):,} rows for {len(self.image_ids):,} images")
            _check_seen(self.seen, "predictions")
        if self.unfamiliarity is not None:
            if self.unfamiliarity.shape != (len(self.image_ids),):
                raise PredictionsError(
                    f"unfamiliarity has the shape {self.unfamiliarity.shape} for {len(self.image_ids):,} images"
                )
            _check_unfamiliarity(self.unfamiliarity, "predictions")

    def rolled_up(self, to: ClassSet) -> "Predictions":
        """The same predictions in coarser classes: each as probable as the finer ones within it together.

        Coarse classes that hold none of the finer ones are left out. (Esteva 2017: P(u) = Σ P(children).)

        Raises:
            TaxonomyError: a class lies in no coarse class, in several, or above them.
        """
        classes, matrix = rollup_classes(self.classes, to)
        # Rows may sum to a little more than 1, a class may not.
        summed = np.minimum(self.probabilities @ matrix, 1.0)
        return Predictions(
            self.image_ids, summed, classes, self.seen, self.rolled_up_from or self.classes, self.unfamiliarity
        )


def read_predictions(
    *paths: str | Path, classes: ClassSet | Literal["source"] | None = None, normalise: bool = False
) -> Predictions:
    """Read one prediction file, or several as one.

    Args:
        paths: Parquet, CSV or tab-separated files; they must hold the same classes and no image twice.
        classes: what the columns stand for. None takes the class set that a Parquet file of ours carries, else
            the one shipped with cutis that has exactly these ids (in upper or lower case), else the data set's
            own words; ``"source"`` takes the words in any case.
        normalise: divide each row by its sum. ISIC challenge files may hold one independent 0–1 score a
            class, which do not sum to 1; only the caller can know that, so they are refused without it.

    Raises:
        PredictionsError: a file is missing, empty or not a table; an id is missing or doubled; a class
            column is missing or unknown; a value is not a number from 0 to 1; a row does not sum to 1; or
            the files' classes differ.
    """
    if not paths:
        raise PredictionsError("no predictions file named", fix="Name at least one.")
    parts = [_read_one(Path(path), classes, normalise) for path in paths]
    first = parts[0].classes
    for path, part in zip(paths, parts, strict=True):
        if part.classes != first:
            raise PredictionsError(
                f"holds the classes {listed(part.classes.ids)}, {paths[0]} holds {listed(first.ids)}",
                where=str(path),
                fix="Evaluate files of different classes apart.",
            )
    image_ids = [image_id for part in parts for image_id in part.image_ids]
    _check_ids(image_ids, ", ".join(str(path) for path in paths))
    seen = [each for part in parts for each in (part.seen or [None] * len(part.image_ids))]
    strange = [
        np.full(len(part.image_ids), np.nan) if part.unfamiliarity is None else part.unfamiliarity for part in parts
    ]
    return Predictions(
        image_ids,
        np.concatenate([part.probabilities for part in parts]),
        first,
        seen if any(seen) else None,
        unfamiliarity=_known(np.concatenate(strange)),
    )


def write_predictions(path: str | Path, predictions: Predictions) -> None:
    """Write predictions as Parquet, or as CSV when ``path`` ends in ``.csv``; whole or not at all.

    Parquet also keeps the class set, as JSON in the file's metadata; CSV has its column names alone.
    """
    columns: dict[str, pl.Series] = {"image_id": pl.Series(predictions.image_ids, dtype=pl.String)}
    for index, class_id in enumerate(predictions.classes.ids):
        columns[class_id] = pl.Series(predictions.probabilities[:, index], dtype=pl.Float64)
    if predictions.seen is not None:
        columns["seen_in_training"] = pl.Series(predictions.seen, dtype=pl.String)
    if predictions.unfamiliarity is not None:
        columns["unfamiliarity"] = pl.Series(predictions.unfamiliarity, dtype=pl.Float64).fill_nan(None)
    table = pl.DataFrame(columns)
    if Path(path).suffix.lower() != ".parquet":
        write_table(table, path)
        return
    with replacing(path) as temporary:
        table.write_parquet(temporary, metadata={_CLASSES_KEY: predictions.classes.model_dump_json()})


def _read_one(path: Path, classes: ClassSet | Literal["source"] | None, normalise: bool) -> Predictions:
    where = str(path)
    try:
        table = read_table(path)
    except ManifestError as error:
        raise PredictionsError(error.problem, where=error.where, fix=error.fix) from error
    id_column = next((each for each in _ID_COLUMNS if each in table.columns), None)
    if id_column is None:
        raise PredictionsError(
            f"column 'image_id' is missing (found: {listed(table.columns)})",
            where=where,
            fix="Name the column of image ids image_id, or image as the ISIC challenges do.",
        )
    if table.is_empty():
        raise PredictionsError("holds no rows", where=where, fix="Predict again.")
    class_set, columns = _class_columns(table, id_column, classes or _carried_classes(path), where)
    image_ids = table[id_column].cast(pl.String).to_list()
    _check_ids(image_ids, where)
    values = _numbers(table, columns, where)
    if normalise:
        values = _normalised(values, columns, where)
    _check_probabilities(values, class_set.ids, where)
    seen = None
    if "seen_in_training" in table.columns:
        seen = table["seen_in_training"].cast(pl.String).to_list()
        _check_seen(seen, where)
    strange = None
    if "unfamiliarity" in table.columns:
        strange = _unfamiliarity(table["unfamiliarity"], where)
    return Predictions(image_ids, values, class_set, seen, unfamiliarity=strange)


def _carried_classes(path: Path) -> ClassSet | None:
    """The class set in a Parquet file's metadata; None where there is none."""
    if path.suffix.lower() != ".parquet":
        return None
    carried = pl.read_parquet_metadata(path).get(_CLASSES_KEY)
    if carried is None:
        return None
    try:
        return ClassSet.model_validate_json(carried)
    except ValidationError as error:
        raise PredictionsError(
            "the class set in its metadata cannot be read", where=str(path), fix="Name the classes with --classes."
        ) from error


def _class_columns(
    table: pl.DataFrame, id_column: str, classes: ClassSet | Literal["source"] | None, where: str
) -> tuple[ClassSet, list[str]]:
    """The class set of a table, and its columns in that set's order."""
    names = [each for each in table.columns if each not in (id_column, *_NOT_CLASSES)]
    if isinstance(classes, ClassSet):
        chosen = classes
    else:
        names = _without_empty_unknown(table, names)
        matching = None if classes == "source" else matching_class_set(names)
        if matching is None or len(names) != len(matching.ids):
            try:
                return source_classes(names), sorted(names)
            except CutisError as error:
                raise PredictionsError(
                    f"there are {len(names)} class columns ({listed(names)})",
                    where=where,
                    fix="Give one probability column a class, two or more, named by the class.",
                ) from error
        chosen = matching
    # An exact name wins; else the case is let be: the ISIC challenges write MEL, NV, ….
    columns = {
        class_id: class_id
        if class_id in names
        else next((each for each in names if each.lower() == class_id.lower()), None)
        for class_id in chosen.ids
    }
    missing = [class_id for class_id, column in columns.items() if column is None]
    if missing:
        raise PredictionsError(
            f"class columns missing: {listed(missing)} (found: {listed(names)})",
            where=where,
            fix=f"The class set '{chosen.name}' needs {', '.join(chosen.ids)}.",
        )
    unknown = [each for each in names if each not in columns.values()]
    if unknown:
        raise PredictionsError(
            f"unknown columns: {listed(unknown)}",
            where=where,
            fix=f"The class set '{chosen.name}' has {', '.join(chosen.ids)}: remove the others.",
        )
    return chosen, [column for column in columns.values() if column is not None]


def _without_empty_unknown(table: pl.DataFrame, names: list[str]) -> list[str]:
    """Without ISIC 2019's column UNK ("none of the others") where it is 0 in every row and says nothing."""
    rest = [each for each in names if each.upper() != "UNK"]
    if len(rest) == len(names) or matching_class_set(rest) is None:
        return names
    unknown = table.select(pl.col([each for each in names if each not in rest]).cast(pl.Float64, strict=False))
    return rest if bool((unknown.to_numpy() == 0).all()) else names


def _numbers(table: pl.DataFrame, columns: list[str], where: str) -> Floats:
    problems = []
    values = []
    for column in columns:
        number = table[column].cast(pl.Float64, strict=False)
        for row in number.is_null().arg_true().to_list():
            value = table[column][row]
            problems.append(f"row {row + 1}, {column}: " + ("empty" if value is None else f"'{value}'"))
        values.append(number.fill_null(float("nan")).to_numpy())
    if problems:
        raise PredictionsError(
            f"{len(problems):,} values are not numbers: {listed(problems)}", where=where, fix="Correct them."
        )
    return np.ascontiguousarray(np.stack(values, axis=1), dtype=np.float64)


def _unfamiliarity(column: pl.Series, where: str) -> Floats | None:
    """The column as numbers, NaN where it is empty; None where it is so throughout."""
    number = column.cast(pl.Float64, strict=False)
    wrong = (number.is_null() & column.is_not_null()).arg_true().to_list()
    if wrong:
        told = [f"row {row + 1}: '{column[row]}'" for row in wrong]
        raise PredictionsError(
            f"{len(wrong):,} values of unfamiliarity are not numbers: {listed(told)}",
            where=where,
            fix="Correct them, or leave them empty.",
        )
    values = number.fill_null(float("nan")).to_numpy().astype(np.float64)
    _check_unfamiliarity(values, where)
    return _known(values)


def _known(values: Floats) -> Floats | None:
    return None if np.isnan(values).all() else values


def _normalised(values: Floats, columns: list[str], where: str) -> Floats:
    _check_range(values, columns, where)
    sums = values.sum(axis=1, keepdims=True)
    empty = np.flatnonzero(sums[:, 0] == 0)
    if len(empty):
        raise PredictionsError(
            f"{len(empty):,} rows are all 0: {listed([f'row {row + 1}' for row in empty])}",
            where=where,
            fix="They cannot be normalised: correct or remove them.",
        )
    shares: Floats = values / sums
    return shares


def _check_ids(image_ids: list[str], where: str) -> None:
    missing = [f"row {row}" for row, each in enumerate(image_ids, 1) if each is None or not each.strip()]
    if missing:
        raise PredictionsError(
            f"image_id is missing in {len(missing):,} rows: {listed(missing)}",
            where=where,
            fix="Give every row its image's id.",
        )
    if len(set(image_ids)) < len(image_ids):
        counts = pl.Series("image_id", image_ids).value_counts()
        doubled = counts.filter(pl.col("count") > 1)["image_id"].sort().to_list()
        raise PredictionsError(
            f"{len(doubled):,} image_id stand more than once: {listed(doubled)}",
            where=where,
            fix="Keep one row an image.",
        )


def _check_range(values: Floats, columns: list[str] | tuple[str, ...], where: str) -> None:
    wrong = np.argwhere(~((values >= 0) & (values <= 1)))  # so said, NaN is wrong too
    if len(wrong):
        told = [f"row {row + 1}, {columns[column]}: {values[row, column]:g}" for row, column in wrong[:10]]
        more = f" and {len(wrong) - 10:,} more" if len(wrong) > 10 else ""
        raise PredictionsError(
            f"{len(wrong):,} values are not between 0 and 1: {listed(told)}{more}",
            where=where,
            fix="Give probabilities; logits need a softmax, percentages a division by 100.",
        )


def _check_probabilities(values: Floats, columns: tuple[str, ...], where: str) -> None:
    _check_range(values, columns, where)
    sums = values.sum(axis=1)
    wrong = np.flatnonzero(np.abs(sums - 1) > SUM_TOLERANCE)
    if len(wrong):
        told = [f"row {row + 1}: {sums[row]:.4g}" for row in wrong[:10]]
        more = f" and {len(wrong) - 10:,} more" if len(wrong) > 10 else ""
        raise PredictionsError(
            f"{len(wrong):,} rows do not sum to 1: {listed(told)}{more}",
            where=where,
            fix="If these are independent scores, one a class, say --normalise.",
        )


def _check_unfamiliarity(values: Floats, where: str) -> None:
    wrong = [f"row {row + 1}" for row in np.flatnonzero(np.isinf(values))]
    if wrong:
        raise PredictionsError(
            f"{len(wrong):,} values of unfamiliarity are infinite: {listed(wrong)}",
            where=where,
            fix="Correct them, or leave them empty.",
        )


def _check_seen(seen: list[str | None], where: str) -> None:
    wrong = sorted({each for each in seen if each is not None and each not in SEEN_IN_TRAINING})
    if wrong:
        raise PredictionsError(
            f"seen_in_training holds {listed(wrong)}",
            where=where,
            fix=f"Use {', '.join(SEEN_IN_TRAINING)}, or leave it empty.",
        )
