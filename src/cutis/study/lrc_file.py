"""Readings as `.lrc`, the text format of the Iowa programs OR-DBM MRMC and of LABMRMC.

A description; then for each reader: the name, and for the first reader the modalities' names and a line with ``L`` (a
larger rating is more suspect) or ``S`` (a smaller one is) for each; one line a case without the disease, with one
rating a modality and after them, optionally, the case's name; ``*``; the same for cases with the disease; ``*``. ``#``
ends the file.
"""

import re
from pathlib import Path

import polars as pl

from cutis.files import write_text
from cutis.study.long_csv import number
from cutis.study.readings import Readings, ReadingsError, check_readings


class _Lines:
    """The file's lines that are not blank, with their numbers."""

    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        self.path = path
        self.rest = [(line, each.strip()) for line, each in enumerate(text, start=1) if each.strip()]
        self.line = 0

    def next(self, what: str) -> str:
        if not self.rest:
            raise ReadingsError(f"ends where {what} should follow", where=str(self.path), fix="End the file with '#'.")
        self.line, text = self.rest.pop(0)
        return text

    def wrong(self, problem: str, fix: str) -> ReadingsError:
        return ReadingsError(problem, where=f"{self.path}, line {self.line}", fix=fix)


def read_lrc(path: Path) -> Readings:
    """Read an ``.lrc`` file. Ratings of which a smaller one is more suspect (``S``) change their sign.

    A case is named by what follows its ratings, where that differs from case to case, else by its number.

    Raises:
        ReadingsError: a line is malformed, readers have different numbers of cases, or the end is missing.
    """
    lines = _Lines(path)
    lines.next("a description")
    name = lines.next("a reader")
    modalities = _modalities(lines.next("the modalities' names"))
    signs = _signs(lines, len(modalities))
    blocks: list[tuple[str, list[tuple[list[float], str]], list[tuple[list[float], str]]]] = []
    while True:
        blocks.append((name, _ratings(lines, signs), _ratings(lines, signs)))
        name = lines.next("a further reader or '#'")
        if name == "#":
            break
    cases = _case_names(path, blocks)
    rows = [
        (reader, modality, case, truth, rating)
        for reader, *parts in blocks
        for truth, part in enumerate(parts)
        for (ratings, _), case in zip(part, cases[truth], strict=True)
        for modality, rating in zip(modalities, ratings, strict=True)
    ]
    table = pl.DataFrame(rows, schema=["reader", "modality", "case", "truth", "rating"], orient="row")
    return check_readings(table, where=str(path))


def write_lrc(path: Path, readings: Readings) -> None:
    """Write an ``.lrc`` file, larger ratings being more suspect.

    Raises:
        ReadingsError: the readings are not factorial (the format has no place for missing reads), or a modality's name
            holds a quotation mark.
    """
    if readings.design != "factorial":
        raise ReadingsError(
            f".lrc holds factorial readings only, these are {readings.design}",
            where=str(path),
            fix="Write .csv or .imrmc.",
        )
    grid = readings.grid()
    if any('"' in modality for modality in grid.modalities):
        raise ReadingsError("a modality's name holds a quotation mark", where=str(path), fix="Rename it.")
    lines = ["Written by cutis"]
    for j, reader in enumerate(grid.readers):
        lines.append(reader)
        if j == 0:
            lines += [" ".join(f'"{modality}"' for modality in grid.modalities), " ".join("L" for _ in grid.modalities)]
        for truth in (False, True):
            for k in (grid.positive == truth).nonzero()[0]:
                lines.append(" ".join([*(number(rating) for rating in grid.rating[:, j, k]), grid.cases[k]]))
            lines.append("*")
    write_text(path, "\n".join([*lines, "#"]) + "\n")


def _modalities(text: str) -> list[str]:
    return re.findall(r'"([^"]*)"', text) or text.split()


def _signs(lines: _Lines, count: int) -> list[int]:
    words = lines.next("a line of L and S").upper().split()
    if len(words) != count or not set(words) <= {"L", "S", "LARGE", "SMALL", "LARGER", "SMALLER"}:
        raise lines.wrong(
            f"'{' '.join(words)}' does not say of {count} modalities whether larger (L) or smaller (S) is more suspect",
            "Write L or S for each modality.",
        )
    return [1 if word.startswith("L") else -1 for word in words]


def _ratings(lines: _Lines, signs: list[int]) -> list[tuple[list[float], str]]:
    """One block up to ``*``: each case's ratings, and what follows them."""
    rows: list[tuple[list[float], str]] = []
    while (text := lines.next("'*'")) != "*":
        cells = text.split(maxsplit=len(signs))
        try:
            ratings = [sign * float(cell) + 0.0 for sign, cell in zip(signs, cells[: len(signs)], strict=True)]
        except ValueError:
            raise lines.wrong(f"'{text}' does not begin with {len(signs)} ratings", "Correct the line.") from None
        rows.append((ratings, cells[len(signs)] if len(cells) > len(signs) else ""))
    return rows


def _case_names(
    path: Path, blocks: list[tuple[str, list[tuple[list[float], str]], list[tuple[list[float], str]]]]
) -> list[list[str]]:
    """The names of cases without, and of those with the disease."""
    _, *first = blocks[0]
    told = [[name for _, name in part] for part in first]
    named = len(set(told[0] + told[1]) - {""}) == len(told[0]) + len(told[1])
    for reader, *parts in blocks[1:]:
        names = [[name for _, name in part] for part in parts]
        if [len(each) for each in names] != [len(each) for each in told] or (named and names != told):
            raise ReadingsError(
                f"reader '{reader}' has other cases than reader '{blocks[0][0]}'",
                where=str(path),
                fix="Give every reader the same cases in the same order.",
            )
    if named:
        return told
    without, with_ = (len(part) for part in told)
    return [[str(k + 1) for k in range(without)], [str(without + k + 1) for k in range(with_)]]
