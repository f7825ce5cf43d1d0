"""The curves of a robustness evaluation: what is left at each strength of each corruption."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cutis.data import CORRUPTIONS
from cutis.evaluation import CorruptionResult, Estimate, RobustnessResult, percent
from cutis.files import write_text
from cutis.report.drawing import Figure, Plot
from cutis.report.points import Cell


def corruption_title(name: str) -> str:
    """A corruption in a reader's words; the name itself where it is not one of ours."""
    return CORRUPTIONS[name].title if name in CORRUPTIONS else name


def kept(error: Estimate) -> Estimate:
    """Balanced accuracy from its error."""
    return Estimate(
        value=None if error.value is None else 1 - error.value,
        low=None if error.high is None else 1 - error.high,
        high=None if error.low is None else 1 - error.low,
        undefined_resamples=error.undefined_resamples,
    )


def corruption_figure(result: RobustnessResult, corruption: CorruptionResult) -> Figure:
    """Balanced accuracy with its band, and sensitivity for malignancy, by strength; strength 0 is clean."""
    strengths = [0, *(each.strength for each in corruption.at)]
    accuracy = [kept(each) for each in (result.clean.error, *(at.figures.error for at in corruption.at))]
    found = [
        result.clean.malignant_sensitivity,
        *(at.figures.malignant_sensitivity for at in corruption.at),
    ]
    plot = Plot((0, 5), (0, 1))
    plot.axes(
        [(each, "clean" if each == 0 else str(each)) for each in range(6)],
        [(0.0, "0"), (0.25, ""), (0.5, "50"), (0.75, ""), (1.0, "100")],
        "Strength",
        "%",
    )
    if accuracy[0].value is not None:
        plot.stroke("chance", (0, accuracy[0].value), (5, accuracy[0].value))
    _band(plot, strengths, accuracy)
    _dots(plot, "curve", "dot", strengths, accuracy)
    _dots(plot, "other", "hollow", strengths, found)
    rows: list[tuple[Cell, ...]] = [
        (series, strength, each.value, each.low, each.high)
        for series, values in (("balanced_accuracy", accuracy), ("malignant_sensitivity", found))
        for strength, each in zip(strengths, values, strict=True)
    ]
    told = (
        f"Balanced accuracy {percent(accuracy[0].value)} clean, {percent(accuracy[-1].value)} at strength "
        f"{strengths[-1]}; sensitivity for malignancy {percent(found[0].value)} and {percent(found[-1].value)}."
    )
    name = f"robustness_{corruption.name}"
    columns = ("series", "strength", "value", "low", "high")
    title = corruption_title(corruption.name)
    return Figure(name, "plot", plot.width, plot.height, title, told, plot.body, columns, rows)


def robustness_figures(result: RobustnessResult) -> Iterator[Figure]:
    """The figure of each corruption."""
    for each in result.corruptions:
        yield corruption_figure(result, each)


def write_robustness_figures(result: RobustnessResult, folder: str | Path) -> list[Path]:
    """Write ``figures/robustness_….svg`` and the numbers in each as ``.csv``; returns the files written.

    Raises:
        CutisError: a file cannot be written.
    """
    written = []
    for figure in robustness_figures(result):
        path = Path(folder) / "figures" / f"{figure.name}.svg"
        write_text(path, figure.svg())
        write_text(path.with_suffix(".csv"), figure.csv())
        written += [path, path.with_suffix(".csv")]
    return written


def _band(plot: Plot, strengths: Sequence[int], values: Sequence[Estimate]) -> None:
    ends = [(x, each.low, each.high) for x, each in zip(strengths, values, strict=True)]
    whole = [(x, low, high) for x, low, high in ends if low is not None and high is not None]
    if len(whole) > 1:
        x, low, high = zip(*whole, strict=True)
        plot.area("area", x, low, high)


def _dots(plot: Plot, line: str, dot: str, strengths: Sequence[int], values: Sequence[Estimate]) -> None:
    points = [(x, each.value) for x, each in zip(strengths, values, strict=True) if each.value is not None]
    if points:
        plot.line(line, [x for x, _ in points], [y for _, y in points])
    for x, y in points:
        plot.dot(dot, x, y, 3)
