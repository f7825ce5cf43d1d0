"""Figures of a study's report: readers as points by group, and each reader's difference between two arms."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cutis.evaluation import Estimate, counted, percent
from cutis.report.drawing import Figure, Plot
from cutis.report.points import Cell
from cutis.study import Analysis, ReaderComparison, ReaderRow

_SHAPES = ("circle", "square", "triangle", "inverted", "pentagon", "cross")
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5)


class GroupMean(NamedTuple):
    """The mean of a group's points with the SD over readers (n−1; None for one reader)."""

    group: str
    readers: int
    sensitivity: float
    sensitivity_sd: float | None
    specificity: float
    specificity_sd: float | None


def group_means(rows: Sequence[ReaderRow], groups: Sequence[str]) -> list[GroupMean]:
    """The mean point of each group, of readers of one arm who read cases of both kinds."""
    found = []
    for group in groups:
        points = [_point(each) for each in rows if (each.group or "") == group or groups == [""]]
        kept = np.array([each for each in points if each is not None])
        if len(kept):
            sd = kept.std(axis=0, ddof=1).tolist() if len(kept) > 1 else [None, None]
            mean = kept.mean(axis=0).tolist()
            found.append(GroupMean(group, len(kept), mean[0], sd[0], mean[1], sd[1]))
    return found


def points_figure(
    arm: str, title: str, rows: Sequence[ReaderRow], groups: Sequence[str], comparison: ReaderComparison | None
) -> Figure:
    """Each reader of an arm as a point, the groups' means with SD bars, and a model's ROC curve with its band.

    Args:
        arm: for the file's name.
        title: the arm's name.
        rows: its readers.
        groups: in their order; ``[""]`` where there are none.
        comparison: with a model on the same cases.
    """
    plot = Plot(width=280, height=280)
    plot.shares("False alarms (1 − specificity), %", "Sensitivity, %")
    plot.stroke("chance", (0, 0), (1, 1))
    table: list[tuple[Cell, ...]] = []
    if comparison is not None:
        if comparison.band is not None:
            band = comparison.band
            plot.area("area", band.false_positive_rate, band.low, band.high)
        roc = comparison.roc
        plot.line("curve", roc.false_positive_rate, roc.sensitivity)
        table += [
            ("curve", comparison.model, None, x, y, None, None, None, None)
            for x, y in zip(roc.false_positive_rate, roc.sensitivity, strict=True)
        ]
    for each in rows:
        point = _point(each)
        if point is None:
            continue
        shape = _SHAPES[(groups.index(each.group or "") if groups != [""] else 0) % len(_SHAPES)]
        _mark(plot, shape, "hollow", 1 - point[1], point[0], 3.6)
        hit, spared = each.sensitivity, each.specificity
        assert hit is not None
        assert spared is not None
        table.append(("reader", each.reader, each.group, 1 - point[1], point[0], hit.low, hit.high, *_turned(spared)))
    means = group_means(rows, groups)
    for mean in means:
        x, y = 1 - mean.specificity, mean.sensitivity
        ends: tuple[float | None, ...] = (None, None, None, None)
        if mean.sensitivity_sd is not None and mean.specificity_sd is not None:
            up, across = mean.sensitivity_sd, mean.specificity_sd
            plot.stroke("cross", (x - across, y), (x + across, y))
            plot.stroke("cross", (x, y - up), (x, y + up))
            ends = (y - up, y + up, x - across, x + across)
        shape = _SHAPES[groups.index(mean.group) % len(_SHAPES)]
        _mark(plot, shape, "point", x, y, 6)
        table.append(("mean ± SD", mean.group or "all readers", mean.group, x, y, *ends))
    if comparison is not None:
        own = comparison.answers
        if own.sensitivity.value is not None and own.specificity.value is not None:
            plot.diamond("dot", 1 - own.specificity.value, own.sensitivity.value)
            table.append(
                (
                    "model",
                    f"{comparison.model}, its answers",
                    None,
                    1 - own.specificity.value,
                    own.sensitivity.value,
                    own.sensitivity.low,
                    own.sensitivity.high,
                    *_turned(own.specificity),
                )
            )
    told = "; ".join(
        f"{each.group or 'all readers'} ({counted(each.readers, 'reader')}): sensitivity {percent(each.sensitivity)}, "
        f"specificity {percent(each.specificity)}"
        for each in means
    )
    return Figure(
        f"readers_{arm}",
        "roc",
        plot.width,
        plot.height,
        f"Readers: {title}",
        f"Mean points: {told}.",
        plot.body,
        ("series", "name", "group", "false_positive_rate", "sensitivity", "low", "high", "left", "right"),
        table,
    )


def points_key(groups: Sequence[str], model: str | None, *, band: bool) -> list[tuple[Figure, str]]:
    """What the marks of :func:`points_figure` mean."""
    marks = []
    for group in groups:
        shape = _SHAPES[groups.index(group) % len(_SHAPES)]
        plot = _small()
        _mark(plot, shape, "hollow", 0.22, 0.5, 3.6)
        plot.stroke("cross", (0.55, 0.5), (1, 0.5))
        _mark(plot, shape, "point", 0.78, 0.5, 5)
        marks.append((_key(plot), f"{group or 'reader'}; mean ± SD"))
    if model is not None:
        plot = _small()
        plot.line("curve", (0, 0.3, 1), (0, 0.7, 1))
        marks.append((_key(plot), f"{model}, its ROC curve"))
        if band:
            plot = _small()
            plot.area("area", (0, 1), (0, 0.5), (0.5, 1))
            marks.append((_key(plot), "its band"))
        plot = _small()
        plot.diamond("dot", 0.5, 0.5)
        marks.append((_key(plot), f"{model}, its answers"))
    return marks


def differences_figure(analysis: Analysis, first: str, second: str, titles: tuple[str, str]) -> Figure | None:
    """Each reader's difference between two arms and their mean, with intervals; None where nobody read in both.

    Args:
        analysis: of the arms.
        first: minuend.
        second: subtrahend.
        titles: of both, in words.
    """
    own = [each for each in analysis.reader_differences if (each.first, each.second) == (first, second)]
    mean = next(each for each in analysis.differences if (each.first, each.second) == (first, second))
    if not own:
        return None
    rows: list[tuple[str, Estimate]] = [
        (each.reader, Estimate(value=each.difference, low=each.low, high=each.high))
        for each in sorted(own, key=lambda each: each.difference)
    ]
    rows.append(("Mean", Estimate(value=mean.difference, low=mean.low, high=mean.high)))
    ends = [end for _, each in rows for end in (each.value, each.low, each.high) if end is not None]
    low, high = min(0.0, *ends), max(0.0, *ends)
    step = next((each for each in _STEPS if (high - low) / each <= 6), _STEPS[-1])
    low, high = step * np.floor(low / step), step * np.ceil(max(high, low + step) / step)
    words = [each if len(each) <= 22 else f"{each[:21]}…" for each, _ in rows]
    plot = Plot((low, high), (0, len(rows)), width=330, height=17 * len(rows), left=16 + 6.2 * max(map(len, words)))
    ticks = [low + step * k for k in range(round((high - low) / step) + 1)]
    names = [(at, f"{at:.2f}".replace("-", "−") if abs(at) > 1e-9 else "0") for at in ticks]
    plot.axes(names, [], f"{titles[0]} − {titles[1]}", "")
    plot.stroke("chance", (0, 0), (0, len(rows)))
    for place, (word, (_, each)) in enumerate(zip(words, rows, strict=True)):
        y = len(rows) - place - 0.5
        last = place == len(rows) - 1
        plot.text(plot.left - 6, plot.y(y) + 4, word, "end", "label")
        if each.low is not None and each.high is not None:
            plot.stroke("cross" if last else "whisker", (each.low, y), (each.high, y))
        assert each.value is not None
        if last:
            plot.diamond("point", each.value, y, 6)
        else:
            plot.dot("dot", each.value, y, 3)
    better = sum(each.difference < 0 for each in own)
    return Figure(
        f"differences_{analysis.endpoint}_{first}_{second}",
        "plot",
        plot.width,
        plot.height,
        f"Readers’ differences: {titles[0]} minus {titles[1]}, {analysis.endpoint_words}",
        f"{better} of {counted(len(own), 'reader')} had the larger figure in {titles[1]}.",
        plot.body,
        ("reader", "difference", "low", "high"),
        [(word, each.value, each.low, each.high) for word, each in rows],
    )


def _point(row: ReaderRow) -> tuple[float, float] | None:
    """Sensitivity and specificity, where both are defined."""
    if row.sensitivity is None or row.specificity is None:
        return None
    if row.sensitivity.value is None or row.specificity.value is None:
        return None
    return row.sensitivity.value, row.specificity.value


def _turned(specificity: Estimate) -> tuple[float | None, float | None]:
    """The interval of the false-positive rate."""
    low, high = (None if end is None else 1 - end for end in (specificity.high, specificity.low))
    return low, high


def _mark(plot: Plot, shape: str, kind: str, x: float, y: float, radius: float) -> None:
    """A group's mark at a point of the axes."""
    a, b, r = plot.x(x), plot.y(y), radius
    if shape == "circle":
        plot.dot(kind, x, y, r)
        return
    if shape == "square":
        around = [(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)]
    elif shape == "cross":
        w = 0.38
        around = [(-w, -1), (w, -1), (w, -w), (1, -w), (1, w), (w, w), (w, 1), (-w, 1), (-w, w), (-1, w), (-1, -w)]
        around.append((-w, -w))
    else:
        corners = 5 if shape == "pentagon" else 3
        turn = np.pi if shape == "inverted" else 0.0
        angles = turn + 2 * np.pi * np.arange(corners) / corners
        around = [(1.15 * float(np.sin(each)), -1.15 * float(np.cos(each))) for each in angles]
    path = " ".join(f"{a + r * p:.1f},{b + r * q:.1f}" for p, q in around)
    plot.parts.append(f'<polygon class="{kind}" points="{path}"/>')


def _small() -> Plot:
    plot = Plot(width=26, height=10, left=4)
    plot.top = 4.0
    return plot


def _key(plot: Plot) -> Figure:
    return Figure("key", "mark", 34, 18, "", "", plot.body, (), [])
