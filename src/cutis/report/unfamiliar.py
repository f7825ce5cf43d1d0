"""The figure of refusing strange images: accuracy of those that are left, by the share refused."""

from collections.abc import Iterator
from typing import Literal

from cutis.evaluation import Evaluation, Refusal, RefusalCurve, percent
from cutis.report.drawing import Figure, Plot
from cutis.report.points import Cell


def refusals(evaluation: Evaluation) -> list[Refusal]:
    """All images, then each data set where there are several; none where no score was given."""
    section = evaluation.unfamiliarity
    return [] if section is None else [section.overall, *section.by_source]


def refusal_figure(refusal: Refusal) -> Figure:
    """Accuracy when the strangest images are refused first (with its intervals), and when the least sure are."""
    strange, unsure = refusal.strangest_first, refusal.least_sure_first
    drawn = [value for curve in (strange, unsure) for each in curve.accuracy for value in (each.value, each.low)]
    bottom = min((value for value in drawn if value is not None), default=0.0)
    floor = max(0.0, int(10 * bottom - 1e-9) / 10)
    plot = Plot((0, 0.95), (floor, 1), width=280)
    step = 0.1 if 1 - floor <= 0.51 else 0.2 if floor else 0.25
    marks = [1 - n * step for n in range(6) if 1 - n * step >= floor - 1e-9]
    plot.axes(
        [(each, f"{100 * each:.0f}") for each in (0, 0.25, 0.5, 0.75)],
        [(each, f"{100 * each:.0f}") for each in marks],
        "Images refused, %",
        "Accuracy of the rest, %",
    )
    x, low = _points(strange, "low")
    _, high = _points(strange, "high")
    plot.area("area", x, low, high)
    right = 1 - (refusal.error.value or 0.0)
    plot.stroke("chance", (0, right), (0.95, right))
    plot.line("other", *_points(unsure, "value"))
    plot.line("curve", *_points(strange, "value"))
    source = "" if refusal.source is None else f": {refusal.source}"
    told = (
        f"{percent(right)} of {refusal.images:,} images are answered rightly. With a fifth refused: "
        f"{_at(strange, 0.2)} when the strangest go first, {_at(unsure, 0.2)} when the least sure do."
    )
    rows: list[tuple[Cell, ...]] = [
        (name, share, each.value, each.low, each.high)
        for name, curve in (("strangest_first", strange), ("least_sure_first", unsure))
        for share, each in zip(curve.refused, curve.accuracy, strict=True)
    ]
    name = "refusal" if refusal.source is None else f"refusal_{refusal.source}"
    columns = ("series", "refused", "accuracy", "low", "high")
    title = f"Accuracy by share of images refused{source}"
    return Figure(name, "plot broad", plot.width, plot.height, title, told, plot.body, columns, rows)


def unfamiliarity_figures(evaluation: Evaluation) -> Iterator[Figure]:
    """All of these figures that the evaluation has."""
    yield from (refusal_figure(each) for each in refusals(evaluation))


def _points(curve: RefusalCurve, end: Literal["value", "low", "high"]) -> tuple[list[float], list[float]]:
    """The shares refused and a line over them; where there is no interval its ends are the value."""
    points = [
        (share, each.value if getattr(each, end) is None else float(getattr(each, end)))
        for share, each in zip(curve.refused, curve.accuracy, strict=True)
        if each.value is not None
    ]
    return [share for share, _ in points], [value for _, value in points]


def _at(curve: RefusalCurve, refused: float) -> str:
    place = min(range(len(curve.refused)), key=lambda at: abs(curve.refused[at] - refused))
    return percent(curve.accuracy[place].value)
