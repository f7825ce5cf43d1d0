"""What a paper takes from an evaluation: every figure as a vector graphic and as numbers, the main tables in LaTeX."""

import re
from pathlib import Path

from cutis.evaluation import Evaluation
from cutis.files import write_text
from cutis.report.bars import bar_figures
from cutis.report.figures import curve_figures
from cutis.report.latex import latex_tables
from cutis.report.unfamiliar import unfamiliarity_figures


def write_figures(evaluation: Evaluation, folder: str | Path) -> list[Path]:
    """Write ``figures/*.svg``, the numbers in each as ``figures/*.csv``, and ``tables/*.tex`` (for booktabs).

    A figure that the evaluation cannot give (no image of a class, no thresholds) is not written. Files of other names
    in the folders stay as they are.

    Args:
        evaluation: what to draw.
        folder: where ``figures`` and ``tables`` are, or are made.

    Returns:
        The files written.

    Raises:
        CutisError: a file cannot be written.
    """
    folder = Path(folder)
    written: dict[Path, str] = {}
    for figure in (*curve_figures(evaluation), *bar_figures(evaluation), *unfamiliarity_figures(evaluation)):
        path = free_path(folder / "figures", figure.name, ".svg", written)
        written[path] = figure.svg()
        written[path.with_suffix(".csv")] = figure.csv()
    for table in latex_tables(evaluation):
        written[free_path(folder / "tables", table.name, ".tex", written)] = table.tex()
    for path, text in written.items():
        write_text(path, text)
    return list(written)


def free_path(folder: Path, name: str, suffix: str, taken: dict[Path, str]) -> Path:
    """A file's path: class names of a data set's own may hold any character, and become alike without them."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:100]
    path, number = folder / f"{stem}{suffix}", 2
    while path in taken:
        path, number = folder / f"{stem}_{number}{suffix}", number + 1
    return path
