"""The points of a drawn curve, for the page's script: the same numbers as in the figure's CSV, only shorter.

Shares and net benefits are whole ten-thousandths, each given as the step from the one before; thresholds have three
digits. Both are finer than any screen shows.
"""

from collections.abc import Sequence

import numpy as np

from cutis.report.inline import inline_json

Cell = str | float | int | None
Axes = tuple[float, float, float, float, float, float, float, float]
"""Left, top, width and height of a plot's field in the drawing, and the ends of its axes: x low, high, y low, high."""

_KINDS = {
    "roc": ("false_positive_rate", "sensitivity"),
    "precision_recall": ("recall", "precision"),
    "reliability": ("mean_probability", "share"),
    "decision": ("threshold", "model"),
}
_ENDS = {"reliability": ("share_low", "share_high"), "decision": ("model_low", "model_high")}
_DOTS = {"answers": "The answers", "mean": "Mean of the readers"}


def points_json(
    columns: Sequence[str], rows: Sequence[Sequence[Cell]], axes: Axes, prevalence: float | None = None
) -> str:
    """A figure's numbers as the script reads them: ``kind``, ``axes``, ``x``, ``y`` and what is told beside them.

    Args:
        columns: of the figure; they tell what kind it is.
        rows: its numbers.
        axes: where the plot's field lies.
        prevalence: share of positives, 0 to 1, at which predictive values are told first; None tells none.
    """
    kind = next(kind for kind, needed in _KINDS.items() if set(needed) <= set(columns))
    x, y = _KINDS[kind]
    every = [dict(zip(columns, row, strict=True)) for row in rows]
    curve = [row for row in every if row.get("series", "curve") == "curve"]
    told: dict[str, object] = {"kind": kind, "axes": axes, "x": _fine(curve, x), "y": _fine(curve, y)}
    if kind in _ENDS:
        told |= {name: _fine(curve, column) for name, column in zip(("low", "high"), _ENDS[kind], strict=True)}
    if kind in ("roc", "precision_recall"):
        told["threshold"] = [None if row["threshold"] is None else float(f"{row['threshold']:.3g}") for row in curve]
        told["dots"] = [_dot(row, x, y) for row in every if row["series"] not in ("curve", "band")]
    if kind == "reliability":
        told |= {"images": [row["images"] for row in curve]}
        told |= {name: _fine(curve, column) for name, column in (("from", "bin_low"), ("to", "bin_high"))}
    if kind == "decision":
        told["all"] = _fine(curve, "all")
    band = [row for row in every if row.get("series") == "band"]
    if band:
        at, *ends = (np.array([row[name] for row in band], dtype=float) for name in (x, "low", "high"))
        here = np.array([row[x] for row in curve], dtype=float)
        told |= {
            name: _steps(np.interp(here, at, end).tolist()) for name, end in zip(("low", "high"), ends, strict=True)
        }
    if prevalence is not None:
        told["prevalence"] = float(f"{prevalence:.3g}")
    return inline_json(told)


def _fine(rows: Sequence[dict[str, Cell]], column: str) -> list[int | None]:
    """A column as steps."""
    return _steps([None if (value := row[column]) is None else float(value) for row in rows])


def _steps(values: Sequence[float | None]) -> list[int | None]:
    """Each value less the one before, in ten-thousandths; None stays None and is stepped over."""
    steps: list[int | None] = []
    before = 0
    for value in values:
        if value is None:
            steps.append(None)
            continue
        whole = round(1e4 * value)
        steps.append(whole - before)
        before = whole
    return steps


def _dot(row: dict[str, Cell], x: str, y: str) -> dict[str, Cell]:
    """A point beside the curve, with its name and the intervals of both its figures where the figure has them."""
    dot: dict[str, Cell] = {"name": row.get("name") or _DOTS.get(str(row["series"]), str(row["series"]))}
    for name, column in (("x", x), ("y", y), ("low", "low"), ("high", "high"), ("left", "left"), ("right", "right")):
        value = row.get(column)
        if value is not None:
            dot[name] = round(1e4 * float(value))
    return dot
