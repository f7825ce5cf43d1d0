"""``cutis evaluate``: predictions measured against a manifest."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cutis.errors import listed

if TYPE_CHECKING:
    from rich.table import Table

    from cutis.evaluation import Estimate, Evaluation
    from cutis.taxonomy import ClassSet


def evaluate_verb(
    predictions: Annotated[
        list[Path], typer.Argument(metavar="PREDICTIONS...", help="Parquet or CSV; ISIC-challenge CSVs too.")
    ],
    *,
    manifests: Annotated[
        list[Path], typer.Option("--on", metavar="MANIFEST", help="What was predicted; several are joined.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the results.")],
    classes: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The class set of the columns; 'source' for the data set's own words."),
    ] = None,
    subset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="train, val or test. Default: test if there is one, else all."),
    ] = None,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="Divide each row by its sum: for independent scores.")
    ] = False,
    resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap that makes the intervals.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")] = False,
) -> None:
    """Measure predictions on a manifest: figures with intervals, and a report to read.

    Writes evaluation.json and report.html to the output folder. Refuses predictions that do not match the
    manifest, and a model that was trained on what it is tested on.

    Example: cutis evaluate predictions.parquet --on ham.parquet -o results
    """
    from rich.console import Console

    from cutis.data import read_manifest
    from cutis.evaluation import evaluate, read_predictions, write_evaluation
    from cutis.report import write_report
    from cutis.taxonomy import class_set

    chosen: ClassSet | Literal["source"] | None = None
    if classes is not None:
        chosen = "source" if classes == "source" else class_set(classes)
    manifest = read_manifest(*manifests)
    answered = read_predictions(*predictions, classes=chosen, normalise=normalise)
    evaluation = evaluate(answered, manifest, subset=subset, resamples=resamples, seed=seed)
    paths = [output / "evaluation.json", output / "report.html"]
    about = {
        "Predictions": [str(path) for path in predictions],
        "Manifest": [str(path) for path in manifests],
    }
    title = f"{', '.join(path.stem for path in predictions)} on {', '.join(path.stem for path in manifests)}"
    write_evaluation(evaluation, paths[0])
    write_report(evaluation, answered, manifest, paths[1], title=title, about=about)
    if json:
        told = {"evaluation": evaluation.model_dump(mode="json"), "written": [str(path) for path in paths]}
        typer.echo(dumps(told, ensure_ascii=False))
        return
    Console().print(evaluation_table(evaluation, f"{evaluation.images:,} images, {len(evaluation.by_class)} diagnoses"))
    for note in _notes(evaluation):
        typer.echo(f"note: {note}")
    for path in paths:
        typer.echo(f"written: {path}")


def evaluation_table(evaluation: "Evaluation", title: str) -> "Table":
    """The main figures with their intervals, for the terminal."""
    from rich.table import Table

    overall = evaluation.overall
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column(f"{100 * evaluation.intervals.confidence:g}% interval", justify="right")
    for name, estimate in (
        ("balanced accuracy", overall.balanced_accuracy),
        ("accuracy", overall.accuracy),
        ("macro AUC", overall.macro_auc),
        *((f"sensitivity, {each.id}", each.sensitivity) for each in evaluation.by_class),
    ):
        table.add_row(name, _number(estimate.value), _interval(estimate))
    return table


def _notes(evaluation: "Evaluation") -> list[str]:
    """What must be known beside the figures."""
    notes = list(evaluation.warnings)
    if evaluation.outside_classes.images:
        words = [f"{word} ({images:,})" for word, images in evaluation.outside_classes.words.items()]
        notes.append(f"{evaluation.outside_classes.images:,} images of no class were not scored: {listed(words)}.")
    return notes


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(estimate: "Estimate") -> str:
    return f"{_number(estimate.low)}–{_number(estimate.high)}" if estimate.low is not None else "–"
