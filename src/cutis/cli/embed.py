"""``cutis embed``: a map of images by t-SNE, as a page, figures and a table; new cases placed into a map."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from cutis.errors import CutisError

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

    from cutis.explanation import MapQuality


def embed_verb(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="[BUNDLE] M...", help="A bundle folder if not the built-in model; then manifests (.parquet, .csv)."
        ),
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the map.")],
    dimensions: Annotated[
        int | None, typer.Option(min=2, max=3, metavar="2|3", help="Of the map. Default: 2, or those of --into.")
    ] = None,
    colour_by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="What colours the points. Default: the diagnosis.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(metavar="MAP", help="Place the images into this map, e.g. DIR/map of an earlier run.")
    ] = None,
    subset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only train, val or test. Default: all images.")
    ] = None,
    perplexity: Annotated[
        float | None, typer.Option(metavar="NUMBER", help="About how many neighbours count. Default: 30.")
    ] = None,
    pictures: Annotated[int, typer.Option(min=0, help="Pictures within the page, 2 kB each.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the map's random parts.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")] = False,
) -> None:
    """Lay images out by how alike they look to a model (t-SNE of its last hidden layer); measure how far to trust it.

    Writes index.html (zoom, colours, pictures), embedding.svg, .pdf and .png with example images, embedding.parquet,
    embedding.json, and map/, into which new cases can be placed later. A map of test images says more than one of
    training images, which the model was made to pull apart.

    Example: cutis embed bundle ham.parquet --subset test -o embedded

    Example: cutis embed clinic.parquet --into embedded/map -o placed --colour-by anatom_site
    """
    bundle_folder = inputs[0] if inputs[0].is_dir() else None
    manifests = inputs[1:] if bundle_folder else inputs
    if not manifests:
        raise CutisError("no manifest named", where=str(inputs[0]), fix="Name one after the bundle.")
    if into is not None and perplexity is not None:
        raise CutisError("--perplexity makes a map, --into uses one", fix="Leave one of them out.")

    from rich.console import Console

    from cutis.cli.progress import progress_bar
    from cutis.data import read_manifest, write_table
    from cutis.explanation import (
        MAP_NEIGHBOURS,
        MAP_PERPLEXITY,
        MAP_STEPS,
        case_library,
        check_map_target,
        embed_library,
        measure_map,
        read_map,
        write_map,
    )
    from cutis.files import write_json
    from cutis.models import fastest_bundle
    from cutis.report import embedding_table, map_columns, map_points, write_embedding_figures, write_embedding_page

    manifest = _rows(read_manifest(*manifests), subset)
    _check_colour(manifest, colour_by)
    embedded = None if into is None else read_map(into)
    if embedded is None:
        check_map_target(output / "map")
    elif dimensions not in (None, embedded.facts.dimensions):
        raise CutisError(
            f"the map has {embedded.facts.dimensions} dimensions, not {dimensions}",
            where=str(into),
            fix="Leave --dimensions out.",
        )
    bundle = fastest_bundle(bundle_folder)
    if embedded is not None:
        embedded.library.check_network(str(bundle.about.get("weights_sha256")), bundle.name)
    with progress_bar() as bar:
        task = bar.add_task("looking at images", total=len(manifest))
        library = case_library(bundle, manifest, lambda done: bar.advance(task, done))
    notes, placed = [], None
    if embedded is None:
        with progress_bar("steps") as bar:
            task = bar.add_task("laying out", total=MAP_STEPS)
            embedded = embed_library(
                library,
                dimensions=cast("Literal[2, 3]", dimensions or 2),
                perplexity=perplexity or MAP_PERPLEXITY,
                seed=seed,
                progress=lambda done: bar.advance(task, done),
            )
    else:
        placed = (library, embedded.place(library), embedded.library.nearest(library, MAP_NEIGHBOURS))
        known = set(embedded.library.cases["content_key"])
        both = sum(key in known for key in library.cases["content_key"])
        if both:
            notes.append(f"{both:,} of the new cases are on the map already; they lie where they lay.")
    nearest = embedded.library.nearest(embedded.library, MAP_NEIGHBOURS)
    quality = measure_map(embedded, nearest, seed=seed)
    points = map_points(embedded, nearest, placed)
    columns = map_columns(points.cases, colour_by)
    if embedded.facts.perplexity < (perplexity or MAP_PERPLEXITY) and into is None:
        notes.append(f"perplexity {embedded.facts.perplexity:.1f}, the most that so few images allow.")

    names = ", ".join(path.stem for path in manifests)
    written = [output / name for name in ("index.html", "embedding.parquet", "embedding.json")]
    title = f"Map of {names}" if placed is None else f"{names} placed into a map"
    write_embedding_page(points, columns, quality, embedded.facts, written[0], title=title, pictures=pictures)
    write_table(embedding_table(points, columns, only_new=placed is not None), written[1])
    told = {"map": embedded.facts.model_dump(mode="json"), "quality": quality.model_dump(mode="json")}
    write_json(written[2], told)
    written += write_embedding_figures(points, columns[0], output)
    if placed is None:
        write_map(embedded, output / "map")
        written.append(output / "map")
    if json:
        typer.echo(dumps(told | {"written": [str(each) for each in written]}, ensure_ascii=False))
        return
    count = len(points.cases) if placed is None else len(library)
    Console().print(quality_table(quality, f"{count:,} images {'mapped' if placed is None else 'placed'}"))
    for note in notes:
        typer.echo(f"note: {note}")
    typer.echo("note: near means alike to this model; distances between far groups mean nothing.")
    for path in written:
        typer.echo(f"written: {path}")


def quality_table(quality: "MapQuality", title: str) -> "Table":
    """How often neighbours agree, for the terminal."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{title}; trustworthiness {quality.trustworthiness:.3f}", title_justify="left")
    table.add_column(f"the {quality.neighbours} nearest have the same diagnosis")
    for name in ("images", "by the features", "on the map", "by chance"):
        table.add_column(name, justify="right")
    for each in [*quality.by_diagnosis, *([quality.agreement] if quality.agreement else [])]:
        shares = [f"{100 * share:.0f}%" for share in (each.in_features, each.on_map, each.by_chance)]
        table.add_row(escape(each.diagnosis or "all"), f"{each.images:,}", *shares)
    return table


def _rows(manifest: "pl.DataFrame", subset: str | None) -> "pl.DataFrame":
    if subset is None:
        return manifest
    import polars as pl

    from cutis.data import SUBSETS

    rows = manifest.filter(pl.col("subset") == subset)
    if rows.is_empty():
        raise CutisError(f"no image is in subset '{subset}'", fix=f"Use one of {', '.join(SUBSETS)}, or none.")
    return rows


def _check_colour(manifest: "pl.DataFrame", colour_by: str | None) -> None:
    """Refuse a column that is not there before the long work, unless the work itself makes it."""
    from cutis.data import known_columns
    from cutis.explanation import CASE_COLUMNS

    if colour_by is not None and colour_by not in (*CASE_COLUMNS, "answer_is"):
        known_columns(manifest, [colour_by])
