"""The verb `cutis split`: train, validation and test, or folds, without leaks."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutis.errors import SplitError

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table


def split_verb(
    manifests: Annotated[list[Path], typer.Argument(metavar="M...", help="One or more manifests (.parquet or .csv).")],
    *,
    by: Annotated[
        str,
        typer.Option("--by", metavar="COLUMN[,COLUMN]", help="Rows with equal values here stay together."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="M2", help="Manifest to write: .parquet or .csv.")],
    folds: Annotated[int | None, typer.Option("--folds", metavar="K", help="Number of cross-validation folds.")] = None,
    subsets: Annotated[
        str | None, typer.Option("--subsets", metavar="NAME=FRACTION,…", help="E.g. train=.7,val=.1,test=.2")
    ] = None,
    by_time: Annotated[
        float | None,
        typer.Option("--by-time", metavar="FRACTION", help="The oldest, e.g. .9, train; the newest are test."),
    ] = None,
    test_ids: Annotated[
        Path | None,
        typer.Option("--test-ids", metavar="FILE", help="A fixed test set: a table with image_id, or .txt."),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exclude what shares a group with the fixed test set, instead of refusing."),
    ] = False,
    audit: Annotated[
        Path | None,
        typer.Option("--audit", metavar="DIR", help="A `cutis data audit`: near-copies it found stay together."),
    ] = None,
    fit_only: Annotated[
        bool,
        typer.Option("--leave-out-unfit", help="With --audit: unfit images leave val and test, and stay in training."),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Decides among equally good splits.")] = 0,
    stratify: Annotated[
        str, typer.Option("--stratify", metavar="COLUMN", help="Its values keep their proportions.")
    ] = "diagnosis",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Divide manifests into train, val and test, or into folds, keeping lesions and patients whole and
    classes in proportion.

    Example: cutis split ham.parquet --by lesion_id --subsets train=.7,val=.1,test=.2 -o split.parquet

    Example: cutis split ham.parquet --by lesion_id --audit audit --subsets train=.8,val=.2 -o split.parquet

    Example: cutis split ham.parquet --by lesion_id --test-ids test.csv --strict --folds 5 -o folds.parquet
    """
    from rich.console import Console

    from cutis.audit import leave_out_unfit, read_audit, with_audit_groups
    from cutis.data import absent_classes, describe, read_ids, read_manifest, split, write_manifest

    frame = read_manifest(*manifests)
    columns = [each.strip() for each in by.split(",") if each.strip()]
    if fit_only and audit is None:
        raise SplitError("--leave-out-unfit needs to know what is unfit", fix="Name an audit of these images: --audit.")
    found = read_audit(audit) if audit is not None else None
    if found is not None:
        frame = with_audit_groups(frame, found)
        columns.append("audit_group")
    frame = split(
        frame,
        by=columns,
        folds=folds,
        subsets=_fractions(subsets),
        by_time=by_time,
        test_ids=read_ids(test_ids) if test_ids else None,
        strict=strict,
        seed=seed,
        stratify=stratify,
    )
    if fit_only and found is not None:
        frame = leave_out_unfit(frame, found.quality)
    write_manifest(frame, output)
    notes = absent_classes(frame, stratify)
    if audit is None and frame["image_path"].is_not_null().any():
        notes.append("near-copies were not looked for: `cutis data audit` finds them, --audit keeps them together")
    rule = frame["split_rule"][0]
    if json:
        counts = describe(frame)
        told = {
            "manifest": str(output),
            "rule": rule,
            "notes": notes,
            "subset": counts["subset"],
            "fold": counts["fold"],
        }
        typer.echo(dumps(told, ensure_ascii=False))
        return
    console = Console()
    console.print(_table(frame, stratify))
    for note in notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"rule: {rule}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"written: {output}", markup=False, highlight=False, soft_wrap=True)


def _fractions(subsets: str | None) -> dict[str, float] | None:
    if subsets is None:
        return None
    fractions: dict[str, float] = {}
    for pair in subsets.split(","):
        name, _, fraction = (each.strip() for each in pair.partition("="))
        try:
            value = float(fraction)
        except ValueError as error:
            raise SplitError(
                f"--subsets {subsets} is not understood", fix="Write e.g. train=.7,val=.1,test=.2."
            ) from error
        if name in fractions:
            raise SplitError(f"--subsets names {name} twice", fix="Name it once.")
        fractions[name] = value
    return fractions


def _table(frame: "pl.DataFrame", stratify: str) -> "Table":
    """Images by value of ``stratify`` (first 15) and part, with the groups of each part."""
    import polars as pl
    from rich.markup import escape
    from rich.table import Table

    parts = [(name, frame.filter(pl.col("subset") == name)) for name in ("train", "val", "test", "excluded")]
    folds = frame["fold"].drop_nulls().unique().sort()
    parts += [(f"fold {fold}", frame.filter(pl.col("fold") == fold)) for fold in folds]
    parts = [(name, rows) for name, rows in parts if len(rows)]
    table = Table(stratify)
    for name, _ in parts:
        table.add_column(name, justify="right")
    values = frame[stratify].value_counts(sort=True, name="images").sort(["images", stratify], descending=[True, False])
    for value in values[stratify].head(15):
        numbers = [f"{rows[stratify].eq_missing(value).sum():,}" for _, rows in parts]
        table.add_row("missing" if value is None else escape(str(value).rpartition(":")[2]), *numbers)
    if len(values) > 15:
        table.add_row(f"and {len(values) - 15} more")
    table.add_section()
    table.add_row("images", *(f"{len(rows):,}" for _, rows in parts))
    table.add_row("groups", *(f"{rows['group'].n_unique():,}" for _, rows in parts))
    return table
