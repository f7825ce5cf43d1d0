"""Figures of counts and groups: set and list sizes, coverage, subgroups, the confusion matrix."""

from collections.abc import Iterator, Sequence

from cutis.evaluation import (
    ConformalResult,
    DifferentialLists,
    Estimate,
    Evaluation,
    GroupResult,
    SubgroupResults,
    decimal,
    percent,
)
from cutis.report.drawing import Figure, Plot
from cutis.report.points import Cell

_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
MOST_CELLS = 30
"""With more classes a drawn confusion matrix cannot be read."""
SUBGROUP_WORDS = {
    "skin_type": "Fitzpatrick skin type",
    "sex": "Sex",
    "age_band": "Age, years",
    "site": "Site",
    "image_type": "Kind of image",
    "source": "Data set",
    "confirmation": "How the diagnosis was confirmed",
}
FIGURE_WORDS = {
    "balanced_accuracy": "Balanced accuracy",
    "macro_auc": "Mean AUC",
    "malignant_sensitivity": "Sensitivity for malignancy",
    "malignant_specificity": "Specificity for malignancy",
}


def in_sentence(column: str) -> str:
    """A column's words within a sentence: ``"site"``, but ``"Fitzpatrick skin type"``."""
    words = SUBGROUP_WORDS[column]
    return words if words.startswith("Fitzpatrick") else words[0].lower() + words[1:]


def column_words(column: str) -> str:
    """Any column of groups within a sentence: a subgroup's words, else its own name."""
    return in_sentence(column) if column in SUBGROUP_WORDS else column


def compared_subgroups(evaluation: Evaluation) -> list[SubgroupResults]:
    """The columns that have groups to compare."""
    return [each for each in evaluation.subgroups if len(each.groups) > 1]


def list_size_figure(lists: DifferentialLists) -> Figure:
    """How many diagnoses the differential lists name."""
    return _sizes("list_sizes", "Length of the differential lists", "Diagnoses that reach their threshold", lists.sizes)


def set_size_figure(result: ConformalResult) -> Figure:
    """How many diagnoses the prediction sets hold."""
    return _sizes("set_sizes", "Size of the prediction sets", "Diagnoses in the set", result.sizes)


def coverage_figure(result: ConformalResult, names: dict[str, str]) -> Figure:
    """How often the sets hold the truth, by class, against the promise."""
    rows = [("All", result.overall.images, result.overall.coverage, False)]
    rows += [(names.get(each.name, each.name), each.images, each.coverage, False) for each in result.by_class]
    return _forest(
        "coverage",
        "How often the set holds the true diagnosis",
        f"Promised: {percent(result.promised)}.",
        "Holds the true diagnosis, %",
        rows,
        promised=result.promised,
    )


def subgroup_figure(result: SubgroupResults, figure: str) -> Figure | None:
    """One figure by group; hollow where the group is too small to say. None where no group has it."""
    rows = [(each.group, each.images, getattr(each, figure), _too_few(each, figure)) for each in result.groups]
    if all(estimate.value is None for _, _, estimate, _ in rows):
        return None
    axis = f"{FIGURE_WORDS[figure]}{'' if figure == 'macro_auc' else ', %'}"
    title = f"{FIGURE_WORDS[figure]} by {in_sentence(result.column)}"
    return _forest(f"subgroups_{result.column}_{figure}", title, "Hollow: too few cases to say.", axis, rows)


def confusion_figure(evaluation: Evaluation) -> Figure | None:
    """The confusion matrix as shares of the rows; None with more classes than can be read."""
    ids, counts = evaluation.classes.ids, evaluation.confusion.counts
    if len(ids) > MOST_CELLS:
        return None
    side, left, top = 36, 12 + 6.2 * max(len(each) for each in ids), 34
    parts = []
    plot = Plot()
    rows: list[tuple[Cell, ...]] = []
    for i, truth in enumerate(ids):
        plot.text(left - 6, top + side * (i + 0.5) + 4, truth, "end", "label")
        plot.text(left + side * (i + 0.5), top - 6, truth, "middle", "label")
        for j, answer in enumerate(ids):
            share = evaluation.confusion.row_share[i][j].value or 0.0
            x, y = left + side * j, top + side * i
            parts.append(
                f'<rect class="cell" x="{x:.1f}" y="{y}" width="{side - 1}" height="{side - 1}" '
                f'fill-opacity="{0.04 + 0.46 * share:.3f}"/>'
            )
            plot.text(x + side / 2, y + side / 2 + 4, f"{counts[i][j]:,}", "middle", "label")
            rows.append((truth, answer, counts[i][j], evaluation.confusion.row_share[i][j].value))
    width, height = left + side * len(ids) + 6, top + side * len(ids) + 6
    plot.text(left + side * len(ids) / 2, 13, "Answer (columns), truth (rows); shade: share of the row")
    right = sum(row[k] for k, row in enumerate(counts))
    return Figure(
        "confusion",
        "plot",
        max(width, left + 270),
        height,
        "Confusion matrix",
        f"{right:,} of {evaluation.images:,} images are on the diagonal.",
        "".join(parts) + plot.body,
        ("truth", "answer", "images", "share_of_row"),
        rows,
    )


def bar_figures(evaluation: Evaluation) -> Iterator[Figure]:
    """All of these figures that the evaluation has."""
    confusion = confusion_figure(evaluation)
    if confusion is not None:
        yield confusion
    if evaluation.operating_points is not None:
        yield list_size_figure(evaluation.operating_points.differential)
    if evaluation.conformal is not None:
        yield set_size_figure(evaluation.conformal)
        yield coverage_figure(evaluation.conformal, {each.id: each.name for each in evaluation.by_class})
    for result in compared_subgroups(evaluation):
        for figure in FIGURE_WORDS:
            drawn = subgroup_figure(result, figure)
            if drawn is not None:
                yield drawn


def _too_few(group: GroupResult, figure: str) -> bool:
    """Whether a warning of the group is about this figure: too few cases of one kind spoil that kind's rate alone."""
    kind = {"malignant_sensitivity": " malignant cases", "malignant_specificity": " benign cases"}.get(figure)
    return any("cases are too few" in told or (kind is not None and kind in told) for told in group.warnings)


def _sizes(name: str, title: str, label: str, sizes: list[int]) -> Figure:
    images = max(sum(sizes), 1)
    shares = [each / images for each in sizes]
    last = max((size for size, count in enumerate(sizes) if count), default=0)
    top = min(1.0, 1.15 * max(shares, default=1.0))
    plot = Plot((-0.6, max(last, 3) + 0.6), (0, top), width=280, height=130)
    step = next(each for each in (0.05, 0.1, 0.2, 0.25) if top / each <= 5)
    plot.axes(
        [],
        [(n * step, f"{100 * n * step:.0f}") for n in range(6) if n * step <= top],
        label,
        "Images, %",
    )
    for size in range(max(last, 3) + 1):
        share = shares[size] if size < len(shares) else 0.0
        plot.bar("filled", (size - 0.38, 0), (size + 0.38, share))
        plot.text(plot.x(size), plot.y(0) + 14, str(size))
        plot.text(
            plot.x(size),
            plot.y(share) - 3,
            "" if not share else "<1%" if share < 0.005 else percent(share),
            "middle",
            "label",
        )
    told = ", ".join(f"{size}: {percent(share)}" for size, share in enumerate(shares) if share) + "."
    rows: list[tuple[Cell, ...]] = [
        (size, count, share) for size, (count, share) in enumerate(zip(sizes, shares, strict=True))
    ]
    columns = ("size", "images", "share")
    return Figure(name, "plot broad", plot.width, plot.height, title, told, plot.body, columns, rows)


def _forest(
    name: str,
    title: str,
    told: str,
    axis: str,
    rows: Sequence[tuple[str, int, Estimate, bool]],
    promised: float | None = None,
) -> Figure:
    longest = max(len(group) for group, _, _, _ in rows)
    step = 20
    plot = Plot((0, 1), (0, len(rows)), width=180, height=step * len(rows), left=12 + min(5.9 * longest, 180))
    times = 100 if axis.endswith("%") else 1
    plot.axes([(each, f"{times * each:g}" if each in (0, 0.5, 1) else "") for each in _QUARTERS], [], axis, "")
    if promised is not None:
        plot.stroke("promise", (promised, 0), (promised, len(rows)))
    for place, (group, _, estimate, small) in enumerate(rows):
        y = len(rows) - place - 0.5
        plot.text(plot.left - 6, plot.y(y) + 4, group if len(group) <= 30 else group[:29] + "…", "end", "label")
        if estimate.low is not None and estimate.high is not None:
            plot.stroke("whisker", (estimate.low, y), (estimate.high, y))
        if estimate.value is not None:
            plot.dot("hollow" if small else "dot", estimate.value, y, 3.6)
    word = percent if axis.endswith("%") else decimal
    values = "; ".join(f"{group}: {word(estimate.value)}" for group, _, estimate, _ in rows)
    points: list[tuple[Cell, ...]] = [
        (group, images, each.value, each.low, each.high, int(small)) for group, images, each, small in rows
    ]
    columns = ("group", "images", "value", "low", "high", "too_few")
    return Figure(name, "plot broad", plot.width, plot.height, title, f"{told} {values}.", plot.body, columns, points)
