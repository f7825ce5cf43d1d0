"""``cutis study compare``: readers and a model on the same cases."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from cutis.evaluation import Estimate
    from cutis.study import ReaderComparison
    from cutis.taxonomy import ClassSet


def compare_readers_verb(
    readers: Annotated[
        list[Path],
        typer.Argument(
            metavar="READERS...", help="Readings (.csv, .imrmc, .lrc, .xlsx), or predictions, one a reader."
        ),
    ],
    *,
    model: Annotated[Path, typer.Option(metavar="PREDICTIONS", help="The model's predictions of the same cases.")],
    manifests: Annotated[
        list[Path], typer.Option("--on", metavar="MANIFEST", help="Holds the truth; several are joined.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the results.")],
    positive: Annotated[
        str | None, typer.Option(metavar="CLASS", help="The class that is looked for. Default: malignant ones.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="RATING", help="A rating this high calls the case positive.")
    ] = None,
    modality: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the readings, where there are several.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="The model's. Default: its file's.")] = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The class set of predictions; 'source' for the data set's own words."),
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="NAME", help="Coarser classes to compare at, e.g. risk3.")] = None,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="Divide each row by its sum: for independent scores.")
    ] = False,
    resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap that makes the intervals.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")] = False,
) -> None:
    """Set readers against a model: their points and mean in its ROC plot, and confusion matrices side by side.

    Writes human_machine.html and human_machine.json, and each figure as SVG and CSV, to the output folder.

    Example: cutis study compare readings.csv --threshold 3 --model predictions.parquet --on ham.parquet -o results

    Example: cutis study compare anna.csv ben.csv --model predictions.parquet --on ham.parquet -o results
    """
    from rich.console import Console

    from cutis.data import read_manifest
    from cutis.evaluation import read_predictions
    from cutis.report import write_human_machine
    from cutis.study import Readings, compare_with_readers, read_readers, reader_comparison_paragraph
    from cutis.taxonomy import class_set

    chosen: ClassSet | Literal["source"] | None = None
    if classes is not None:
        chosen = "source" if classes == "source" else class_set(classes)
    answered = read_readers(readers, classes=chosen, normalise=normalise)
    predicted = read_predictions(model, classes=chosen, normalise=normalise)
    if at is not None:
        predicted = predicted.rolled_up(class_set(at))
        if not isinstance(answered, Readings):
            answered = {reader: each.rolled_up(class_set(at)) for reader, each in answered.items()}
    comparison = compare_with_readers(
        predicted,
        read_manifest(*manifests),
        answered,
        name=name or model.stem,
        positive=positive,
        modality=modality,
        threshold=threshold,
        resamples=resamples,
        seed=seed,
    )
    written = write_human_machine(comparison, output)
    paragraph = reader_comparison_paragraph(comparison)
    if json:
        told = {
            "comparison": comparison.model_dump(mode="json"),
            "paragraph": paragraph,
            "written": [str(path) for path in written],
        }
        typer.echo(dumps(told, ensure_ascii=False))
        return
    Console().print(readers_table(comparison))
    typer.echo(f"\n{paragraph}\n")
    for warning in comparison.warnings:
        typer.echo(f"note: {warning}")
    for path in written[:2]:
        typer.echo(f"written: {path}")
    typer.echo(f"written: {len(written) - 2} files for a paper in {output / 'figures'}")


def readers_table(comparison: "ReaderComparison") -> "Table":
    """Each reader's point, the readers' mean and the model's answers, for the terminal."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(
        title=f"{comparison.cases:,} cases, {comparison.positives:,} {comparison.positive}", title_justify="left"
    )
    table.add_column("")
    for head in ("sensitivity", "specificity", "curve", "model's sensitivity less"):
        table.add_column(head, justify="right")
    for each in comparison.readers:
        gap = _points(each.sensitivity_difference)
        table.add_row(escape(each.reader), _share(each.sensitivity), _share(each.specificity), each.position, gap)
    table.add_section()
    mean = comparison.mean
    sensitivity, specificity = (
        f"{value:.3f}" if sd is None else f"{value:.3f} ± {sd:.3f}"
        for value, sd in ((mean.sensitivity, mean.sensitivity_sd), (mean.specificity, mean.specificity_sd))
    )
    table.add_row("mean of the readers", sensitivity, specificity, mean.position, _points(mean.sensitivity_difference))
    own = comparison.answers
    table.add_row(f"{escape(comparison.model)}, its answers", _share(own.sensitivity), _share(own.specificity), "", "")
    return table


def _share(estimate: "Estimate") -> str:
    if estimate.value is None:
        return "–"
    ends = "" if estimate.low is None else f" ({estimate.low:.3f}–{estimate.high:.3f})"
    return f"{estimate.value:.3f}{ends}"


def _points(estimate: "Estimate") -> str:
    if estimate.value is None:
        return "–"
    ends = "" if estimate.low is None else f" ({estimate.low:+.3f} to {estimate.high:+.3f})"
    return f"{estimate.value:+.3f}{ends}"
