"""The verbs `cutis study`: reader studies and their statistics."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cutis.cli.study_booklet import booklet_verb, sheets_verb
from cutis.cli.study_check import check_verb
from cutis.cli.study_compare import compare_readers_verb
from cutis.cli.study_create import create_verb, design_verb
from cutis.cli.study_export import export_verb
from cutis.cli.study_pause import pause_verb, resume_verb
from cutis.cli.study_report import report_verb
from cutis.cli.study_serve import serve_verb
from cutis.cli.study_status import status_verb

if TYPE_CHECKING:
    from rich.table import Table

    from cutis.study import Analysis, StandaloneAnalysis

study_app = typer.Typer(
    name="study", help="Reader studies: design, run in the browser, export, analyse.", no_args_is_help=True
)
study_app.command("design")(design_verb)
study_app.command("create")(create_verb)
study_app.command("check")(check_verb)
study_app.command("serve")(serve_verb)
study_app.command("status")(status_verb)
study_app.command("pause")(pause_verb)
study_app.command("resume")(resume_verb)
study_app.command("export")(export_verb)
study_app.command("booklet")(booklet_verb)
study_app.command("sheets")(sheets_verb)
study_app.command("report")(report_verb)
study_app.command("compare")(compare_readers_verb)


@study_app.command("analyze")
def analyze_verb(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Readings: .csv, .imrmc, .lrc or RJafroc's .xlsx.")
    ],
    *,
    endpoint: Annotated[
        str,
        typer.Option(metavar="NAME", help="auc, partial-auc, sensitivity, specificity, balanced-accuracy, accuracy."),
    ] = "auc",
    threshold: Annotated[
        float | None, typer.Option(metavar="RATING", help="A rating this high calls the case diseased.")
    ] = None,
    method: Annotated[
        Literal["or", "dbm", "u-statistics"],
        typer.Option(help="Obuchowski-Rockette, Dorfman-Berbaum-Metz, or Gallas' (for missing reads)."),
    ] = "or",
    covariance: Annotated[
        Literal["jackknife", "delong", "unbiased"] | None,
        typer.Option(help="Over cases. Default: jackknife; unbiased with u-statistics."),
    ] = None,
    readers: Annotated[
        Literal["random", "fixed"], typer.Option(help="Whether it is to hold for other readers.")
    ] = "random",
    cases: Annotated[
        Literal["random", "fixed"], typer.Option(help="Whether it is to hold for other cases.")
    ] = "random",
    reference: Annotated[
        str | None, typer.Option(metavar="MODALITY", help="The modality that others are compared with.")
    ] = None,
    standalone: Annotated[
        str | None, typer.Option(metavar="READER", help="Compare all others with this one, a system without a reader.")
    ] = None,
    margin: Annotated[float | None, typer.Option(metavar="X", help="Of non-inferiority and equivalence.")] = None,
    confidence: Annotated[float, typer.Option(metavar="C", help="Of the intervals.")] = 0.95,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Folder for analysis.json.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")] = False,
) -> None:
    """Compare modalities, or arms, read by several readers: means, differences and tests, and a paragraph in words.

    Writes analysis.json to the output folder.

    Example: cutis study analyze readings.csv --reference unaided --margin 0.05 -o results

    Example: cutis study analyze readings.csv --endpoint sensitivity --threshold 3

    Example: cutis study analyze readings.csv --standalone AI
    """
    from rich.console import Console

    from cutis.study import (
        ReadingsError,
        analyze,
        compare_with_standalone,
        mrmc_paragraph,
        read_readings,
        write_analysis,
    )
    from cutis.study import endpoint as named_endpoint

    readings = read_readings(*files)
    measured = named_endpoint(endpoint, readings, threshold=threshold)
    result: Analysis | StandaloneAnalysis
    if standalone is None:
        result = analyze(
            readings,
            measured,
            method=method,
            covariance=covariance,
            readers=readers,
            cases=cases,
            margin=margin,
            reference=reference,
            confidence=confidence,
        )
    else:
        if method != "or" or cases != "random":
            raise ReadingsError(
                "a stand-alone system is compared by Obuchowski-Rockette with random cases",
                fix="Leave out --method and --cases.",
            )
        result = compare_with_standalone(
            readings,
            standalone,
            measured,
            modality=reference,
            covariance=covariance or "jackknife",
            readers=readers,
            margin=margin,
            confidence=confidence,
        )
    words = mrmc_paragraph(result)
    written = [] if output is None else [output / "analysis.json"]
    for path in written:
        write_analysis(path, result)
    if json:
        told = {
            "analysis": result.model_dump(mode="json"),
            "paragraph": words,
            "written": [str(path) for path in written],
        }
        typer.echo(dumps(told, ensure_ascii=False))
        return
    Console().print(analysis_table(result))
    typer.echo(words)
    for path in written:
        typer.echo(f"written: {path}")


def analysis_table(result: "Analysis | StandaloneAnalysis") -> "Table":
    """Means and differences with their intervals, for the terminal."""
    from rich.markup import escape
    from rich.table import Table

    from cutis.study import StandaloneAnalysis

    sample = result.sample
    table = Table(
        title=f"{result.endpoint}: {len(sample.readers)} readers, {sample.cases:,} cases, {sample.design}",
        title_justify="left",
    )
    table.add_column("")
    table.add_column("estimate", justify="right")
    table.add_column(f"{100 * result.confidence:g}% interval", justify="right")
    table.add_column("p", justify="right")
    if isinstance(result, StandaloneAnalysis):
        means, differences = [*result.reader_figures, result.system_figure], [result.difference]
        rows = [(each.reader, each.estimate, each.low, each.high) for each in means]
    else:
        differences = result.differences
        rows = [(each.modality, each.estimate, each.low, each.high) for each in result.modalities]
    for name, estimate, low, high in rows:
        table.add_row(escape(name), f"{estimate:.4f}", _interval(low, high), "")
    table.add_section()
    for each in differences:
        p = "–" if each.p is None else f"{each.p:.4f}"
        name = f"{escape(each.first)} − {escape(each.second)}"
        table.add_row(name, f"{each.difference:.4f}", _interval(each.low, each.high), p)
    return table


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"{low:.4f} to {high:.4f}"
