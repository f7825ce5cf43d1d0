"""The manifest: one row an image, in the ISIC archive's names and values.

A manifest is a Parquet or CSV file. Columns it does not know are kept as they are. Image paths below the manifest's
own folder are stored relative to it, so that a folder with its manifest can be moved; others are stored whole.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
from isic_metadata.fields import FitzpatrickSkinType, ImageTypeEnum

from cutis.errors import ManifestError, listed
from cutis.files import replacing
from cutis.taxonomy import shipped_taxonomy

FITZPATRICK_SKIN_TYPES: tuple[str, ...] = tuple(each.value for each in FitzpatrickSkinType)
SUBSETS = ("train", "val", "test", "excluded")

SCHEMA: dict[str, pl.DataType] = {
    "image_id": pl.String(),  # unique, never missing
    "image_path": pl.String(),  # missing: only the labels are at hand
    "mask_path": pl.String(),  # 1-bit lesion mask of the image's size
    "source": pl.String(),  # the data set, e.g. "ham10000"
    "lesion_id": pl.String(),
    "patient_id": pl.String(),
    "diagnosis": pl.String(),  # ISIC path, e.g. "Benign:Benign melanocytic proliferations:Nevus"
    "diagnosis_node": pl.String(),  # node of the tree of diagnoses, e.g. "nevus"; knows more diseases than ISIC
    "source_diagnosis": pl.String(),  # the data set's own word, e.g. "nv"
    "diagnosis_confirm_type": pl.String(),  # ISIC value, e.g. "histopathology"
    "age_approx": pl.Int64(),  # years, 0–120; ISIC tops its own at 85
    "sex": pl.String(),  # "female" or "male"
    "anatom_site": pl.String(),  # ISIC path, e.g. "Head and neck:Head:Scalp"
    "source_anatom_site": pl.String(),  # the data set's own word
    "fitzpatrick_skin_type": pl.String(),  # "I" to "VI"
    "image_type": pl.String(),  # "dermoscopic", "clinical: close-up", …
    "acquired_at": pl.Datetime("us"),
    "attribution": pl.String(),
    "license": pl.String(),
    "box_left": pl.Int64(),  # lesion box in pixels of the upright image (read_image), from the top left
    "box_top": pl.Int64(),
    "box_width": pl.Int64(),
    "box_height": pl.Int64(),
    "group": pl.String(),  # rows that must stay together; made by `cutis split`
    "subset": pl.String(),  # "train", "val", "test" or "excluded"
    "fold": pl.Int64(),  # 0 … K−1
    "split_rule": pl.String(),  # the words of the rule that made group, subset and fold
}
"""Every column cutis knows, with its type. Only ``image_id`` must be there."""


@dataclass(frozen=True)
class BadRow:
    """One thing wrong with one row: its number (from 1, without the header), image, column and reason."""

    row: int
    image_id: str | None
    column: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row} ({self.image_id}), {self.column}: {self.reason}"


@cache
def _rules() -> Any:
    """The pandera schema. Made when a manifest is first checked: pandera takes a second to import, and to predict one
    photograph no manifest is checked.
    """
    import pandera.polars as pa  # noqa: PLC0415

    def named(check: Any, reason: str) -> Any:
        check.error = reason
        return check

    return pa.DataFrameSchema(
        {
            "image_id": pa.Column(
                str,
                nullable=False,
                unique=True,
                checks=[named(pa.Check.str_matches(r"^\S(.*\S)?$"), "is empty or has white space at an end")],
            ),
            "sex": pa.Column(
                str,
                nullable=True,
                required=False,
                checks=[named(pa.Check.isin(["female", "male"]), "is not female or male")],
            ),
            "age_approx": pa.Column(
                int,
                nullable=True,
                required=False,
                checks=[named(pa.Check.in_range(0, 120), "is not between 0 and 120 years")],
            ),
            "fitzpatrick_skin_type": pa.Column(
                str,
                nullable=True,
                required=False,
                checks=[named(pa.Check.isin(list(FITZPATRICK_SKIN_TYPES)), "is not one of I, II, III, IV, V, VI")],
            ),
            "image_type": pa.Column(
                str,
                nullable=True,
                required=False,
                checks=[named(pa.Check.isin([each.value for each in ImageTypeEnum]), "is not an ISIC image type")],
            ),
            "subset": pa.Column(
                str,
                nullable=True,
                required=False,
                checks=[named(pa.Check.isin(list(SUBSETS)), "is not train, val, test or excluded")],
            ),
            "fold": pa.Column(
                int, nullable=True, required=False, checks=[named(pa.Check.ge(0), "is negative")]
            ),
            **{
                column: pa.Column(int, nullable=True, required=False, checks=[named(pa.Check.ge(0), "is negative")])
                for column in ("box_left", "box_top")
            },
            **{
                column: pa.Column(int, nullable=True, required=False, checks=[named(pa.Check.gt(0), "is not positive")])
                for column in ("box_width", "box_height")
            },
        }
    )  # fmt: skip


def manifest_frame(rows: pl.DataFrame | Iterable[dict[str, Any]]) -> pl.DataFrame:
    """A manifest from rows: every known column present and of its type, unknown columns kept at the end.

    A row with an ISIC diagnosis and no node of the tree gets the node that stands for that diagnosis.

    Raises:
        ManifestError: a value cannot be read as its column's type.
    """
    frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(list(rows), infer_schema_length=None)
    columns = []
    for column, dtype in SCHEMA.items():
        if column not in frame.columns:
            columns.append(pl.lit(None, dtype=dtype).alias(column))
        else:
            columns.append(_cast(frame, column, dtype))
    return _with_nodes(frame.select(*columns, *[each for each in frame.columns if each not in SCHEMA]))


def _with_nodes(frame: pl.DataFrame) -> pl.DataFrame:
    without = frame.filter(pl.col("diagnosis_node").is_null())["diagnosis"].drop_nulls().unique()
    nodes = {path: node for path in without if (node := shipped_taxonomy().of_isic(path))}
    if not nodes:
        return frame
    given = pl.col("diagnosis").replace_strict(nodes, default=None, return_dtype=pl.String)
    return frame.with_columns(diagnosis_node=pl.coalesce("diagnosis_node", given))


def _cast(frame: pl.DataFrame, column: str, dtype: pl.DataType) -> pl.Expr:
    if frame.schema[column] == dtype:
        return pl.col(column)
    if frame.schema[column] == pl.String and dtype == pl.Datetime("us"):
        cast = _datetimes(frame[column])
    elif frame.schema[column] == pl.String and dtype == pl.Int64():
        # "55.0" is a whole number to a clinician and to pandas; 55.5 is not.
        number = frame[column].cast(pl.Float64, strict=False)
        cast = pl.select(pl.when(number == number.round()).then(number)).to_series().cast(pl.Int64, strict=False)
    else:
        cast = frame[column].cast(dtype, strict=False)
    lost = (cast.is_null() & frame[column].is_not_null()).arg_true().to_list()
    if lost:
        examples = [f"row {row + 1}: '{frame[column][row]}'" for row in lost]
        raise ManifestError(
            f"column '{column}' holds values that are not {dtype}: {listed(examples)}", fix="Correct them."
        )
    return pl.lit(cast.alias(column))


def _datetimes(words: pl.Series) -> pl.Series:
    """Dates and times without a zone; missing where a word is none."""
    try:
        return words.str.to_datetime(time_unit="us", strict=False).dt.replace_time_zone(None)
    except pl.exceptions.ComputeError:  # not one of the words is a date
        return pl.Series(words.name, [None] * len(words), dtype=pl.Datetime("us"))


def check_manifest(frame: pl.DataFrame) -> list[BadRow]:
    """Every bad row of a manifest with its reason; empty when all is well.

    Checked: ids, ranges and ISIC's values (through ``isic-metadata`` for diagnosis, confirmation type and anatomical
    site), that the node is in the tree and agrees with the diagnosis, and that one lesion belongs to one patient.
    Image files are checked by
    :func:`cutis.data.check_images`.
    """
    bad = _pandera_problems(frame)
    for column in ("diagnosis", "diagnosis_confirm_type", "anatom_site"):
        reasons = {value: _isic_reason(column, value) for value in frame[column].drop_nulls().unique().sort()}
        wrong = {value: reason for value, reason in reasons.items() if reason}
        if wrong:
            rows = frame.with_row_index("_row").filter(pl.col(column).is_in(list(wrong)))
            bad += [
                BadRow(row + 1, image_id, column, wrong[value])
                for row, image_id, value in rows.select("_row", "image_id", column).iter_rows()
            ]
    bad += _unfit_nodes(frame)
    bad += _lesions_of_several_patients(frame)
    return sorted(bad, key=lambda each: (each.row, each.column))


def _pandera_problems(frame: pl.DataFrame) -> list[BadRow]:
    from pandera.errors import SchemaErrors  # noqa: PLC0415 - see _rules

    try:
        _rules().validate(frame, lazy=True)
    except SchemaErrors as errors:
        bad = []
        for case in errors.failure_cases.iter_rows(named=True):
            row, column = case["index"], case["column"] or ""
            reason = {"not_nullable": "is missing", "field_uniqueness": "is not unique"}.get(
                case["check"], case["check"]
            )
            value = case["failure_case"]
            image_id = frame["image_id"][row] if row is not None else None
            told = f"'{value}' {reason}" if value not in (None, "None") else reason
            bad.append(BadRow(-1 if row is None else row + 1, image_id, column, told))
        return bad
    return []


def _isic_reason(column: str, value: str) -> str | None:
    """Why the ISIC archive would not take this value, or None if it would."""
    from isic_metadata.metadata import MetadataRow  # noqa: PLC0415 - slow to import, as in _rules
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        MetadataRow(**{column: value})
    except ValidationError:
        return f"'{value}' is not a value the ISIC archive knows"
    return None


def _unfit_nodes(frame: pl.DataFrame) -> list[BadRow]:
    """Nodes that the tree does not have, and those that contradict the ISIC diagnosis beside them."""
    taxonomy = shipped_taxonomy()
    reasons: dict[tuple[str, str | None], str] = {}
    for node, path in frame.select("diagnosis_node", "diagnosis").drop_nulls("diagnosis_node").unique().iter_rows():
        if node not in taxonomy:
            near = taxonomy.suggest(node, 3)
            reasons[node, path] = f"'{node}' is not in the tree of diagnoses" + (
                f" (near: {listed(near)})" if near else ""
            )
        elif (isic := taxonomy.of_isic(path) if path else None) and not (
            taxonomy.is_within(node, isic) or taxonomy.is_within(isic, node)
        ):
            reasons[node, path] = f"'{node}' is another diagnosis than '{path}'"
    rows = frame.select("image_id", "diagnosis_node", "diagnosis").iter_rows()
    return [
        BadRow(row, image_id, "diagnosis_node", reasons[node, path])
        for row, (image_id, node, path) in enumerate(rows, 1)
        if (node, path) in reasons
    ]


def _lesions_of_several_patients(frame: pl.DataFrame) -> list[BadRow]:
    both = frame.with_row_index("_row").filter(pl.col("lesion_id").is_not_null() & pl.col("patient_id").is_not_null())
    torn = both.filter(pl.col("patient_id").n_unique().over("lesion_id") > 1)
    return [
        BadRow(row + 1, image_id, "lesion_id", f"lesion '{lesion}' is given to more than one patient")
        for row, image_id, lesion in torn.select("_row", "image_id", "lesion_id").iter_rows()
    ]


def read_manifest(*paths: str | Path) -> pl.DataFrame:
    """One or several manifests as one frame, image and mask paths made whole.

    Raises:
        ManifestError: a file is missing, unreadable or empty, ``image_id`` is missing, doubled or null, a value is
            of the wrong type, or the same image stands in two of the manifests.
    """
    if not paths:
        raise ManifestError("no manifest named", fix="Name at least one.")
    frames = [_read_one(Path(path)) for path in paths]
    frame = pl.concat(frames, how="diagonal_relaxed")
    doubled = frame.filter(pl.col("image_id").is_duplicated())["image_id"].unique().sort().to_list()
    if doubled:
        raise ManifestError(
            f"{len(doubled):,} image_id stand more than once: {listed(doubled)}",
            where=", ".join(str(path) for path in paths),
            fix="Keep one row an image.",
        )
    return frame


def _read_one(path: Path) -> pl.DataFrame:
    raw = read_table(path)
    if "image_id" not in raw.columns:
        raise ManifestError(
            f"column 'image_id' is missing (found: {listed(raw.columns)})",
            where=str(path),
            fix="Make a manifest with `cutis data import`.",
        )
    if raw.is_empty():
        raise ManifestError("holds no rows", where=str(path), fix="Import the data again.")
    try:
        frame = manifest_frame(raw)
    except ManifestError as error:
        raise ManifestError(error.problem, where=str(path), fix=error.fix) from error
    missing = frame["image_id"].is_null().arg_true().to_list()
    if missing:
        raise ManifestError(
            f"image_id is missing in {len(missing):,} rows: {listed([f'row {row + 1}' for row in missing])}",
            where=str(path),
            fix="Give every image an id.",
        )
    folder = path.resolve().parent
    return frame.with_columns(
        pl.col(column).map_elements(lambda each: str(folder / each), return_dtype=pl.String)
        for column in ("image_path", "mask_path")
    )


def read_table(path: str | Path) -> pl.DataFrame:
    """A Parquet, CSV or tab-separated file as text-typed columns (Parquet keeps its types).

    Raises:
        ManifestError: the file is missing, empty or not such a table.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder, not a table" if path.is_dir() else "does not exist"
        raise ManifestError(what, where=str(path), fix="Name a .parquet, .csv or .tsv file.")
    if path.stat().st_size == 0:
        raise ManifestError("is empty", where=str(path), fix="Make or download it again.")
    try:
        if path.suffix.lower() == ".parquet":
            return pl.read_parquet(path)
        separator = "\t" if path.suffix.lower() in (".tab", ".tsv") else ","
        # Every column as text: a guessed type would turn the lesion id 0012 into 12.
        return pl.read_csv(path, separator=separator, infer_schema=False, null_values=[""])
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0][:200]
        raise ManifestError(f"cannot be read as a table ({reason})", where=str(path), fix="Check the file.") from error


def write_manifest(frame: pl.DataFrame, path: str | Path) -> None:
    """Write a manifest as Parquet, or as CSV when ``path`` ends in ``.csv``; whole or not at all."""
    path = Path(path)
    folder = path.resolve().parent
    stored = manifest_frame(frame).with_columns(
        pl.col(column).map_elements(lambda each: _portable(each, folder), return_dtype=pl.String)
        for column in ("image_path", "mask_path")
    )
    write_table(stored, path)


def write_table(frame: pl.DataFrame, path: str | Path) -> None:
    """Write a table as Parquet, or as CSV when ``path`` ends in ``.csv``; whole or not at all.

    Raises:
        ManifestError: ``path`` ends in neither.
    """
    path = Path(path)
    if path.suffix.lower() not in (".parquet", ".csv"):
        raise ManifestError("does not end in .parquet or .csv", where=str(path), fix="Name such a file.")
    with replacing(path) as temporary:
        if path.suffix.lower() == ".csv":
            frame.write_csv(temporary)
        else:
            frame.write_parquet(temporary)


def _portable(path: str, folder: Path) -> str:
    whole = Path(path).resolve()
    return whole.relative_to(folder).as_posix() if whole.is_relative_to(folder) else whole.as_posix()


def known_columns(frame: pl.DataFrame, columns: Sequence[str], where: str = "manifest") -> None:
    """Raise ManifestError if any of ``columns`` is not in the manifest or holds nothing at all."""
    missing = [each for each in columns if each not in frame.columns]
    if missing:
        raise ManifestError(
            f"column {', '.join(missing)} is missing (there are: {listed(frame.columns, 40)})",
            where=where,
            fix="Name another.",
        )
    empty = [each for each in columns if frame[each].null_count() == len(frame)]
    if empty:
        raise ManifestError(f"column {', '.join(empty)} holds no value in any row", where=where, fix="Name another.")
