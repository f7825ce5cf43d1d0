"""Reading and writing readings: long CSV, `.imrmc`, `.lrc` and RJafroc's Excel, by the file's ending."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from cutis.study.imrmc_file import read_imrmc, write_imrmc
from cutis.study.long_csv import read_long_csv, write_long_csv
from cutis.study.lrc_file import read_lrc, write_lrc
from cutis.study.readings import Readings, ReadingsError, check_readings
from cutis.study.rjafroc_excel import read_rjafroc, write_rjafroc

_FORMATS: dict[str, tuple[Callable[[Path], Readings], Callable[[Path, Readings], None]]] = {
    ".csv": (read_long_csv, write_long_csv),
    ".tsv": (read_long_csv, write_long_csv),
    ".imrmc": (read_imrmc, write_imrmc),
    ".lrc": (read_lrc, write_lrc),
    ".xlsx": (read_rjafroc, write_rjafroc),
}


def read_readings(*paths: str | Path) -> Readings:
    """Read one file of readings, or several as one study.

    Args:
        paths: ``.csv`` or ``.tsv`` (long), ``.imrmc``, ``.lrc``, or ``.xlsx`` (RJafroc's).

    Raises:
        ReadingsError: no file is named, one is missing or of another kind, a row is malformed (each with its line and
            reason), or two files hold the same read or two truths of a case.
    """
    if not paths:
        raise ReadingsError("no file of readings named", fix="Name at least one.")
    parts = [_format(Path(path))[0](_existing(Path(path))) for path in paths]
    if len(parts) == 1:
        return parts[0]
    return check_readings(pl.concat([part.frame for part in parts]), where=", ".join(str(path) for path in paths))


def write_readings(path: str | Path, readings: Readings) -> None:
    """Write readings in the format of the file's ending, whole or not at all.

    Raises:
        ReadingsError: the ending is none of ``.csv``, ``.tsv``, ``.imrmc``, ``.lrc``, ``.xlsx``, or the format cannot
            hold these readings (``.lrc`` holds factorial ones only, Excel cases that are whole numbers).
    """
    _format(Path(path))[1](Path(path), readings)


def _format(path: Path) -> tuple[Callable[[Path], Readings], Callable[[Path, Readings], None]]:
    known = _FORMATS.get(path.suffix.lower())
    if known is None:
        raise ReadingsError(
            f"'{path.suffix}' is no format of readings", where=str(path), fix=f"Use one of {', '.join(_FORMATS)}."
        )
    return known


def _existing(path: Path) -> Path:
    if not path.is_file():
        what = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise ReadingsError(what, where=str(path), fix="Name a file of readings.")
    if path.stat().st_size == 0:
        raise ReadingsError("is empty", where=str(path), fix="Make or export it again.")
    return path
