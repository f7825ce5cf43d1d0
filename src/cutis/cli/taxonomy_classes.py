"""The verbs `cutis taxonomy partition` and `cutis taxonomy risk`: classes from images, and grades from predictions."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cutis.errors import ManifestError, TaxonomyError, listed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import polars as pl
    from rich.table import Table

    from cutis.taxonomy import Partition, RiskRule, Taxonomy

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]

_ROWS = 20  # of a table


def partition_verb(
    manifests: Annotated[list[Path], typer.Argument(metavar="M...", help="One or more manifests.")],
    max_class_size: Annotated[
        int, typer.Option("--max-class-size", metavar="N", help="A node with fewer images than this is a class.")
    ],
    min_class_size: Annotated[
        int, typer.Option("--min-class-size", metavar="N", help="Classes with fewer images are merged upward.")
    ] = 1,
    roots: Annotated[
        list[str] | None,
        typer.Option("--root", metavar="ID", help="Start here and not at the tree's roots. Repeat it."),
    ] = None,
    inner: Annotated[
        Literal["coarse", "own-class", "by-share"],
        typer.Option(help="What becomes of images labelled at a node that is split; see docs/taxonomy.md."),
    ] = "coarse",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the classes: .csv or .parquet.")
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Divide the images of manifests into training classes by the tree (Esteva 2017, Algorithm 1).

    Prints the largest classes. A recipe asks for the same classes by classes = "partition:max=N,min=N".

    Example: cutis taxonomy partition ham.parquet isic2017.parquet --max-class-size 1000 -o classes.csv
    """
    from rich.console import Console

    from cutis.taxonomy import partition, shipped_taxonomy

    taxonomy = shipped_taxonomy()
    counts, notes = node_counts(taxonomy, manifests)
    made = partition(
        taxonomy,
        counts,
        max_class_size=max_class_size,
        min_class_size=min_class_size,
        roots=[taxonomy.find(each) for each in roots] if roots else None,
        inner=inner,
    )
    notes = [*_partition_notes(made), *notes]
    if output is not None:
        from cutis.data import write_table

        write_table(_class_table(made), output)
    if json:
        written = None if output is None else str(output)
        _print_json({**made.model_dump(), "too_small": made.too_small, "notes": notes, "written": written})
        return
    Console().print(_partition_table(made))
    for note in notes:
        typer.echo(f"note: {note}")
    if output is not None:
        typer.echo(f"written: {output}")


def risk_verb(
    predictions: Annotated[
        list[Path], typer.Argument(metavar="PREDICTIONS...", help="As `cutis predict` writes them; several as one.")
    ],
    rule: Annotated[
        Path | None, typer.Option("--rule", metavar="FILE", help="Costs, advice or grades of your own (.toml).")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write a row an image: .csv or .parquet.")
    ] = None,
    language: Annotated[Literal["en", "es", "zh", "ko"], typer.Option(help="Of the advice.")] = "en",
    *,
    json: Json = False,
) -> None:
    """Grade predictions low, high or dangerous (Zhao 2019), with advice for the patient.

    A grade's probability is the sum over the classes of that grade. The grade given is not the most probable but the
    one with the least expected cost, as missing a dangerous lesion is worse than a visit for nothing.

    Example: cutis taxonomy risk predictions.parquet -o grades.csv
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from cutis.evaluation import read_predictions
    from cutis.taxonomy import GRADES, decide, grade_probabilities, read_risk_rule, risk_grades, shipped_taxonomy

    told = read_risk_rule(rule)
    answered = read_predictions(*predictions)
    without = [each.id for each in answered.classes.classes if not each.nodes]
    if without:
        raise TaxonomyError(
            f"classes without a node of the tree have no risk grade: {listed(without)}",
            where=", ".join(str(path) for path in predictions),
            fix="Name the columns by a class set of cutis or by nodes of the tree; `cutis taxonomy find` tells them.",
        )
    graded = risk_grades(shipped_taxonomy(), [each.nodes for each in answered.classes.classes], told)
    probabilities = grade_probabilities(answered.probabilities, graded.grades)
    decided = decide(probabilities, told)
    advice = {grade: told.advice_for(grade, language) for grade in GRADES}
    frame = _grade_table(answered.image_ids, probabilities, decided, told, language)
    if output is not None:
        from cutis.data import write_table

        write_table(frame, output)
    counts = {grade: decided.count(grade) for grade in GRADES}
    unreviewed = not all(each.reviewed for each in advice.values())
    if json:
        rows = frame.select("image_id", *GRADES, "grade").to_dicts()
        _print_json(
            {
                "counts": counts,
                "class_grades": dict(zip(answered.classes.ids, graded.grades, strict=True)),
                "advice": {grade: each.model_dump() for grade, each in advice.items()},
                "review": told.review if unreviewed else None,
                "notes": graded.notes,
                "images": rows,
                "written": None if output is None else str(output),
            }
        )
        return
    table = Table("grade", title=f"{len(decided):,} images", title_justify="left")
    table.add_column("images", justify="right")
    table.add_column("advice")
    for grade in GRADES:
        table.add_row(grade, f"{counts[grade]:,}", f"{escape(advice[grade].title)}. {escape(advice[grade].text)}")
    Console().print(table)
    if unreviewed:
        typer.echo(f"advice: {told.review}")
    for note in graded.notes:
        typer.echo(f"note: {note}")
    typer.echo("Research software, not a medical device: see a doctor about any skin change.")
    if output is not None:
        typer.echo(f"written: {output}")


def node_counts(taxonomy: "Taxonomy", manifests: list[Path]) -> tuple[dict[str, int], list[str]]:
    """Images labelled at each node, and a note on the rows that have none."""
    import polars as pl

    from cutis.data import read_manifest

    frame = read_manifest(*manifests)
    where = ", ".join(str(path) for path in manifests)
    labelled = frame["diagnosis_node"].drop_nulls()
    counts = dict(
        labelled.value_counts(sort=True).sort("count", "diagnosis_node", descending=[True, False]).iter_rows()
    )
    unknown = [each for each in counts if each not in taxonomy]
    if unknown:
        raise ManifestError(
            f"diagnosis_node holds words that are not nodes of the tree: {listed(unknown)}",
            where=where,
            fix="`cutis data check` names the rows and what may be meant.",
        )
    if not counts:
        raise ManifestError("no row has a diagnosis_node", where=where, fix="Import the data with `cutis data import`.")
    notes = []
    without = frame.filter(pl.col("diagnosis_node").is_null())
    if len(without):
        words = without["source_diagnosis"].fill_null("no diagnosis").value_counts(sort=True, name="rows")
        examples = [
            f"{word} ({rows:,})"
            for word, rows in words.sort("rows", "source_diagnosis", descending=[True, False]).iter_rows()
        ]
        notes.append(f"{len(without):,} of {len(frame):,} rows have no node and are not counted: {listed(examples)}")
    return counts, notes


def _class_table(made: "Partition") -> "pl.DataFrame":
    import polars as pl

    rows = [(each.id, each.name, " ".join(each.nodes), each.images) for each in made.classes]
    return pl.DataFrame(
        rows, schema={"class": pl.String, "name": pl.String, "nodes": pl.String, "images": pl.Int64}, orient="row"
    )


def _partition_table(made: "Partition") -> "Table":
    from rich.markup import escape
    from rich.table import Table

    largest = sorted(made.classes, key=lambda each: -each.images)
    title = (
        f"{len(made.classes):,} classes of {made.images:,} images, the largest {largest[0].images:,} "
        f"({largest[0].id}); {made.coarse_images:,} coarse images"
    )
    table = Table("class", "name", title=title, title_justify="left")
    table.add_column("images", justify="right")
    for each in largest[:_ROWS]:
        table.add_row(each.id, escape(each.name), f"{each.images:,}")
    if len(largest) > _ROWS:
        table.add_row(f"and {len(largest) - _ROWS} smaller (-o writes all)")
    return table


def _partition_notes(made: "Partition") -> list[str]:
    """What is in no class, and classes that are not as was asked."""
    notes = []
    if made.coarse:
        nodes = [f"{node} ({each.images:,})" for node, each in made.coarse.items()]
        notes.append(f"{made.coarse_images:,} images are labelled above the classes: {listed(nodes, 5)}")
    single = [f"{node} (as {each.classes[0]})" for node, each in made.coarse.items() if len(each.classes) == 1]
    if single:
        notes.append(f"coarse labels that leave a single class: {listed(single, 5)}; --inner by-share keeps them apart")
    large = [each.id for each in made.classes if each.images >= made.max_class_size]
    if large:
        notes.append(f"at or above the limit, as they cannot be split: {listed(large, 5)}")
    if made.too_small:
        notes.append(f"below the minimum, with nothing left to merge with: {listed(made.too_small, 5)}")
    if made.empty:
        notes.append(f"without any image and in no class: {listed(made.empty, 5)}")
    if made.outside:
        outside = [f"{node} ({images:,})" for node, images in made.outside.items()]
        notes.append(f"{sum(made.outside.values()):,} images are outside the roots: {listed(outside, 5)}")
    return notes


def _grade_table(
    image_ids: list[str],
    probabilities: "npt.NDArray[np.float64]",
    decided: tuple[Any, ...],
    rule: "RiskRule",
    language: str,
) -> "pl.DataFrame":
    """A row an image: the three probabilities, the grade, its advice, and whether that was reviewed."""
    import polars as pl

    from cutis.taxonomy import GRADES

    advice = [rule.advice_for(grade, language) for grade in decided]
    columns: dict[str, Any] = {"image_id": image_ids}
    columns |= {grade: probabilities[:, column] for column, grade in enumerate(GRADES)}
    columns |= {
        "grade": list(decided),
        "advice": [f"{each.title}. {each.text}" for each in advice],
        "advice_reviewed": [each.reviewed for each in advice],
        "review": [None if each.reviewed else rule.review for each in advice],
    }
    return pl.DataFrame(columns, schema_overrides={"review": pl.String})


def _print_json(value: Any) -> None:
    typer.echo(dumps(value, ensure_ascii=False))
