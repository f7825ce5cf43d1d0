"""Readings as `.imrmc`, the text format of iMRMC (Gallas, FDA).

Free text, among it optional counts (``N0:69`` cases without and ``N1:45`` with the disease, ``NR:5`` readers, ``NM:2``
modalities); a line ``BEGIN DATA:``; then lines ``reader,case,modality,score``. The reader ``-1`` is the truth.
"""

import re
from pathlib import Path

from cutis.files import write_text
from cutis.study.long_csv import number
from cutis.study.readings import Readings, ReadingsError, refuse_rows
from cutis.study.truth_rows import join_truth

_COUNTS = {
    "N0": "cases without the disease",
    "N1": "cases with the disease",
    "NR": "readers",
    "NM": "modalities",
}


def read_imrmc(path: Path) -> Readings:
    """Read an ``.imrmc`` file; counts in its head are compared with what it holds.

    Raises:
        ReadingsError: there is no line ``BEGIN DATA:``, a count is no number or not what the file holds, or a line is
            malformed.
    """
    where = str(path)
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    begin = next((place for place, line in enumerate(lines) if line.strip().upper().startswith("BEGIN DATA")), None)
    if begin is None:
        raise ReadingsError("has no line 'BEGIN DATA:'", where=where, fix="Check that it is an .imrmc file.")
    rows: list[tuple[int, str, str, str, str | None, str]] = []
    problems: list[tuple[int, str]] = []
    for line, text in enumerate(lines[begin + 1 :], start=begin + 2):
        if not text.strip():
            continue
        cells = [cell.strip() for cell in text.split(",")]
        if len(cells) != 4:
            problems.append((line, f"has {len(cells)} cells, not 4 (reader, case, modality, score)"))
            continue
        reader, case, modality, score = cells
        rows.append((line, reader, modality, case, None, score))
    refuse_rows(problems, where=where, unit="line")
    readings = join_truth(rows, where=where)
    # Cases that have a truth but were never read are counted in the head, too.
    truth = {case: score for _, reader, _, case, _, score in rows if reader == "-1"}
    held = {
        "N0": sum(float(score) == 0 for score in truth.values()) or readings.negatives,
        "N1": sum(float(score) == 1 for score in truth.values()) or readings.positives,
        "NR": len(readings.readers),
        "NM": len(readings.modalities),
    }
    for line, text in enumerate(lines[:begin], start=1):
        match = re.fullmatch(r"\s*(N0|N1|NR|NM)\s*:\s*(\S*)\s*", text)
        if match is None:
            continue
        name, told = match.groups()
        if not told.isdecimal() or int(told) != held[name]:
            raise ReadingsError(
                f"{name} is '{told}', but the file holds {held[name]} {_COUNTS[name]}",
                where=f"{where}, line {line}",
                fix="Correct the count, or check whether lines are missing.",
            )
    return readings


def write_imrmc(path: Path, readings: Readings) -> None:
    """Write an ``.imrmc`` file.

    Raises:
        ReadingsError: a name holds a comma or a line break, or a reader is called ``-1`` or ``truth``.
    """
    grid = readings.grid()
    for name in [*grid.readers, *grid.modalities, *grid.cases]:
        if "," in name or "\n" in name or name.lower() in ("-1", "truth"):
            raise ReadingsError(f"the name '{name}' cannot stand in .imrmc", where=str(path), fix="Rename it.")
    head = [
        "Written by cutis",
        f"N0:{readings.negatives}",
        f"N1:{readings.positives}",
        f"NR:{len(grid.readers)}",
        f"NM:{len(grid.modalities)}",
        "BEGIN DATA:",
    ]
    truth = [f"-1,{case},truth,{int(positive)}" for case, positive in zip(grid.cases, grid.positive, strict=True)]
    reads = [
        f"{reader},{case},{modality},{number(rating)}"
        for reader, modality, case, _, rating in readings.frame.iter_rows()
    ]
    write_text(path, "\n".join([*head, *truth, *reads]) + "\n")
