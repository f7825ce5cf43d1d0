"""Readers' answers from files: readings in any form of the study room, or one file of predictions a reader."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cutis.evaluation import Predictions, read_predictions
from cutis.study.reading_files import read_readings
from cutis.study.readings import Readings, ReadingsError
from cutis.taxonomy import ClassSet

_ID_COLUMNS = ("image_id", "image")


def read_readers(
    paths: Sequence[str | Path], *, classes: ClassSet | Literal["source"] | None = None, normalise: bool = False
) -> Readings | dict[str, Predictions]:
    """Readings, or each reader's predictions by the name of the file.

    A table with a column ``image_id`` (or ``image``) is one reader's predictions; all else are readings, see
    :func:`cutis.study.read_readings`.

    Args:
        paths: all of one kind.
        classes: of predictions; see :func:`cutis.evaluation.read_predictions`.
        normalise: of predictions.

    Raises:
        ReadingsError: no file is named, a file is missing or malformed, files are of both kinds, or two readers'
            files have the same name.
        PredictionsError: as :func:`cutis.evaluation.read_predictions`.
    """
    files = [Path(path) for path in paths]
    kinds = [_holds_predictions(path) for path in files]
    if not any(kinds):
        return read_readings(*files)
    if not all(kinds):
        raise ReadingsError(
            f"{files[kinds.index(True)]} holds predictions, {files[kinds.index(False)]} readings",
            fix="Give all readers' answers in one form.",
        )
    found: dict[str, Predictions] = {}
    for path in files:
        if path.stem in found:
            raise ReadingsError(f"two readers' files are called '{path.stem}'", fix="Name each file after its reader.")
        found[path.stem] = read_predictions(path, classes=classes, normalise=normalise)
    return found


def _holds_predictions(path: Path) -> bool:
    if path.suffix.lower() == ".parquet":
        return True
    if path.suffix.lower() not in (".csv", ".tsv", ".txt") or not path.is_file():
        return False  # read_readings tells what is wrong with it
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        names = re.split(r"[,;\t]", lines.readline().strip())
    return any(name.strip().strip('"').lower() in _ID_COLUMNS for name in names)
