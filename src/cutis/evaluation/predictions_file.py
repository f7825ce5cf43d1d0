"""Predictions read from files: column by column, so that tens of millions of rows fit in memory."""

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from pydantic import ValidationError

from cutis.data import read_table
from cutis.errors import CutisError, ManifestError, PredictionsError, listed
from cutis.evaluation.arrays import Floats
from cutis.evaluation.predictions import (
    CLASSES_KEY,
    Predictions,
    check_ids,
    check_probabilities,
    check_range,
    check_unfamiliarity,
    checked_seen,
    rows_listed,
    series_listed,
)
from cutis.taxonomy import ClassSet, matching_class_set, source_classes

_NOT_CLASSES = ("seen_in_training", "unfamiliarity")
_ID_COLUMNS = ("image_id", "image")
_TOLD = 10  # bad rows named in an error


class _Part(NamedTuple):
    """What one file holds; as of :class:`Predictions`."""

    ids: pl.Series
    probabilities: Floats
    classes: ClassSet
    seen: pl.Series | None
    unfamiliarity: Floats | None


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
    if len(parts) == 1:
        ids, values, _, seen, strange = parts[0]
    else:
        ids = pl.concat([part.ids for part in parts])
        check_ids(ids, ", ".join(str(path) for path in paths))
        values = np.concatenate([part.probabilities for part in parts])
        seen, strange = _seen_of(parts), _unfamiliarity_of(parts)
    return Predictions(ids, values, first, seen, unfamiliarity=strange)


def _seen_of(parts: list[_Part]) -> pl.Series | None:
    """Of several files; not known where one does not say."""
    known = [part.seen for part in parts if part.seen is not None]
    if not known:
        return None
    return pl.concat(
        [pl.Series([None], dtype=known[0].dtype).new_from_index(0, len(part.ids)) if part.seen is None else part.seen
         for part in parts]
    )  # fmt: skip


def _unfamiliarity_of(parts: list[_Part]) -> Floats | None:
    if all(part.unfamiliarity is None for part in parts):
        return None
    return np.concatenate(
        [np.full(len(part.ids), np.nan) if part.unfamiliarity is None else part.unfamiliarity for part in parts]
    )


def _read_one(path: Path, classes: ClassSet | Literal["source"] | None, normalise: bool) -> _Part:
    where = str(path)
    table = _scanned(path)
    found = table.collect_schema().names()
    id_column = next((each for each in _ID_COLUMNS if each in found), None)
    if id_column is None:
        raise PredictionsError(
            f"column 'image_id' is missing (found: {listed(found)})",
            where=where,
            fix="Name the column of image ids image_id, or image as the ISIC challenges do.",
        )
    if table.head(1).collect().is_empty():
        raise PredictionsError("holds no rows", where=where, fix="Predict again.")
    class_set, columns = _class_columns(table, id_column, classes or _carried_classes(path), where)
    told = [each for each in _NOT_CLASSES if each in found]
    wanted = [
        pl.col(id_column).cast(pl.String).alias("image_id"),
        *[pl.col(each).cast(pl.Float64, strict=False).alias(f"class {k}") for k, each in enumerate(columns)],
        *[pl.col(each) for each in told],
    ]
    try:
        rows = table.select(wanted).collect(engine="streaming")
    except pl.exceptions.PolarsError:  # some line of it is no row
        rows = _in_its_words(path).select(wanted).collect()
    ids = rows.drop_in_place("image_id")
    check_ids(ids, where)
    _check_numbers(rows, table, columns, where)
    values = np.empty((len(rows), len(columns)))
    for k in range(len(columns)):
        values[:, k] = rows.drop_in_place(f"class {k}").to_numpy()
    if normalise:
        values = _normalised(values, columns, where)
    check_probabilities(values, class_set.ids, where)
    seen = checked_seen(rows["seen_in_training"], where) if "seen_in_training" in told else None
    strange = _unfamiliarity(rows["unfamiliarity"], where) if "unfamiliarity" in told else None
    nothing_known = seen is None or seen.null_count() == len(seen)
    return _Part(ids, values, class_set, None if nothing_known else seen, strange)


def _scanned(path: Path) -> pl.LazyFrame:
    """The table, not yet read."""
    if not path.is_file() or not path.stat().st_size:
        return _in_its_words(path)
    try:
        if path.suffix.lower() == ".parquet":
            table = pl.scan_parquet(path)
        else:
            separator = "\t" if path.suffix.lower() in (".tab", ".tsv") else ","
            # Every column as text, as read_table has it: a guessed type would turn the id 0012 into 12.
            table = pl.scan_csv(path, separator=separator, infer_schema=False, null_values=[""])
        table.head(1).collect()
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError):
        return _in_its_words(path)
    return table


def _in_its_words(path: Path) -> pl.LazyFrame:
    """What cannot be scanned, read whole: if it cannot be either, :func:`cutis.data.read_table` says why."""
    try:
        return read_table(path).lazy()
    except ManifestError as error:
        raise PredictionsError(error.problem, where=error.where, fix=error.fix) from error


def _carried_classes(path: Path) -> ClassSet | None:
    """The class set in a Parquet file's metadata; None where there is none."""
    if path.suffix.lower() != ".parquet":
        return None
    carried = pl.read_parquet_metadata(path).get(CLASSES_KEY)
    if carried is None:
        return None
    try:
        return ClassSet.model_validate_json(carried)
    except ValidationError as error:
        raise PredictionsError(
            "the class set in its metadata cannot be read", where=str(path), fix="Name the classes with --classes."
        ) from error


def _class_columns(
    table: pl.LazyFrame, id_column: str, classes: ClassSet | Literal["source"] | None, where: str
) -> tuple[ClassSet, list[str]]:
    """The class set of a table, and its columns in that set's order."""
    names = [each for each in table.collect_schema().names() if each not in (id_column, *_NOT_CLASSES)]
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


def _without_empty_unknown(table: pl.LazyFrame, names: list[str]) -> list[str]:
    """Without ISIC 2019's column UNK ("none of the others") where it is 0 in every row and says nothing."""
    rest = [each for each in names if each.upper() != "UNK"]
    if len(rest) == len(names) or matching_class_set(rest) is None:
        return names
    unknown = [each for each in names if each not in rest]
    says_nothing = (pl.col(unknown).cast(pl.Float64, strict=False) == 0).fill_null(value=False).all()
    return rest if all(table.select(says_nothing).collect(engine="streaming").row(0)) else names


def _check_numbers(rows: pl.DataFrame, table: pl.LazyFrame, columns: list[str], where: str) -> None:
    """Raise PredictionsError where a value of a class's column was none: ``rows`` has null there."""
    missing = {column: rows[f"class {k}"].null_count() for k, column in enumerate(columns)}
    wrong = sum(missing.values())
    if not wrong:
        return
    problems: list[str] = []
    for k, column in enumerate(columns):
        if missing[column] and len(problems) < _TOLD:
            places = rows[f"class {k}"].is_null().arg_true().head(_TOLD)
            said = table.select(pl.col(column).gather(places.to_list())).collect()[column].to_list()
            problems += [
                f"row {row + 1}, {column}: " + ("empty" if value is None else f"'{value}'")
                for row, value in zip(places, said, strict=True)
            ]
    raise PredictionsError(
        f"{wrong:,} values are not numbers: {series_listed(pl.Series(problems), wrong)}",
        where=where,
        fix="Correct them.",
    )


def _unfamiliarity(column: pl.Series, where: str) -> Floats | None:
    """The column as numbers, NaN where it is empty; None where it is so throughout."""
    number = column.cast(pl.Float64, strict=False)
    wrong = (number.is_null() & column.is_not_null()).arg_true()
    if len(wrong):
        told = pl.Series([f"row {row + 1}: '{column[row]}'" for row in wrong.head(_TOLD)])
        raise PredictionsError(
            f"{len(wrong):,} values of unfamiliarity are not numbers: {series_listed(told, len(wrong))}",
            where=where,
            fix="Correct them, or leave them empty.",
        )
    values = number.fill_null(float("nan")).to_numpy().astype(np.float64)
    check_unfamiliarity(values, where)
    return None if np.isnan(values).all() else values


def _normalised(values: Floats, columns: list[str], where: str) -> Floats:
    check_range(values, columns, where)
    sums = values.sum(axis=1, keepdims=True)
    empty = np.flatnonzero(sums[:, 0] == 0)
    if len(empty):
        raise PredictionsError(
            f"{len(empty):,} rows are all 0: {rows_listed(pl.Series(empty))}",
            where=where,
            fix="They cannot be normalised: correct or remove them.",
        )
    shares: Floats = values / sums
    return shares
