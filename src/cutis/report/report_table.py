"""A table of figures in one form for page, PDF, LaTeX and CSV: cells are values, columns say how they are written."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from cutis.evaluation import NOT_DEFINED, Estimate, p_words
from cutis.report.latex import LatexTable

Value = str | float | int | Estimate | None
Kind = Literal["words", "count", "percent", "decimal", "difference", "ratio", "coefficient", "seconds", "p", "small"]
"""How a column is written: ``percent`` 0.8213 as 82.1, ``decimal`` 0.821, ``difference`` +0.044, ``ratio`` 1.82,
``coefficient`` 0.62 (signed), ``seconds`` 12.3, ``p`` 0.03, ``small`` 0.00153 (a variance)."""


class Column(NamedTuple):
    """A column's head and how its values are written."""

    head: str
    kind: Kind = "words"


class Told(NamedTuple):
    """A cell in words: the figure, and beside or below it its interval; empty where there is none."""

    main: str
    beside: str


@dataclass(frozen=True)
class ReportTable:
    """A table.

    Attributes:
        name: what its files are called, without ending.
        caption: what its figures are.
        columns: from left to right; the first names the rows.
        rows: their values, an :class:`Estimate` where a figure has an interval.
        strong: which rows are sums or means of the others, by place.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Value]]
    strong: frozenset[int] = frozenset()

    def told(self) -> list[list[Told]]:
        """The cells in words."""
        return [
            [told(value, column.kind) for value, column in zip(row, self.columns, strict=True)] for row in self.rows
        ]

    def tex(self) -> str:
        """As LaTeX, for the package booktabs."""
        cells = [[f"{each.main} [{each.beside}]" if each.beside else each.main for each in row] for row in self.told()]
        plain = [
            [each.replace("−", "–") for each in row] for row in cells
        ]  # LaTeX has no such sign outside of formulas
        return LatexTable(self.name, self.caption, [each.head for each in self.columns], plain).tex()

    def csv(self) -> str:
        """The values as numbers; an interval as two columns of its own."""
        spread = [any(isinstance(row[k], Estimate) for row in self.rows) for k in range(len(self.columns))]
        head = []
        for column, wide in zip(self.columns, spread, strict=True):
            name = re.sub(r"\W+", "_", column.head.lower()).strip("_") or "name"
            head += [name, f"{name}_low", f"{name}_high"] if wide else [name]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(head)
        for row in self.rows:
            cells: list[str | float | int | None] = []
            for value, wide in zip(row, spread, strict=True):
                if isinstance(value, Estimate):
                    cells += [value.value, value.low, value.high]
                else:
                    cells += [value, None, None] if wide else [value]
            writer.writerow(cells)
        return text.getvalue()


def told(value: Value, kind: Kind) -> Told:
    """A value in words; a dash where there is none."""
    if isinstance(value, Estimate):
        if value.low is None or value.high is None:
            return Told(_number(value.value, kind), "")
        low, high = (_number(end, kind) for end in (value.low, value.high))
        joint = " to " if kind in ("difference", "coefficient") or value.low < 0 else "–"
        return Told(_number(value.value, kind), f"{low}{joint}{high}")
    if value is None or isinstance(value, str):
        return Told(NOT_DEFINED if value is None else value, "")
    return Told(_number(value, kind), "")


def _number(value: float | None, kind: Kind) -> str:
    if value is None:
        return NOT_DEFINED
    if kind == "p":
        return p_words(value).removeprefix("p ").removeprefix("= ")
    text = {
        "words": lambda: f"{value:g}",
        "count": lambda: f"{value:,.0f}",
        "percent": lambda: f"{100 * value:.1f}",
        "decimal": lambda: f"{value:.3f}",
        "difference": lambda: f"{value:+.3f}",
        "ratio": lambda: f"{value:.2f}",
        "coefficient": lambda: f"{value:.2f}",
        "seconds": lambda: f"{value:.1f}",
        "small": lambda: f"{value:.5f}",
    }[kind]()
    return text.replace("-", "−")
