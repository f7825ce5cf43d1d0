"""The readings of a study: one row for each case that a reader read in a modality.

A *modality* is what the reader had before them: an imaging technique, or an arm of the study such as ``unaided`` and
``aided``. A larger rating means more suspect; a binary answer is 0 or 1. A read that was not made is a row that is not
there.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cutis.errors import CutisError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

Design = Literal["factorial", "cases in readers", "cases in modalities", "readers in modalities", "incomplete"]
"""Which reads were made.

- ``factorial``: every reader read every case in every modality.
- ``cases in readers``: each reader read cases of their own, all of them in every modality.
- ``cases in modalities``: each modality had cases of its own, all of them read by every reader.
- ``readers in modalities``: each modality had readers of its own, who all read all cases.
- ``incomplete``: anything else, such as missing reads or groups of readers with their own cases.
"""

COLUMNS = ("reader", "modality", "case", "truth", "rating")
_SCHEMA = {"reader": pl.String, "modality": pl.String, "case": pl.String, "truth": pl.Boolean, "rating": pl.Float64}
_TRUTHS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
_NOT_READ = ("", "na", "nan", "null", "none")


class ReadingsError(CutisError):
    """A table of readings, or a study's design, does not allow what was asked."""


@dataclass(frozen=True)
class Grid:
    """Readings as arrays: I modalities, J readers, K cases.

    ``positive`` K: who has the disease. ``rating`` I×J×K: NaN where the case was not read.
    """

    modalities: list[str]
    readers: list[str]
    cases: list[str]
    positive: Bools
    rating: Floats

    @property
    def read(self) -> Bools:
        """I×J×K, whether the case was read."""
        made: Bools = ~np.isnan(self.rating)
        return made


@dataclass(frozen=True)
class Readings:
    """Valid readings; made by :func:`check_readings` or :func:`cutis.study.read_readings`.

    ``frame`` has the columns ``reader``, ``modality``, ``case`` (text), ``truth`` (Boolean, true: has the disease) and
    ``rating`` (float), one row a read, none twice.
    """

    frame: pl.DataFrame

    @cached_property
    def readers(self) -> list[str]:
        """Names, numbers in their order."""
        return _names(self.frame["reader"])

    @cached_property
    def modalities(self) -> list[str]:
        """Names, numbers in their order."""
        return _names(self.frame["modality"])

    @cached_property
    def cases(self) -> list[str]:
        """Names, numbers in their order."""
        return _names(self.frame["case"])

    @property
    def positives(self) -> int:
        """Cases with the disease."""
        return self.frame.filter(pl.col("truth"))["case"].n_unique()

    @property
    def negatives(self) -> int:
        """Cases without the disease."""
        return self.frame.filter(~pl.col("truth"))["case"].n_unique()

    @property
    def missing(self) -> int:
        """Reads that a factorial design would have and this table has not."""
        return len(self.readers) * len(self.modalities) * len(self.cases) - len(self.frame)

    @cached_property
    def design(self) -> Design:
        """Which reads were made."""
        return design_of(self.grid())

    @property
    def binary(self) -> bool:
        """Whether every rating is 0 or 1."""
        return bool(self.frame["rating"].is_in([0.0, 1.0]).all())

    def only(
        self,
        *,
        readers: Sequence[str] | None = None,
        modalities: Sequence[str] | None = None,
        truth: bool | None = None,
    ) -> "Readings":
        """The readings of some readers, modalities, or of the cases with (or without) the disease.

        Raises:
            ReadingsError: there is no such reader or modality, or nothing is left.
        """
        frame = self.frame
        for column, wanted, known in (("reader", readers, self.readers), ("modality", modalities, self.modalities)):
            if wanted is not None:
                unknown = [each for each in wanted if each not in known]
                if unknown:
                    raise ReadingsError(
                        f"there is no {column} '{unknown[0]}'", fix=f"The {column}s are {', '.join(known[:20])}."
                    )
                frame = frame.filter(pl.col(column).is_in(list(wanted)))
        if truth is not None:
            frame = frame.filter(pl.col("truth") == truth)
        if not len(frame):
            raise ReadingsError("no reading is left of the ones asked for", fix="Check readers, modalities and truth.")
        return Readings(frame)

    def grid(self, *, first_modality: str | None = None) -> Grid:
        """The readings as arrays; ``first_modality`` comes first, the others stay in order.

        Raises:
            ReadingsError: there is no such modality.
        """
        modalities = list(self.modalities)
        if first_modality is not None:
            if first_modality not in modalities:
                raise ReadingsError(
                    f"there is no modality '{first_modality}'", fix=f"The modalities are {', '.join(modalities)}."
                )
            modalities.sort(key=lambda each: each != first_modality)
        places = [_places(self.frame["modality"], modalities), _places(self.frame["reader"], self.readers)]
        places.append(_places(self.frame["case"], self.cases))
        rating = np.full((len(modalities), len(self.readers), len(self.cases)), np.nan)
        rating[places[0], places[1], places[2]] = self.frame["rating"].to_numpy()
        positive = np.zeros(len(self.cases), dtype=bool)
        positive[places[2]] = self.frame["truth"].to_numpy()
        return Grid(modalities, self.readers, self.cases, positive, rating)


def check_readings(
    table: pl.DataFrame, *, where: str = "readings", rows: Sequence[int] | None = None, unit: str = "row"
) -> Readings:
    """Check a table of readings and give its columns their types.

    Args:
        table: columns ``reader``, ``modality``, ``case``, ``truth`` (0/1, true/false) and ``rating`` (a number), as
            text or typed. A row with an empty rating (or ``NA``) is a read that was not made.
        where: the file, for messages.
        rows: each row's number in the file; 1, 2, … when None.
        unit: what ``rows`` counts: ``row`` or ``line``.

    Raises:
        ReadingsError: a column is missing; a reader, modality or case has no name; a truth is not 0 or 1; a rating is
            no finite number; a reader read a case twice in one modality; a case has two truths; there is no read, or
            none of a case with or none of a case without the disease.
    """
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise ReadingsError(
            f"column '{missing[0]}' is missing (found: {', '.join(table.columns[:20])})",
            where=where,
            fix=f"Give the columns {', '.join(COLUMNS)}.",
        )
    numbers = list(rows) if rows is not None else list(range(1, len(table) + 1))
    kept: list[tuple[str, str, str, bool, float]] = []
    problems: list[tuple[int, str]] = []
    seen: dict[tuple[str, str, str], int] = {}
    truths: dict[str, tuple[bool, int]] = {}
    for number, cells in zip(numbers, table.select(COLUMNS).iter_rows(), strict=True):
        try:
            row = _row(*cells)
        except ValueError as problem:
            problems.append((number, str(problem)))
            continue
        reader, modality, case, truth, rating = row
        first = seen.setdefault((reader, modality, case), number)
        known, at = truths.setdefault(case, (truth, number))
        if first != number:
            problems.append((number, f"reader '{reader}' read case '{case}' in '{modality}' in {unit} {first} already"))
        elif known != truth:
            problems.append((number, f"case '{case}' has truth {int(truth)}, and {int(known)} in {unit} {at}"))
        elif not math.isnan(rating):
            kept.append(row)
    refuse_rows(problems, where=where, unit=unit)
    frame = pl.DataFrame(kept, schema=_SCHEMA, orient="row")
    if frame["truth"].n_unique() < 2:
        what = "no read" if not len(frame) else f"no read of a case with truth {int(not frame['truth'][0])}"
        raise ReadingsError(f"there is {what}", where=where, fix="Give reads of cases with and without the disease.")
    return Readings(frame)


def refuse_rows(problems: Sequence[tuple[int, str]], *, where: str, unit: str) -> None:
    """Raise one error for all malformed rows: the count and the first ten, each with its number; none, no error.

    Raises:
        ReadingsError: there is a problem.
    """
    if problems:
        told = "; ".join(f"{unit} {number}: {problem}" for number, problem in problems[:10])
        more = f"; and {len(problems) - 10:,} more" if len(problems) > 10 else ""
        rows = f"{len(problems):,} {unit}{'s' if len(problems) > 1 else ''}"
        raise ReadingsError(f"{rows} cannot be used: {told}{more}", where=where, fix="Correct them.")


def design_of(grid: Grid) -> Design:
    """Which reads were made."""
    read = grid.read
    if read.all():
        return "factorial"
    by_reader: Bools = np.logical_or.reduce(read, axis=0)  # J×K
    by_modality: Bools = np.logical_or.reduce(read, axis=1)  # I×K
    if (by_reader.sum(axis=0) == 1).all() and (read == by_reader[None]).all():
        return "cases in readers"
    if (by_modality.sum(axis=0) == 1).all() and (read == by_modality[:, None]).all():
        return "cases in modalities"
    cells: Bools = np.logical_or.reduce(read, axis=2)  # I×J
    if (cells.sum(axis=0) == 1).all() and (read == cells[:, :, None]).all():
        return "readers in modalities"
    return "incomplete"


def _row(*cells: Any) -> tuple[str, str, str, bool, float]:
    names = ["" if cell is None else str(cell).strip() for cell in cells[:3]]
    for column, name in zip(COLUMNS, names, strict=False):
        if not name:
            raise ValueError(f"{column} is empty")
    truth = _TRUTHS.get(str(cells[3]).strip().lower()) if cells[3] is not None else None
    if truth is None:
        raise ValueError(f"truth is '{'' if cells[3] is None else cells[3]}', not 0 or 1")
    return names[0], names[1], names[2], truth, _rating(cells[4])


def _rating(cell: Any) -> float:
    text = "" if cell is None else str(cell).strip()
    if text.lower() in _NOT_READ:
        return math.nan
    try:
        rating = float(text)
    except ValueError:
        raise ValueError(f"rating '{text}' is not a number") from None
    if not math.isfinite(rating):
        raise ValueError(f"rating '{text}' is not finite")
    return rating


def _names(column: pl.Series) -> list[str]:
    def natural(name: str) -> tuple[tuple[bool, float, str], ...]:
        parts = re.split(r"(\d+)", name)
        return tuple((not part.isdecimal(), float(part) if part.isdecimal() else 0.0, part) for part in parts if part)

    return sorted(column.unique().to_list(), key=natural)


def _places(column: pl.Series, names: list[str]) -> NDArray[np.int64]:
    number = {name: place for place, name in enumerate(names)}
    return np.array([number[each] for each in column], dtype=np.int64)
