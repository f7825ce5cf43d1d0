"""A generic table with a column map: any CSV that has an image and a diagnosis in each row."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from cutis.data.manifest import SCHEMA
from cutis.data.sources.contract import Imported, Source
from cutis.data.sources.folders import DataFolder, ImageFiles, need_ids, read_rows, without_image_suffix
from cutis.data.sources.words import (
    NO_VALUE,
    SEXES,
    SKIN_TYPES,
    age_of,
    diagnosis_of,
    mapped,
    sex_of,
    skin_type_of,
    unmapped_note,
)
from cutis.errors import ManifestError, listed


# `map` is the name of the option that the user writes.
def read(path: Path, map: Mapping[str, str] | None = None, images: str | Path | None = None) -> Imported:  # noqa: A002
    """Read a table.

    Args:
        path: a .csv, .tsv, .tab or .parquet file.
        map: manifest column → the table's column. A column that has a manifest's name already needs no entry.
        images: the folder in which images are looked for, by path and then by stem; the table's own folder if
            not given.

    Raises:
        ManifestError: a column is not there, an id is missing or doubled, ``images`` is not a folder, or two
            files hold one image.
    """
    if path.is_dir():
        raise ManifestError("is a folder", where=str(path), fix="Name the table itself, e.g. photos/labels.csv.")
    rows, notes = _renamed(read_rows(path), dict(map or {}), path)
    if "image_id" not in rows.columns and "image_path" in rows.columns:
        rows = rows.with_columns(pl.col("image_path").alias("image_id"))
    if "image_id" not in rows.columns:
        raise ManifestError(
            f"no column for image_id (found: {listed(rows.columns, 40)})",
            where=str(path),
            fix="Tell which it is, e.g. --map image_id=file.",
        )
    need_ids(rows, "image_id", path)
    folder = Path(images).resolve() if images else path.parent
    if not folder.is_dir():
        raise ManifestError("is not a folder", where=str(folder), fix="Name the folder that holds the images.")
    files = rows["image_path"].fill_null(rows["image_id"]) if "image_path" in rows.columns else rows["image_id"]
    frame = rows.with_columns(
        pl.Series("image_path", _located(files.to_list(), folder), dtype=pl.String),
        pl.col("image_id").map_elements(without_image_suffix, return_dtype=pl.String),
    )
    need_ids(frame, "image_id", path)
    absent = frame.filter(pl.col("image_path").is_null())["image_id"].to_list()
    if absent:
        told = "labels only: no image file found for any" if len(absent) == len(frame) else "no image file found for"
        notes.append(f"{told} {len(absent):,} of {len(frame):,} rows, image_path is missing there: {listed(absent)}")
    frame, more = _isic_values(frame)
    return Imported(frame, (*notes, *more))


def _renamed(rows: pl.DataFrame, columns: dict[str, str], path: Path) -> tuple[pl.DataFrame, list[str]]:
    unknown = [each for each in columns if each not in SCHEMA]
    if unknown:
        raise ManifestError(
            f"--map names {listed(unknown)}, not a manifest column",
            fix=f"Use one of {', '.join(SCHEMA)}; other columns are kept as they are.",
        )
    absent = [each for each in columns.values() if each not in rows.columns]
    if absent:
        raise ManifestError(
            f"column {', '.join(absent)} is missing (found: {listed(rows.columns, 40)})",
            where=str(path),
            fix="Correct --map.",
        )
    notes = []
    aside = [to for to, origin in columns.items() if to in rows.columns and to != origin]
    if aside:
        rows = rows.rename({each: f"original_{each}" for each in aside})
        notes.append(f"the table's own columns {listed(aside)} are kept as original_…: --map fills these anew")
    sources = {to: f"original_{origin}" if origin in aside else origin for to, origin in columns.items()}
    rows = rows.with_columns(pl.col(origin).alias(to) for to, origin in sources.items())
    return rows.drop(
        {each for each in sources.values() if each not in SCHEMA and not each.startswith("original_")}
    ), notes


def _located(names: list[str], folder: Path) -> list[str | None]:
    direct = [folder / each for each in names]
    found: list[str | None] = [str(each) if each.is_file() else None for each in direct]
    missing = [row for row, each in enumerate(found) if each is None]
    if missing:
        files: ImageFiles = DataFolder.scan(folder).images()
        stems = [Path(without_image_suffix(names[row])).name for row in missing]
        for row, each in zip(missing, files.locate(stems), strict=True):
            found[row] = each
    return found


def _isic_values(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Words to ISIC's values in the columns that are there, and what to tell about words without one."""
    notes: list[str] = []
    if "diagnosis" in frame.columns:
        if "source_diagnosis" not in frame.columns:
            frame = frame.with_columns(pl.col("diagnosis").alias("source_diagnosis"))
        known = {each: found for each in frame["diagnosis"].drop_nulls().unique() if (found := diagnosis_of(each))}
        notes += unmapped_note(frame, "diagnosis", "diagnoses", "source_diagnosis", dict.fromkeys(known, ""))
        nodes = {word: each.node for word, each in known.items() if each.node}
        paths = {word: each.isic for word, each in known.items() if each.isic}
        frame = frame.with_columns(
            mapped("diagnosis", nodes).alias("diagnosis_node"), mapped("diagnosis", paths).alias("diagnosis")
        )
    if "sex" in frame.columns:
        lower = frame.select(pl.col("sex").str.to_lowercase())
        notes += unmapped_note(lower, "sex", "values of sex", "no column (they are left out)", SEXES)
        frame = frame.with_columns(sex_of("sex"))
    if "fitzpatrick_skin_type" in frame.columns:
        column = "fitzpatrick_skin_type"
        plain = frame.select(pl.col(column).str.to_uppercase().str.strip_suffix(".0"))
        words = SKIN_TYPES | dict.fromkeys(SKIN_TYPES.values(), "")
        notes += unmapped_note(plain, column, "skin types", "no column (they are left out)", words)
        frame = frame.with_columns(skin_type_of(column))
    if "age_approx" in frame.columns:
        frame = frame.with_columns(age_of("age_approx"))
    for column in (
        "anatom_site",
        "diagnosis_confirm_type",
        "image_type",
        "subset",
        "lesion_id",
        "patient_id",
    ):
        if column in frame.columns:
            frame = frame.with_columns(
                pl.when(~pl.col(column).str.to_lowercase().is_in(NO_VALUE)).then(pl.col(column)).alias(column)
            )
    return frame, notes


SOURCE = Source(
    name="csv",
    title="Generic table",
    expects="a .csv, .tsv or .parquet file with one row an image; --map tells which column is which",
    license="",
    citation="",
    url="",
    read=read,
    options=("map", "images"),
)
