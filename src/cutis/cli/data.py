"""The verbs `cutis data …`: importing data sets, describing and checking manifests."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cutis.errors import ManifestError, listed

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

app = typer.Typer(name="data", help="Import, describe and check image data sets.", no_args_is_help=True)

Manifests = Annotated[list[Path], typer.Argument(metavar="M...", help="One or more manifests (.parquet or .csv).")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


@app.command("sources")
def sources(*, json: Json = False) -> None:
    """List the data sets that can be imported, with their licences.

    Example: cutis data sources
    """
    from rich.console import Console
    from rich.table import Table

    from cutis.data import SOURCES

    if json:
        columns = ("name", "title", "expects", "license", "citation", "url", "options")
        _print_json({"sources": [{each: getattr(source, each) for each in columns} for source in SOURCES.values()]})
        return
    table = Table("source", "data set", "licence", "expects")
    for each in SOURCES.values():
        table.add_row(each.name, each.title, each.license or "–", each.expects)
    Console().print(table)


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="One of `cutis data sources`.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The data set's folder; for csv the table.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="M", help="Manifest to write: .parquet or .csv.")],
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="NAME=COLUMN",
            help="csv only: the table's column for a manifest column. Repeat it.",
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option("--images", metavar="DIR", help="csv only: the folder that holds the images."),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Read a data set in its public form and write a manifest: one row an image, in the ISIC archive's words.

    Rows without an image file and words that ISIC does not have are kept and told. Nothing is written if a
    row is not valid.

    Example: cutis data import ham10000 ~/ham10000 -o ham.parquet

    Example: cutis data import csv labels.csv --map image_id=file --map diagnosis=label --images photos -o
    m.parquet
    """
    from rich.console import Console

    from cutis.data import check_manifest, describe, write_manifest
    from cutis.data import source as source_named

    options: dict[str, Any] = {"map": _columns(map_), "images": images}
    imported = source_named(source).import_from(path, **{name: each for name, each in options.items() if each})
    bad = check_manifest(imported.frame)
    if bad:
        raise ManifestError(
            f"{len({each.row for each in bad}):,} rows are not valid: {listed([str(each) for each in bad])}",
            where=str(path),
            fix="Correct them; nothing was written.",
        )
    write_manifest(imported.frame, output)
    counts = describe(imported.frame)
    if json:
        _print_json({"manifest": str(output), "notes": imported.notes, **counts})
        return
    console = Console()
    console.print(_diagnosis_table(counts, f"{source}: {_totals(counts)}"))
    for note in imported.notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"written: {output}", markup=False, highlight=False, soft_wrap=True)


@app.command("describe")
def describe_(manifests: Manifests, *, json: Json = False) -> None:
    """Count what manifests hold: images, lesions, patients, diagnoses, sex, age, site, skin type, subsets.

    Example: cutis data describe ham.parquet isic2017.parquet
    """
    from rich.console import Console

    from cutis.data import describe, read_manifest

    counts = describe(read_manifest(*manifests))
    if json:
        _print_json(counts)
        return
    console = Console()
    console.print(_diagnosis_table(counts, _totals(counts)))
    age = counts["age_approx"]
    if age["max"] is not None:
        console.print(
            f"age: {age['min']}–{age['max']} years, median {age['median']:g}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    for column in (
        "source",
        "sex",
        "anatom_site",
        "fitzpatrick_skin_type",
        "image_type",
        "diagnosis_confirm_type",
    ):
        told = ", ".join(f"{value} {n:,}" for value, n in counts[column].items())
        console.print(f"{column}: {told}", markup=False, highlight=False, soft_wrap=True)


@app.command("check")
def check(
    manifests: Manifests,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Write the whole list to this .csv or .parquet."),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Check every row and decode every image file; exit with status 2 and the reasons when anything is bad.

    Example: cutis data check ham.parquet -o bad.csv
    """
    from rich.console import Console

    from cutis.data import read_manifest, write_table

    frame = read_manifest(*manifests)
    bad = _bad(frame)
    with_image = len(frame) - frame["image_path"].null_count()
    if output is not None:
        write_table(bad, output)
    if json:
        _print_json({"rows": len(frame), "images": with_image, "bad": bad.to_dicts()})
    else:
        console = Console()
        if len(bad):
            console.print(_bad_table(bad))
        else:
            console.print(
                f"{len(frame):,} rows and {with_image:,} images are well",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
        if with_image < len(frame):
            console.print(
                f"note: {len(frame) - with_image:,} rows have no image (labels only)",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
        if output is not None:
            console.print(f"written: {output}", markup=False, highlight=False, soft_wrap=True)
    if len(bad):
        raise typer.Exit(2)


def _bad(frame: "pl.DataFrame") -> "pl.DataFrame":
    """``kind`` (row or image), ``row``, ``image_id``, ``column``, ``reason`` of everything that is bad."""
    import polars as pl

    from cutis.cli.progress import progress_bar
    from cutis.data import check_images, check_manifest

    rows = [("row", each.row, each.image_id, each.column, each.reason) for each in check_manifest(frame)]
    with progress_bar() as progress:
        task = progress.add_task("images", total=len(frame) - frame["image_path"].null_count())
        files = check_images(frame, progress=lambda n: progress.advance(task, n))
    number = {image_id: row + 1 for row, image_id in enumerate(frame["image_id"])}
    images = [
        ("image", number[each.image_id], each.image_id, "image_path", f"{each.path}: {each.reason}") for each in files
    ]
    return pl.DataFrame(
        rows + images,
        schema={
            "kind": pl.String,
            "row": pl.Int64,
            "image_id": pl.String,
            "column": pl.String,
            "reason": pl.String,
        },
        orient="row",
    )


def _bad_table(bad: "pl.DataFrame") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    rows, images = (int((bad["kind"] == kind).sum()) for kind in ("row", "image"))
    shown = f", the first 10 of {len(bad):,}" if len(bad) > 10 else ""
    table = Table("row", "image", "column", "reason", title=f"{rows:,} faults in rows, {images:,} bad images{shown}")
    for _, row, image_id, column, reason in bad.head(10).iter_rows():
        table.add_row(str(row), escape(image_id or "–"), column, escape(reason))
    return table


def _columns(pairs: list[str] | None) -> dict[str, str]:
    columns: dict[str, str] = {}
    for pair in pairs or []:
        name, equals, column = pair.partition("=")
        if not (name and equals and column):
            raise ManifestError(f"--map {pair} is not NAME=COLUMN", fix="Write e.g. --map image_id=file.")
        if name in columns:
            raise ManifestError(f"--map names {name} twice", fix="Name it once.")
        columns[name] = column
    return columns


def _totals(counts: dict[str, Any]) -> str:
    images = counts["rows"] - counts["images_missing"]
    rows, lesions, patients = (counts[each] for each in ("rows", "lesions", "patients"))
    return f"{rows:,} rows, {images:,} images, {lesions:,} lesions, {patients:,} patients"


def _diagnosis_table(counts: dict[str, Any], title: str) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    parts = counts["subset"]
    table = Table("diagnosis", title=title)
    for each in ("images", "lesions", *parts):
        table.add_column(each, justify="right")
    for each in counts["diagnosis"][:15]:
        numbers = [each["images"], each["lesions"], *(part.get(each["value"], 0) for part in parts.values())]
        table.add_row(escape(each["value"].rpartition(":")[2]), *(f"{n:,}" for n in numbers))
    if len(counts["diagnosis"]) > 15:
        table.add_row(f"and {len(counts['diagnosis']) - 15} more (--json shows all)")
    return table


def _print_json(value: Any) -> None:
    from json import dumps

    typer.echo(dumps(value, ensure_ascii=False))
