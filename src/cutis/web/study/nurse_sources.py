"""What a study can be made of: the manifests, models and predictions in the folder that the server was given."""

from pathlib import Path
from typing import NamedTuple

import polars as pl

_TABLES = (".parquet", ".csv")
_DEEP = 2
MOST = 200
"""How many files are looked into."""


class Sources(NamedTuple):
    """Places relative to the folder. ``bundles``: folders; ``predictions``: tables."""

    manifests: list[str]
    bundles: list[str]
    predictions: list[str]


def find_sources(folder: Path) -> Sources:
    """Look into a folder and those in it."""
    found = Sources([], [], [])
    tables = []
    for depth in range(_DEEP):
        for path in sorted(folder.glob("*/" * depth + "*")):
            if path.name.startswith(".") or path.parent.name.startswith("."):
                continue
            name = path.relative_to(folder).as_posix()
            if (path / "bundle.json").is_file():
                found.bundles.append(name)
            elif path.suffix.lower() in _TABLES and path.is_file():
                tables.append(name)
    for name in tables[:MOST]:
        columns = _columns(folder / name)
        if {"image_id", "image_path"} <= columns:
            found.manifests.append(name)
        elif columns & {"image_id", "image"} and len(columns) > 2 and not columns & {"rating", "truth"}:
            found.predictions.append(name)
    return found


def inside(folder: Path, name: str) -> Path | None:
    """The whole place of a name below the folder; None where it leads out of it."""
    path = (folder / name).resolve()
    return path if path.is_relative_to(folder.resolve()) else None


def _columns(path: Path) -> set[str]:
    try:
        if path.suffix.lower() == ".parquet":
            return set(pl.read_parquet_schema(path))
        with path.open(encoding="utf-8-sig") as file:
            return {each.strip().strip('"') for each in file.readline(20_000).split(",")}
    except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError):
        return set()  # some other file with such an ending
