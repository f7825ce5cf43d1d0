"""``cutis similar``: cases like this one, with their diagnoses."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutis.errors import CutisError, ImageError

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

    from cutis.explanation import CaseLibrary
    from cutis.models import Bundle, OnnxBundle

_TABLES = (".parquet", ".csv")


def similar_verb(
    library: Annotated[
        Path,
        typer.Argument(metavar="LIBRARY", help="A map that `cutis embed` wrote, or a manifest (.parquet, .csv)."),
    ],
    queries: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...|M...", help="Photographs, or manifests (.parquet, .csv).")
    ],
    *,
    bundle: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The model bundle. Default: the built-in model.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="A page (.html) or a table (.parquet, .csv).")
    ] = None,
    number: Annotated[int, typer.Option("-k", "--number", min=1, max=100, help="Cases a query.")] = 5,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """List the cases most alike to a photograph, by what a model sees, with their diagnoses.

    Left out are the photograph's own file, lesion and patient and what an audit or a split keeps together with it; of
    every lesion one image is listed.

    Research software, not a medical device: a similar case's diagnosis is no diagnosis of this one.

    Example: cutis similar embedded/map photo.jpg -o similar.html

    Example: cutis similar train.parquet test.parquet -k 10 -o similar.parquet
    """
    if output is not None and output.suffix.lower() not in (".html", *_TABLES):
        raise CutisError("does not end in .html, .parquet or .csv", where=str(output), fix="Name such a file.")
    missing = [str(each) for each in (library, *queries) if not each.exists()]
    if missing:
        raise CutisError(f"does not exist: {', '.join(missing)}", fix="Check the path.")
    tables = [each for each in queries if each.suffix.lower() in _TABLES]
    if tables and len(tables) < len(queries):
        raise ImageError("images and manifests are named together", fix="Ask for them apart.")

    from cutis.data import read_manifest, write_table
    from cutis.explanation import photographs, similar_table
    from cutis.models import fastest_bundle
    from cutis.report import write_similar_page

    seen_by = fastest_bundle(bundle)
    cases = _library(seen_by, library)
    asked = _of_manifest(seen_by, read_manifest(*tables), "asking") if tables else photographs(seen_by, queries)
    found = cases.nearest(asked, number)
    table = similar_table(cases, asked, found)
    if output is not None and output.suffix.lower() == ".html":
        title = "Cases like this one" if len(asked) == 1 else f"Cases like these {len(asked):,}"
        write_similar_page(cases, asked, found, output, title=title)
    elif output is not None:
        write_table(table, output)
    if json:
        written = str(output) if output else None
        typer.echo(dumps({"model": cases.model, "similar": table.to_dicts(), "written": written}, ensure_ascii=False))
        return
    from rich.console import Console

    if tables and output is not None:
        typer.echo(f"{len(asked):,} images compared with {len(cases):,}")
    else:
        Console().print(_printed(table))
    typer.echo("Alike to the model means no more than that: research software, not a medical device.")
    if output is not None:
        typer.echo(f"written: {output}")


def _library(bundle: "Bundle | OnnxBundle", place: Path) -> "CaseLibrary":
    from cutis.data import read_manifest
    from cutis.explanation import read_map

    if place.is_dir():
        cases = read_map(place).library
        cases.check_network(str(bundle.about.get("weights_sha256")), bundle.name)
        return cases
    return _of_manifest(bundle, read_manifest(place), "looking at images")


def _of_manifest(bundle: "Bundle | OnnxBundle", manifest: "pl.DataFrame", what: str) -> "CaseLibrary":
    from cutis.cli.progress import progress_bar
    from cutis.explanation import case_library

    with progress_bar() as bar:
        task = bar.add_task(what, total=len(manifest))
        return case_library(bundle, manifest, lambda done: bar.advance(task, done))


def _printed(table: "pl.DataFrame") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    printed = Table("query", "", "diagnosis", "similarity", "image", title="Most alike", title_justify="left")
    before = None
    for row in table.iter_rows(named=True):
        name = row["query"] if row["query"] != before else ""
        before = row["query"]
        diagnosis = row["named_diagnosis"] or "not known"
        printed.add_row(
            escape(name), str(row["rank"]), escape(diagnosis), f"{row['similarity']:.2f}", escape(row["image_id"])
        )
    return printed
