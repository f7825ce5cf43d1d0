"""The verb `cutis data audit`: near-copies, leaks, quality, labels, shortcuts and skin tone of manifests."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from cutis.audit import AuditResult


def audit_verb(
    manifests: Annotated[list[Path], typer.Argument(metavar="M...", help="One or more manifests (.parquet or .csv).")],
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the audit.")],
    against: Annotated[
        list[Path] | None,
        typer.Option(metavar="M2", help="A manifest to compare with, e.g. what a model was trained on. Repeat it."),
    ] = None,
    decisions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="decisions.json, saved on the audit's page: obeyed.")
    ] = None,
    quality_limits: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Limits of image quality other than ours (.toml).")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Look for all that makes a result on these images untrue: near-copies of one lesion, lesions and patients on
    both sides of the split, unfit images, labels that contradict, and what tells the diagnosis without the lesion.

    Writes audit.json, its tables (groups, pairs, trouble, quality, skin_tones) and audit.html, where a person marks
    pairs as the same lesion or not. `cutis split --audit DIR` keeps together what was found, and
    `cutis evaluate --audit DIR` refuses to measure across it.

    Example: cutis data audit ham.parquet -o audit

    Example: cutis data audit outside.parquet --against ham.parquet -o overlap
    """
    from rich.console import Console

    from cutis.audit import audit_images, compared_images, read_decisions, write_audit
    from cutis.cli.progress import progress_bar, stages
    from cutis.data import read_manifest
    from cutis.report import write_audit_page

    manifest = read_manifest(*manifests)
    others = read_manifest(*against) if against else None
    decided = read_decisions(decisions) if decisions is not None else None
    with progress_bar("") as bar:
        audit = audit_images(
            manifest, against=others, decisions=decided, quality_limits=quality_limits, stage=stages(bar)
        )
    written = [*write_audit(audit, output), output / "audit.html"]
    named = " ".join(str(path) for path in manifests) + "".join(f" --against {path}" for path in against or [])
    write_audit_page(
        audit.result,
        audit.pairs,
        compared_images(manifest, others),
        written[-1],
        decisions=decided,
        quality=audit.quality,
        trouble=audit.trouble,
        command=f"cutis data audit {named} -o {output}",
        title=f"Audit of {', '.join(path.stem for path in manifests)}",
    )
    if json:
        told = {"audit": audit.result.model_dump(mode="json"), "written": [str(each) for each in written]}
        typer.echo(dumps(told, ensure_ascii=False))
        return
    console = Console()
    console.print(_table(audit.result))
    for leak in audit.result.leaks[:10]:
        console.print(f"leak: {leak.told}", markup=False, highlight=False, soft_wrap=True)
    for note in audit.result.notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    for path in written:
        console.print(f"written: {path}", markup=False, highlight=False, soft_wrap=True)


def _table(result: "AuditResult") -> "Table":
    from rich.table import Table

    table = Table("found", title=f"{result.images:,} images compared", title_justify="left")
    table.add_column("number", justify="right")
    table.add_row("groups that must stay together", f"{result.groups:,}")
    table.add_row("images in the largest", f"{result.largest_group:,}")
    table.add_row("pairs of one lesion, by their images", f"{result.pairs_same:,}")
    table.add_row("of these under two lesion ids", f"{result.cross_lesion:,}")
    table.add_row("pairs suspected", f"{result.pairs_suspected:,}")
    table.add_row("groups on both sides of the split", f"{result.leaks_total:,}")
    table.add_row("unfit images", f"{result.unfit:,}")
    table.add_row("findings about labels", f"{sum(result.trouble.values()):,}")
    table.add_row("shortcuts to the diagnosis", f"{sum(bool(each['warning']) for each in result.shortcuts):,}")
    return table
