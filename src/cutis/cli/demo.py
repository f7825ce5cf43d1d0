"""The verb `cutis demo`: the whole way on synthetic lesions, from drawing them to a report."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cutis.cli.progress import progress_bar, stages

if TYPE_CHECKING:
    import polars as pl

PATIENTS, PLANTED, SEED = 150, 6, 0


def demo_verb(
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write.")] = Path(
        "cutis-demo"
    ),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Draw synthetic lesions, audit and split them, train, predict, evaluate, report: a few minutes on two cores.

    The images are procedural drawings ("phantoms"): the figures show that the software works, and say nothing
    of real skin.

    Example: cutis demo -o cutis-demo
    """
    from rich.console import Console

    from cutis.audit import audit_findings, audit_images, with_audit_groups, write_audit
    from cutis.cli.evaluate import evaluation_table
    from cutis.cli.train import TrainingTask
    from cutis.data import make_phantoms, read_manifest, split, write_manifest
    from cutis.evaluation import evaluate, write_evaluation, write_predictions
    from cutis.models import predict_manifest
    from cutis.report import report_facts, write_audit_page, write_report
    from cutis.training import load_recipe, train

    console = Console(stderr=True)
    recipe = load_recipe("demo")
    with progress_bar() as bar:
        console.print(
            f"1/6 drawing phantom lesions of {PATIENTS} synthetic patients, {PLANTED} of them twice under another name",
            highlight=False,
        )
        drawing = bar.add_task("drawing", total=None)
        make_phantoms(
            output / "phantoms",
            patients=PATIENTS,
            seed=SEED,
            planted_duplicates=PLANTED,
            progress=lambda done, total: bar.update(drawing, completed=done, total=total),
        )
        bar.remove_task(drawing)

        manifest = read_manifest(output / "phantoms" / "manifest.parquet")
        console.print(f"2/6 auditing {len(manifest)} images: near-copies, quality, labels, shortcuts", highlight=False)
        audit = audit_images(manifest, stage=stages(bar))
        write_audit(audit, output / "audit")
        write_audit_page(
            audit.result,
            audit.pairs,
            manifest,
            output / "audit" / "audit.html",
            quality=audit.quality,
            trouble=audit.trouble,
            title="cutis demo: audit of phantom lesions",
        )
        found = f"{audit.result.cross_lesion} pictures of one lesion under two names"
        console.print(f"3/6 splitting by lesion, patient and audit, which found {found}", highlight=False)
        manifest = split(
            with_audit_groups(manifest, audit),
            by=["lesion_id", "patient_id", "audit_group"],
            subsets={"train": 0.6, "val": 0.1, "test": 0.3},
            seed=SEED,
        )
        write_manifest(manifest, output / "manifest.parquet")

        console.print(f"4/6 training ({_counts(manifest)})", highlight=False)
        task = TrainingTask(bar, recipe)
        about = {"name": "cutis demo", "data": "phantom lesions: synthetic drawings, not photographs of skin"}
        bundle = train(manifest, recipe, output / "bundle", about=about, progress=task.step, decoding=task.decoded)

        console.print("5/6 predicting the test lesions, none of which was seen", highlight=False)
        test = manifest.filter(manifest["subset"] == "test")
        predictions = predict_manifest(bundle, test)
        write_predictions(output / "predictions.parquet", predictions)

        console.print("6/6 evaluating and reporting", highlight=False)
        evaluation = evaluate(predictions, manifest, subset="test", audit=audit_findings(audit, manifest))
        write_evaluation(evaluation, output / "evaluation.json")
        write_report(
            evaluation,
            predictions,
            manifest,
            output / "report.html",
            title="cutis demo: phantom lesions",
            about=report_facts(bundle),
        )
    written = [
        str(output / name)
        for name in (
            "audit/audit.html",
            "manifest.parquet",
            "bundle",
            "predictions.parquet",
            "evaluation.json",
            "report.html",
        )
    ]
    if json:
        figures: dict[str, Any] = evaluation.model_dump(mode="json")
        typer.echo(dumps({"evaluation": figures, "written": written}, ensure_ascii=False))
        return
    Console().print(evaluation_table(evaluation, "Unseen phantom lesions (synthetic)"))
    for path in written:
        typer.echo(f"written: {path}")


def _counts(manifest: "pl.DataFrame") -> str:
    sizes = {name: manifest.filter(manifest["subset"] == name).height for name in ("train", "val", "test")}
    return ", ".join(f"{size} {name}" for name, size in sizes.items())
