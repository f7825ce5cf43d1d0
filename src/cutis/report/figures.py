"""The curves of an evaluation: ROC, precision-recall, reliability and decision curves."""

from collections.abc import Iterator

from markupsafe import Markup

from cutis.evaluation import (
    ClassResult,
    DecisionCurvePoints,
    Estimate,
    Evaluation,
    Malignancy,
    PrecisionRecallPoints,
    ReliabilityCurve,
    RocBandPoints,
    RocPoints,
    decimal,
    percent,
)
from cutis.report.drawing import Figure, Plot, small_svg
from cutis.report.points import Cell

MALIGNANT = "Malignant against benign"


def roc_figure(each: ClassResult, images: int) -> Figure | None:
    """The ROC curve of one class with its band and the point at which the model answers.

    None where the class has no curve: all images show it, or none does.
    """
    if each.roc is None:
        return None
    answered = (each.sensitivity, each.specificity)
    return _roc(f"roc_{each.id}", each.name, each.roc, each.roc_band, each.auc, answered, each.images / images)


def malignancy_roc_figure(section: Malignancy) -> Figure | None:
    """The same of the summed probability of malignancy; None where one kind of lesion is missing."""
    if section.roc is None:
        return None
    answered = (section.sensitivity, section.specificity)
    share = section.own_prevalence.prevalence
    return _roc("roc_malignancy", MALIGNANT, section.roc, section.roc_band, section.auc, answered, share)


def precision_recall_figure(each: ClassResult, images: int) -> Figure | None:
    """The precision-recall curve of one class, with what guessing would give; None where it has none."""
    if each.precision_recall is None:
        return None
    answered = (each.sensitivity, each.positive_predictive_value)
    share = each.images / images
    return _precision_recall(
        f"precision_recall_{each.id}", each.name, each.precision_recall, each.average_precision, answered, share
    )


def malignancy_precision_recall_figure(section: Malignancy) -> Figure | None:
    """The same of the summed probability of malignancy; None where one kind of lesion is missing."""
    if section.precision_recall is None:
        return None
    answered = (section.sensitivity, section.own_prevalence.positive_predictive_value)
    share = section.own_prevalence.prevalence
    return _precision_recall(
        "precision_recall_malignancy",
        MALIGNANT,
        section.precision_recall,
        section.average_precision,
        answered,
        share,
    )


def reliability_figure(curve: ReliabilityCurve, name: str, title: str) -> Figure:
    """What happened against what was said, one dot a bin with its interval; its area shows how many images it holds."""
    plot = Plot()
    plot.shares("Said, %", "Happened, %")
    plot.stroke("chance", (0, 0), (1, 1))
    points = list(
        zip(curve.mean_probability, curve.share, curve.share_low, curve.share_high, curve.images, strict=True)
    )
    most = max(curve.images, default=1)
    for said, share, low, high, images in points:
        plot.stroke("whisker", (said, low), (said, high))
        plot.dot("dot", said, share, 2 + 2.5 * (images / most) ** 0.5)
    farthest = max(points, key=lambda point: abs(point[0] - point[1]), default=None)
    told = f"{len(points)} bins of {sum(curve.images):,} images."
    if farthest is not None:
        told += f" Farthest from the diagonal: said {percent(farthest[0])}, happened {percent(farthest[1])}."
    columns = ("mean_probability", "share", "share_low", "share_high", "images", "bin_low", "bin_high")
    rows: list[tuple[Cell, ...]] = [(*point, *ends) for point, *ends in zip(points, curve.low, curve.high, strict=True)]
    words = f"Reliability: {title}"
    return Figure(name, "plot", plot.width, plot.height, words, told, plot.body, columns, rows, plot.axes_at)


def decision_figure(section: Malignancy) -> Figure | None:
    """Net benefit by threshold, against calling all and none; None where one kind of lesion is missing."""
    curve: DecisionCurvePoints = section.decision_curve
    model = [each.value for each in curve.model]
    if section.roc is None or any(value is None for value in model):
        return None
    values = [value or 0.0 for value in model]
    share = section.own_prevalence.prevalence
    top = max(0.05, share, *values) * 1.06
    floor = -top / 4
    plot = Plot((0, 1), (floor, top), width=280, left=54)
    step = next(each for each in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25) if top / each <= 5)
    marks = [n * step for n in range(-2, 6) if floor <= n * step <= top]
    plot.axes(
        [(0, "0"), (0.25, "25"), (0.5, "50"), (0.75, "75"), (1, "100")],
        [(each, f"{each:.2f}") for each in marks],
        "Threshold: least chance that is acted on, %",
        "Net benefit",
    )
    low = [value if each.low is None else each.low for value, each in zip(values, curve.model, strict=True)]
    high = [value if each.high is None else each.high for value, each in zip(values, curve.model, strict=True)]
    plot.area("area", curve.threshold, low, high)
    plot.line("other", [0, 1], [0, 0])
    for kind, line in (("chance", curve.treat_all), ("curve", values)):
        for run in _runs_above(line, floor):
            plot.line(kind, [curve.threshold[at] for at in run], [line[at] for at in run])
    better = [
        at
        for at, value, every in zip(curve.threshold, values, curve.treat_all, strict=True)
        if value > max(every, 0.0) + 1e-9
    ]
    told = (
        f"The model is worth more than calling all or none malignant at {len(better)} of {len(values)} thresholds"
        + (f", from {percent(min(better))} to {percent(max(better))}." if better else ".")
    )
    rows: list[tuple[Cell, ...]] = [
        (at, each.value, each.low, each.high, every, 0.0)
        for at, each, every in zip(curve.threshold, curve.model, curve.treat_all, strict=True)
    ]
    columns = ("threshold", "model", "model_low", "model_high", "all", "none")
    title = "Decision curve: malignant against benign"
    return Figure(
        "decision_curve", "plot broad", plot.width, plot.height, title, told, plot.body, columns, rows, plot.axes_at
    )


def curve_figures(evaluation: Evaluation) -> Iterator[Figure]:
    """All curves that the evaluation has."""
    section = evaluation.malignancy
    if section is not None:
        found = (malignancy_roc_figure(section), malignancy_precision_recall_figure(section), decision_figure(section))
        yield from (each for each in found if each is not None)
    for each in evaluation.by_class:
        curves = (roc_figure(each, evaluation.images), precision_recall_figure(each, evaluation.images))
        yield from (curve for curve in curves if curve is not None)
    calibration = evaluation.calibration
    yield reliability_figure(calibration.top_label, "reliability_answers", "the answers")
    if calibration.malignancy is not None:
        yield reliability_figure(calibration.malignancy, "reliability_malignancy", MALIGNANT)
    for result, each_class in zip(calibration.by_class, evaluation.by_class, strict=True):
        yield reliability_figure(result.curve, f"reliability_{result.id}", each_class.name)


def interval_figure(estimate: Estimate, label: str) -> Markup:
    """A share as a dot on a line from 0 to 100%, its interval as a bar; an empty line where not defined."""
    parts = ['<line class="axis" x1="4" y1="8" x2="104" y2="8"/>']
    parts += [f'<line class="axis" x1="{4 + x}" y1="5" x2="{4 + x}" y2="11"/>' for x in (0, 50, 100)]
    if estimate.low is not None and estimate.high is not None:
        low, high = 4 + 100 * estimate.low, 4 + 100 * estimate.high
        parts.append(f'<line class="interval" x1="{low:.1f}" y1="8" x2="{high:.1f}" y2="8"/>')
    if estimate.value is not None:
        parts.append(f'<circle class="dot" cx="{4 + 100 * estimate.value:.1f}" cy="8" r="3.5"/>')
    return small_svg("estimate", 108, 16, f"{label}: {percent(estimate.value)}", parts)


def _roc(
    name: str,
    title: str,
    curve: RocPoints,
    band: RocBandPoints | None,
    auc: Estimate,
    answered: tuple[Estimate, Estimate],
    prevalence: float,
) -> Figure:
    plot = Plot()
    plot.shares("False alarms, %", "Sensitivity, %")
    plot.stroke("chance", (0, 0), (1, 1))
    rows: list[tuple[Cell, ...]] = [
        ("curve", x, y, None, None, threshold)
        for x, y, threshold in zip(curve.false_positive_rate, curve.sensitivity, curve.threshold, strict=True)
    ]
    if band is not None:
        plot.area("area", band.false_positive_rate, band.low, band.high)
        rows += [
            ("band", x, None, low, high, None)
            for x, low, high in zip(band.false_positive_rate, band.low, band.high, strict=True)
        ]
    plot.line("curve", curve.false_positive_rate, curve.sensitivity)
    hit, spared = answered
    turned = Estimate(
        value=None if spared.value is None else 1 - spared.value,
        low=None if spared.high is None else 1 - spared.high,
        high=None if spared.low is None else 1 - spared.low,
    )
    _answer(plot, turned, hit)
    if hit.value is not None and turned.value is not None:
        rows.append(("answers", turned.value, hit.value, hit.low, hit.high, None))
    label = (
        f"Area {decimal(auc.value)}. The model answers at sensitivity {percent(hit.value)} "
        f"and specificity {percent(spared.value)}."
    )
    columns = ("series", "false_positive_rate", "sensitivity", "low", "high", "threshold")
    words = f"ROC curve: {title}"
    return Figure(
        name, "roc", plot.width, plot.height, words, label, plot.body, columns, rows, plot.axes_at, prevalence
    )


def _precision_recall(
    name: str,
    title: str,
    curve: PrecisionRecallPoints,
    area: Estimate,
    answered: tuple[Estimate, Estimate],
    share: float,
) -> Figure:
    plot = Plot()
    plot.shares("Sensitivity, %", "PPV, %")
    plot.stroke("chance", (0, share), (1, share))
    plot.line("curve", curve.recall, curve.precision)
    _answer(plot, *answered)
    rows: list[tuple[Cell, ...]] = [
        ("curve", x, y, threshold)
        for x, y, threshold in zip(curve.recall, curve.precision, curve.threshold, strict=True)
    ]
    if answered[0].value is not None and answered[1].value is not None:
        rows.append(("answers", answered[0].value, answered[1].value, None))
    told = f"Average precision {decimal(area.value)}; guessing would give {decimal(share)}."
    columns = ("series", "recall", "precision", "threshold")
    return Figure(
        name,
        "plot",
        plot.width,
        plot.height,
        f"Precision-recall curve: {title}",
        told,
        plot.body,
        columns,
        rows,
        plot.axes_at,
    )


def _runs_above(values: list[float], floor: float) -> list[list[int]]:
    """The places of values that lie above a floor, in runs without a gap: what falls below is not drawn."""
    runs: list[list[int]] = []
    for at, value in enumerate(values):
        if value < floor:
            continue
        if runs and runs[-1][-1] == at - 1:
            runs[-1].append(at)
        else:
            runs.append([at])
    return runs


def _answer(plot: Plot, x: Estimate, y: Estimate) -> None:
    """The point of the answers, with the intervals of both its figures."""
    if x.value is None or y.value is None:
        return
    if y.low is not None and y.high is not None:
        plot.stroke("cross", (x.value, y.low), (x.value, y.high))
    if x.low is not None and x.high is not None:
        plot.stroke("cross", (x.low, y.value), (x.high, y.value))
    plot.dot("point", x.value, y.value)
