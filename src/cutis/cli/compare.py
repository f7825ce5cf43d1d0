"""``cutis compare``: two predictions on the same images."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from cutis.evaluation import Comparison, Difference
    from cutis.taxonomy import ClassSet


def compare_verb(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="Predictions of the one: the reference.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="Predictions of the other.")],
    *,
    manifests: Annotated[
        list[Path], typer.Option("--on", metavar="MANIFEST", help="What was predicted; several are joined.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for comparison.json and .txt.")
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The class set of the columns; 'source' for the data set's own words."),
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="NAME", help="Coarser classes to compare at, e.g. esteva3.")] = None,
    subset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="train, val or test. Default: test if there is one, else all."),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Largest loss that would not matter: tests non-inferiority of SECOND."),
    ] = None,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="Divide each row by its sum: for independent scores.")
    ] = False,
    resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap and of the permutation test.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of both.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
) -> None:
    """Compare two predictions on the same images: differences, intervals, tests, and a paragraph for a paper.

    Example: cutis compare ours.parquet theirs.csv --on ham.parquet --margin 0.02
    """
    from rich.console import Console

    from cutis.data import read_manifest
    from cutis.evaluation import compare, comparison_paragraph, read_predictions
    from cutis.files import write_json, write_text
    from cutis.taxonomy import class_set

    chosen: ClassSet | Literal["source"] | None = None
    if classes is not None:
        chosen = "source" if classes == "source" else class_set(classes)
    answered = [read_predictions(path, classes=chosen, normalise=normalise) for path in (first, second)]
    if at is not None:
        answered = [each.rolled_up(class_set(at)) for each in answered]
    comparison = compare(
        answered[0],
        answered[1],
        read_manifest(*manifests),
        subset=subset,
        margin=margin,
        resamples=resamples,
        seed=seed,
        names=_names(first, second),
    )
    paragraph = comparison_paragraph(comparison)
    paths = [] if output is None else [output / "comparison.json", output / "comparison.txt"]
    if paths:
        write_json(paths[0], comparison.model_dump(mode="json"))
        write_text(paths[1], paragraph + "\n")
    if json:
        told = {
            "comparison": comparison.model_dump(mode="json"),
            "paragraph": paragraph,
            "written": [str(path) for path in paths],
        }
        typer.echo(dumps(told, ensure_ascii=False))
        return
    Console().print(comparison_table(comparison))
    typer.echo(f"\n{paragraph}\n")
    for warning in comparison.warnings:
        typer.echo(f"note: {warning}")
    for path in paths:
        typer.echo(f"written: {path}")


def comparison_table(comparison: "Comparison") -> "Table":
    """Both models' figures and their differences, for the terminal."""
    from rich.table import Table

    table = Table(title=f"{comparison.images:,} images, {len(comparison.by_class)} classes", title_justify="left")
    table.add_column("figure")
    for name in (*comparison.names, "difference", f"{100 * comparison.intervals.confidence:g}% interval", "p"):
        table.add_column(name, justify="right")
    rows: list[tuple[str, Difference, float | None]] = [
        ("balanced accuracy", comparison.balanced_accuracy, comparison.balanced_accuracy.p),
        ("accuracy", comparison.accuracy, comparison.accuracy.p),
        ("macro AUC", comparison.macro_auc, comparison.macro_auc.p),
        *((f"AUC, {each.id} (p by Holm)", each.auc, each.p_holm) for each in comparison.by_class),
    ]
    for name, figure, p in rows:
        of = figure.difference
        interval = "–" if of.low is None or of.high is None else f"{of.low:+.3f} to {of.high:+.3f}"
        numbers = [_number(figure.first), _number(figure.second), _number(of.value, "+.3f")]
        table.add_row(name, *numbers, interval, "–" if p is None else f"{p:.3f}" if p >= 0.001 else "<0.001")
    return table


def _names(first: Path, second: Path) -> tuple[str, str]:
    """The files' names, with the folder where they are the same."""
    if first.stem != second.stem:
        return first.stem, second.stem
    return str(first.with_suffix("")), str(second.with_suffix(""))


def _number(value: float | None, form: str = ".3f") -> str:
    return "–" if value is None else format(value, form)
