"""Human against machine: one page, and the figures a paper takes from it."""

from importlib import metadata
from pathlib import Path

from markupsafe import Markup

from cutis.evaluation import (
    Estimate,
    counted,
    decimal,
    joined,
    percent,
)
from cutis.files import write_json, write_text
from cutis.report.drawing import Figure, Plot
from cutis.report.inline import page_policy, shipped_script
from cutis.report.page_environment import TEMPLATES, page_environment
from cutis.report.paper import free_path
from cutis.report.points import Cell
from cutis.study import Matrix, ReaderComparison, reader_comparison_paragraph

_COLUMNS = (
    "series",
    "name",
    "false_positive_rate",
    "sensitivity",
    "low",
    "high",
    "left",
    "right",
    "threshold",
)


def write_human_machine(comparison: ReaderComparison, folder: str | Path, *, title: str = "") -> list[Path]:
    """Write ``human_machine.html``, ``human_machine.json``, and the figures as SVG and CSV in ``figures``.

    Args:
        comparison: of :func:`cutis.study.compare_with_readers`.
        folder: where, made if it is not there; files of other names stay.
        title: the page's heading; by default who is compared with whom.

    Returns:
        The files written, the page first.

    Raises:
        CutisError: a file cannot be written.
    """
    folder = Path(folder)
    roc = readers_figure(comparison)
    matrices = [matrix_figure(each, comparison.labels) for each in comparison.matrices]
    environment = page_environment()
    environment.globals.update(
        points=_points,
        points_interval=_points_interval,
    )
    script = shipped_script(TEMPLATES / "figures.js")
    html = environment.get_template("human_machine.html.jinja").render(
        title=title or f"{counted(comparison.mean.readers, 'reader')} and {comparison.model}",
        comparison=comparison,
        confidence=f"{100 * comparison.intervals.confidence:g}%",
        clusters=joined([counted(number, kind) for kind, number in comparison.intervals.clusters.items()]),
        paragraph=reader_comparison_paragraph(comparison),
        roc=roc,
        matrices=matrices,
        policy=page_policy(script),
        script=Markup(script),  # noqa: S704 - our own file
        version=metadata.version("cutis"),
    )
    written: dict[Path, str] = {}
    for figure in (roc, *matrices):
        path = free_path(folder / "figures", figure.name, ".svg", written)
        written[path] = figure.svg()
        written[path.with_suffix(".csv")] = figure.csv()
    page, result = folder / "human_machine.html", folder / "human_machine.json"
    write_text(page, html)
    write_json(result, comparison.model_dump(mode="json"))
    for path, text in written.items():
        write_text(path, text)
    return [page, result, *written]


def readers_figure(comparison: ReaderComparison) -> Figure:
    """The model's ROC curve with its band, each reader's point, and the readers' mean with SD bars."""
    plot = Plot(width=320, height=320)
    plot.shares("False alarms (1 − specificity), %", "Sensitivity, %")
    plot.stroke("chance", (0, 0), (1, 1))
    rows: list[tuple[Cell, ...]] = [
        ("curve", comparison.model, x, y, None, None, None, None, threshold)
        for x, y, threshold in zip(
            comparison.roc.false_positive_rate, comparison.roc.sensitivity, comparison.roc.threshold, strict=True
        )
    ]
    band = comparison.band
    if band is not None:
        plot.area("area", band.false_positive_rate, band.low, band.high)
        rows += [
            ("band", comparison.model, x, None, low, high, None, None, None)
            for x, low, high in zip(band.false_positive_rate, band.low, band.high, strict=True)
        ]
    plot.line("curve", comparison.roc.false_positive_rate, comparison.roc.sensitivity)
    for each in comparison.readers:
        alarm, hit = _turned(each.specificity), each.sensitivity
        assert alarm.value is not None  # every reader read cases of both kinds
        assert hit.value is not None
        plot.dot("hollow reader", alarm.value, hit.value, 4)
        rows.append(
            ("reader", each.reader, alarm.value, hit.value, hit.low, hit.high, alarm.low, alarm.high, None),
        )
    own = comparison.answers
    alarm = _turned(own.specificity)
    if alarm.value is not None and own.sensitivity.value is not None:
        plot.diamond("dot", alarm.value, own.sensitivity.value)
        words = f"{comparison.model}, its answers"
        ends = (own.sensitivity.low, own.sensitivity.high, alarm.low, alarm.high)
        rows.append(("model", words, alarm.value, own.sensitivity.value, *ends, None))
    mean = comparison.mean
    x, y = 1 - mean.specificity, mean.sensitivity
    across, up = mean.specificity_sd, mean.sensitivity_sd
    if across is not None and up is not None:
        plot.stroke("cross", (x - across, y), (x + across, y))
        plot.stroke("cross", (x, y - up), (x, y + up))
        rows.append(("mean", "Mean of the readers ± SD", x, y, y - up, y + up, x - across, x + across, None))
    else:
        rows.append(("mean", "Mean of the readers", x, y, None, None, None, None, None))
    plot.dot("point", x, y, 5)
    told = (
        f"Area {decimal(comparison.auc.value)}. {counted(mean.readers, 'reader')}: mean sensitivity "
        f"{percent(mean.sensitivity)}, mean specificity {percent(mean.specificity)}; {comparison.on_or_above} on or "
        f"above the curve, {comparison.below} below."
    )
    title = f"ROC curve of {comparison.model} with readers: {comparison.positive} against {comparison.negative}"
    share = comparison.positives / comparison.cases
    return Figure(
        "roc_readers",
        "roc broad",
        plot.width,
        plot.height,
        title,
        told,
        plot.body,
        _COLUMNS,
        rows,
        plot.axes_at,
        share,
    )


def matrix_figure(matrix: Matrix, labels: list[str]) -> Figure:
    """A confusion matrix: counts, shaded by their share of the row. Answers are numbered as the rows are."""
    words = [f"{k} {label if len(label) <= 26 else label[:25] + '…'}" for k, label in enumerate(labels, 1)]
    side, left, top = 36, 14 + 5.9 * max(len(each) for each in words), 30
    plot = Plot()
    cells: list[str] = []
    rows: list[tuple[Cell, ...]] = []
    for i, (label, counts) in enumerate(zip(labels, matrix.counts, strict=True)):
        plot.text(left - 6, top + side * (i + 0.5) + 4, words[i], "end", "label")
        plot.text(left + side * (i + 0.5), top - 6, str(i + 1), "middle", "label")
        total = sum(counts)
        for j, count in enumerate(counts):
            share = count / total if total else None
            cells.append(
                f'<rect class="cell" x="{left + side * j:.1f}" y="{top + side * i}" width="{side - 1}" '
                f'height="{side - 1}" fill-opacity="{0.04 + 0.46 * (share or 0):.3f}"/>'
            )
            plot.text(left + side * (j + 0.5), top + side * (i + 0.5) + 4, f"{count:,}", "middle", "label")
            rows.append((matrix.name, label, labels[j], count, share))
    width = left + side * len(labels) + 8
    plot.text(left + side * len(labels) / 2, 12, "Answer")
    right, every = sum(row[k] for k, row in enumerate(matrix.counts)), sum(map(sum, matrix.counts))
    return Figure(
        f"confusion_{matrix.name}",
        "plot matrix",
        width,
        top + side * len(labels) + 6,
        f"Confusion matrix: {matrix.name}",
        f"{right:,} of {every:,} answers are right.",
        "".join(cells) + plot.body,
        ("name", "truth", "answer", "cases", "share_of_row"),
        rows,
    )


def _turned(specificity: Estimate) -> Estimate:
    """The false-positive rate."""
    value, low, high = (
        None if each is None else 1 - each for each in (specificity.value, specificity.high, specificity.low)
    )
    return Estimate(value=value, low=low, high=high)


def _points(difference: Estimate) -> str:
    """``0.0412`` as ``"+4.1"``: percentage points."""
    return "–" if difference.value is None else f"{100 * difference.value:+.1f}".replace("-", "−")


def _points_interval(difference: Estimate) -> str:
    if difference.low is None or difference.high is None:
        return "–"
    return " to ".join(f"{100 * each:.1f}".replace("-", "−") for each in (difference.low, difference.high))
