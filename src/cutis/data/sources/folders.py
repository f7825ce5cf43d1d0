"""What lies below a data set's folder: tables, known by their columns, and image files, known by stem."""

import csv
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cutis.data.images import IMAGE_SUFFIXES
from cutis.data.manifest import read_table
from cutis.errors import ManifestError, listed

TABLE_SUFFIXES = (".csv", ".tab", ".tsv")


@dataclass(frozen=True)
class DataFolder:
    """A data set's folder with every file below it, in alphabetical order; hidden files are passed over."""

    root: Path
    files: tuple[Path, ...]

    @classmethod
    def scan(cls, root: Path) -> "DataFolder":
        """Walk through the folder, following links to other folders once.

        Raises:
            ManifestError: ``root`` is a file, or there is no file below it.
        """
        if not root.is_dir():
            raise ManifestError("is a file", where=str(root), fix="Name the folder that holds the data set.")
        files: list[Path] = []
        seen: set[Path] = set()
        for folder, subfolders, names in os.walk(root, followlinks=True):
            here = Path(folder)
            if here.resolve() in seen:
                subfolders.clear()
                continue
            seen.add(here.resolve())
            subfolders[:] = sorted(each for each in subfolders if not each.startswith((".", "__MACOSX")))
            files += [here / each for each in sorted(names) if not each.startswith(".")]
        if not files:
            raise ManifestError("is empty", where=str(root), fix="Name the folder that holds the data set.")
        return cls(root, tuple(files))

    def tables(self, *columns: str) -> list[Path]:
        """The tables (.csv, .tab, .tsv) whose header has all these columns, in any order."""
        return [each for each in self._tables() if set(columns) <= set(header(each))]

    def no_table(self, *columns: str) -> ManifestError:
        """The error to raise when no table has the columns: it tells what each table there lacks."""
        told = []
        for each in self._tables():
            found = header(each)
            lacks = [column for column in columns if column not in found]
            told.append(f"{each.name} {'lacks ' + ', '.join(lacks) if found else 'is empty'}")
        there = f"tables there: {listed(told)}" if told else "there is no .csv, .tab or .tsv file"
        return ManifestError(
            f"no table with the columns {', '.join(columns)} found ({there})",
            where=str(self.root),
            fix="Name the folder that holds the data set's metadata, or download it again.",
        )

    def _tables(self) -> list[Path]:
        # Harvard Dataverse serves the original HAM10000_metadata without any suffix.
        return [
            each
            for each in self.files
            if each.suffix.lower() in TABLE_SUFFIXES or (not each.suffix and each.name.lower().endswith("metadata"))
        ]

    def images(self) -> "ImageFiles":
        """Every image file below the folder."""
        return ImageFiles.of(each for each in self.files if is_image(each))


@dataclass(frozen=True)
class ImageFiles:
    """Image files by stem (the name without folder and suffix)."""

    by_stem: dict[str, list[Path]]

    @classmethod
    def of(cls, paths: Iterable[Path]) -> "ImageFiles":
        """Collect the files by stem."""
        by_stem: dict[str, list[Path]] = {}
        for path in paths:
            by_stem.setdefault(path.stem, []).append(path)
        return cls(by_stem)

    def locate(self, stems: Sequence[str]) -> list[str | None]:
        """The file of each stem, None where there is none.

        Raises:
            ManifestError: two files have a stem that is asked for; both are named.
        """
        twice = [each for each in stems if len(self.by_stem.get(each, ())) > 1]
        if twice:
            pairs = [" and ".join(str(path) for path in self.by_stem[each]) for each in dict.fromkeys(twice)]
            raise ManifestError(
                f"{len(pairs):,} images have more than one file: {listed(pairs, 3)}",
                fix="Keep one file an image.",
            )
        return [str(self.by_stem[each][0]) if each in self.by_stem else None for each in stems]


def is_image(path: Path) -> bool:
    """Whether the file name ends as an image's does, upper or lower case."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def without_image_suffix(name: str) -> str:
    """``"a/b.JPG"`` → ``"a/b"``; a name that does not end as an image's is left as it is."""
    path = Path(name)
    return name[: -len(path.suffix)] if is_image(path) else name


def header(path: Path) -> list[str]:
    """The column names of a table, stripped; none if the file is empty or is not text."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            first = lines.readline()
    except UnicodeDecodeError:
        return []
    separator = "\t" if path.suffix.lower() in (".tab", ".tsv") else ","
    return [each.strip() for each in next(csv.reader([first], delimiter=separator), [])]


def read_rows(path: Path, columns: Sequence[str] = ()) -> pl.DataFrame:
    """A table as text: names and cells stripped, empty cells missing.

    Raises:
        ManifestError: the table cannot be read, lacks one of ``columns``, or holds no rows.
    """
    frame = read_table(path)
    frame = frame.rename({each: each.strip().removeprefix("\ufeff") for each in frame.columns})
    missing = [each for each in columns if each not in frame.columns]
    if missing:
        raise ManifestError(
            f"column {', '.join(missing)} is missing (found: {listed(frame.columns)})",
            where=str(path),
            fix="Take the data set's own table.",
        )
    if frame.is_empty():
        raise ManifestError("holds no rows", where=str(path), fix="Download it again.")
    text = pl.col(pl.String).str.strip_chars()
    return frame.with_columns(pl.when(text != "").then(text).name.keep())


def need_ids(frame: pl.DataFrame, column: str, where: str | Path) -> None:
    """Raise ManifestError if an id is missing or stands twice in the column."""
    missing = frame[column].is_null().arg_true().to_list()
    if missing:
        rows = [f"row {row + 1}" for row in missing]
        raise ManifestError(
            f"column '{column}' is missing in {len(rows):,} rows: {listed(rows)}",
            where=str(where),
            fix="Fill it in.",
        )
    doubled = frame.filter(pl.col(column).is_duplicated())[column].unique().sort().to_list()
    if doubled:
        raise ManifestError(
            f"{len(doubled):,} images stand more than once in column '{column}': {listed(doubled)}",
            where=str(where),
            fix="Keep one row an image.",
        )


def subset_of(path: Path) -> str | None:
    """The official part that a file or folder name tells: train, val or test; None if it tells none."""
    part = re.search(r"train|val(?![a-z])|valid|test", path.name.lower())
    return {"tra": "train", "val": "val", "tes": "test"}[part.group()[:3]] if part else None


def images_notes(frame: pl.DataFrame, images: ImageFiles, known: Iterable[str] = ()) -> list[str]:
    """What to tell about rows without an image file, and about image files without a row.

    Args:
        frame: rows with ``image_id`` and ``image_path``.
        images: the files found.
        known: stems of files that are not photographs of the data set (masks).
    """
    notes = []
    absent = frame.filter(pl.col("image_path").is_null())["image_id"].to_list()
    if len(absent) == len(frame):
        notes.append(f"labels only: no image file found for any of the {len(frame):,} rows, image_path is missing")
    elif absent:
        notes.append(
            f"{len(frame) - len(absent):,} of {len(frame):,} rows have an image file; "
            f"the other {len(absent):,} are kept with image_path missing: {listed(absent)}"
        )
    used = set(frame["image_path"].drop_nulls().to_list()) | set(known)
    spare = [
        path.name
        for stem, paths in images.by_stem.items()
        for path in paths
        if str(path) not in used and stem not in used
    ]
    if spare:
        notes.append(f"{len(spare):,} image files have no row and are left out: {listed(spare)}")
    return notes
