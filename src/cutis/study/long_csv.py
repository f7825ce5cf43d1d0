"""Readings as a long CSV: one line a read, as MRMCaov, statistics programs and spreadsheets hold them."""

import csv
import io
from pathlib import Path

from cutis.files import write_text
from cutis.study.readings import Readings, ReadingsError, refuse_rows
from cutis.study.truth_rows import join_truth

_NAMES = {
    "reader": ("reader", "readerid", "reader_id"),
    "modality": ("modality", "treatment", "test", "arm", "modalityid", "modality_id"),
    "case": ("case", "caseid", "case_id", "image_id"),
    "truth": ("truth",),
    "rating": ("rating", "score"),
}


def read_long_csv(path: Path) -> Readings:
    """Read a long CSV, comma, semicolon or tab between cells.

    The first line names the columns, in any order and case: ``reader``; ``modality``, ``treatment``, ``test`` or
    ``arm``; ``case``; ``rating`` or ``score``; ``truth``. Without a column ``truth``, each case needs a row of reader
    ``-1`` or ``truth``, or of modality ``truth``, whose rating is the truth. Other columns are not read.

    Raises:
        ReadingsError: a column is missing or named twice, or a line is malformed.
    """
    where = str(path)
    lines = csv.reader(io.StringIO(_text(path)), delimiter=_delimiter(path))
    header = [cell.strip().lower() for cell in next(lines, [])]
    places: dict[str, int] = {}
    for column, names in _NAMES.items():
        found = [place for place, name in enumerate(header) if name in names]
        if len(found) > 1:
            raise ReadingsError(
                f"columns '{header[found[0]]}' and '{header[found[1]]}' both name the {column}",
                where=f"{where}, line 1",
                fix="Keep one of them.",
            )
        if found:
            places[column] = found[0]
        elif column != "truth":
            raise ReadingsError(
                f"there is no column {' or '.join(names[:3])} (found: {', '.join(header[:20])})",
                where=f"{where}, line 1",
                fix="Give the columns reader, modality, case, truth and rating.",
            )
    rows: list[tuple[int, str, str, str, str | None, str]] = []
    problems: list[tuple[int, str]] = []
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            problems.append((lines.line_num, f"has {len(cells)} cells, the first line {len(header)}"))
            continue
        value = {column: cells[place].strip() for column, place in places.items()}
        rows.append(
            (lines.line_num, value["reader"], value["modality"], value["case"], value.get("truth"), value["rating"])
        )
    refuse_rows(problems, where=where, unit="line")
    return join_truth(rows, where=where)


def write_long_csv(path: Path, readings: Readings) -> None:
    """Write a long CSV (tab-separated where the file ends in ``.tsv``) with the columns in their usual order."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", lineterminator="\n")
    writer.writerow(["reader", "modality", "case", "truth", "rating"])
    for reader, modality, case, truth, rating in readings.frame.iter_rows():
        writer.writerow([reader, modality, case, int(truth), number(rating)])
    write_text(path, text.getvalue())


def number(rating: float) -> str:
    """The rating as text that reads back as the same number: ``3``, ``0.25``."""
    return str(int(rating)) if rating == int(rating) and abs(rating) < 2**53 else repr(float(rating))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReadingsError("is not text in UTF-8", where=str(path), fix="Save it as UTF-8.") from error


def _delimiter(path: Path) -> str:
    first = _text(path).split("\n", 1)[0]
    return max((",", ";", "\t"), key=first.count)
