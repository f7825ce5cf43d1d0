"""Readings as the Excel file of RJafroc (ROC data): sheets ``TRUTH``, ``FP`` (or ``NL``) and ``TP`` (or ``LL``).

``TRUTH`` has a row a case, with ``LesionID`` 0 for a case without the disease; ``FP`` the ratings of cases without,
``TP`` those of cases with the disease. Needs the package openpyxl.
"""

import importlib
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from cutis.files import replacing
from cutis.study.readings import Readings, ReadingsError, check_readings, refuse_rows

_SHEETS = {"truth": ("truth",), "fp": ("fp", "nl"), "tp": ("tp", "ll")}
_RATINGS = ("fp_rating", "tp_rating", "nlrating", "llrating", "nl_rating", "ll_rating", "rating")


def read_rjafroc(path: Path) -> Readings:
    """Read RJafroc's Excel file, of its old form (three columns in ``TRUTH``) or its new one (six).

    Raises:
        ReadingsError: it is no such file, a sheet or column is missing, a row is malformed, or it holds more than one
            rating a case (free-response data).
    """
    where = str(path)
    try:
        book = _openpyxl().load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
        raise ReadingsError("is not an Excel file (.xlsx)", where=where, fix="Save it as .xlsx.") from error
    try:
        sheets = {each.title.lower().strip(): list(each.iter_rows(values_only=True)) for each in book.worksheets}
    finally:
        book.close()
    truth: dict[str, int] = {}
    problems: list[tuple[int, str]] = []
    for row, cells in _rows(sheets, "truth", where):
        case, lesion = _name(cells.get("caseid")), _name(cells.get("lesionid"))
        if case in truth:
            problems.append((row, f"case '{case}' stands in TRUTH twice: several lesions a case are not supported"))
        elif not case or not lesion.isdecimal():
            problems.append((row, f"CaseID '{case}' and LesionID '{lesion}' are not a case and a whole number"))
        else:
            truth[case] = int(lesion != "0")
    refuse_rows(problems, where=f"{where}, sheet TRUTH", unit="row")
    table: dict[str, list[Any]] = {name: [] for name in ("reader", "modality", "case", "truth", "rating")}
    for sheet, expected in (("fp", 0), ("tp", 1)):
        for row, cells in _rows(sheets, sheet, where):
            case = _name(cells.get("caseid"))
            if truth.get(case) != expected:
                what = "is not in TRUTH" if case not in truth else f"has truth {truth[case]}: not ROC data"
                problems.append((row, f"case '{case}' {what}"))
                continue
            rating = next((cells[name] for name in _RATINGS if name in cells), None)
            found = (cells.get("readerid"), cells.get("modalityid"), case, expected, rating)
            for column, cell in zip(table, found, strict=True):
                table[column].append("" if cell is None else _name(cell))
        refuse_rows(problems, where=f"{where}, sheet {sheet.upper()}", unit="row")
    return check_readings(pl.DataFrame(table, schema=dict.fromkeys(table, pl.String)), where=where, unit="rating")


def write_rjafroc(path: Path, readings: Readings) -> None:
    """Write RJafroc's Excel file in its new form.

    Raises:
        ReadingsError: a case's name is not a whole number (RJafroc takes no other), or openpyxl is not installed.
    """
    names = [case for case in readings.cases if not case.isdecimal()]
    if names:
        raise ReadingsError(
            f"RJafroc takes whole numbers as cases, not '{names[0]}'", where=str(path), fix="Write .csv or .imrmc."
        )
    book = _openpyxl().Workbook()
    sheet = book.active
    sheet.title = "TRUTH"
    sheet.append(["CaseID", "LesionID", "Weight", "ReaderID", "ModalityID", "Paradigm"])
    grid = readings.grid()
    design = "FCTRL" if readings.design == "factorial" else "SPLIT-PLOT"
    for k, case in enumerate(grid.cases):
        read = grid.read[:, :, k]
        readers = ",".join(
            name for name, some in zip(grid.readers, np.logical_or.reduce(read, axis=0), strict=True) if some
        )
        modalities = ",".join(
            name for name, some in zip(grid.modalities, np.logical_or.reduce(read, axis=1), strict=True) if some
        )
        paradigm = {0: "ROC", 1: design}.get(k)
        sheet.append([int(case), int(grid.positive[k]), int(grid.positive[k]), readers, modalities, paradigm])
    for title, truth in (("FP", False), ("TP", True)):
        sheet = book.create_sheet(title)
        lesion = ["LesionID"] if truth else []
        sheet.append(["ReaderID", "ModalityID", "CaseID", *lesion, f"{title}_Rating"])
        for reader, modality, case, positive, rating in readings.frame.iter_rows():
            if positive == truth:
                sheet.append([reader, modality, int(case), *([1] if truth else []), rating])
    with replacing(path) as temporary:
        book.save(temporary)


def _openpyxl() -> Any:
    try:
        return importlib.import_module("openpyxl")
    except ModuleNotFoundError as error:
        raise ReadingsError(
            "Excel files need the package openpyxl", fix="Run: pip install 'cutis[study]', or use .csv."
        ) from error


def _rows(sheets: dict[str, list[tuple[Any, ...]]], name: str, where: str) -> list[tuple[int, dict[str, Any]]]:
    """A sheet's rows that are not blank, with their numbers and cells by the column's name in lower case."""
    rows = next((sheets[each] for each in _SHEETS[name] if each in sheets), None)
    if not rows:
        raise ReadingsError(
            f"has no sheet {name.upper()} (found: {', '.join(sheets)})", where=where, fix="Give TRUTH, FP and TP."
        )
    header = [_name(cell).lower() for cell in rows[0]]
    needed = ["caseid", "lesionid"] if name == "truth" else ["readerid", "modalityid", "caseid"]
    missing = [each for each in needed if each not in header]
    if missing or (name != "truth" and not set(header) & set(_RATINGS)):
        raise ReadingsError(
            f"column {missing[0] if missing else f'{name}_rating'} is missing (found: {', '.join(header)})",
            where=f"{where}, sheet {name.upper()}, row 1",
            fix="Name the columns as RJafroc does.",
        )
    numbered = enumerate(rows[1:], start=2)
    return [
        (row, dict(zip(header, cells, strict=False)))
        for row, cells in numbered
        if any(cell is not None for cell in cells)
    ]


def _name(cell: Any) -> str:
    """A cell as text: Excel gives 3 as 3.0."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell).strip()
