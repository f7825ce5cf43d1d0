"""``cutis evaluate``: predictions measured against a manifest."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cutis.errors import PredictionsError, listed

if TYPE_CHECKING:
    from rich.table import Table

    from cutis.evaluation import Estimate, Evaluation
    from cutis.taxonomy import ClassSet


def evaluate_verb(
    predictions: Annotated[
        list[Path], typer.Argument(metavar="PREDICTIONS...", help="Parquet or CSV; ISIC-challenge CSVs too.")
    ],
    *,
    manifests: Annotated[
        list[Path], typer.Option("--on", metavar="MANIFEST", help="What was predicted; several are joined.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the results.")],
    classes: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The class set of the columns; 'source' for the data set's own words."),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Coarser classes to measure at, e.g. esteva3 or risk3: their parts are summed."
        ),
    ] = None,
    subset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="train, val or test. Default: test if there is one, else all."),
    ] = None,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="Divide each row by its sum: for independent scores.")
    ] = False,
    thresholds: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A thresholds.json, chosen on other images.")
    ] = None,
    conformal: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A conformal.json: prediction sets, calibrated on other images.")
    ] = None,
    bundle: Annotated[Path | None, typer.Option(metavar="DIR", help="Take both from this model bundle.")] = None,
    thresholds_by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Also thresholds of each group's own, e.g. by skin_type; with --chosen-on."
        ),
    ] = None,
    chosen_on: Annotated[
        list[Path] | None,
        typer.Option(metavar="PREDICTIONS", help="Validation predictions that these thresholds are chosen on."),
    ] = None,
    chosen_on_manifest: Annotated[
        list[Path] | None,
        typer.Option(metavar="MANIFEST", help="Theirs; its subset val, or all. Default: that of --on."),
    ] = None,
    audit: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A `cutis data audit`: what it found on both sides is refused."),
    ] = None,
    allow_leak: Annotated[
        str | None, typer.Option(metavar="REASON", help="Measure in spite of a leak; the report prints why, in red.")
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap that makes the intervals.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")] = False,
) -> None:
    """Measure predictions on a manifest: figures with intervals, and a report to read.

    Writes evaluation.json and report.html to the output folder, and for a paper every figure (figures/*.svg, *.csv)
    and the main tables (tables/*.tex). Refuses predictions that do not match the manifest, and a model that was
    trained on what it is tested on.

    Example: cutis evaluate predictions.parquet --on ham.parquet -o results

    Example: cutis evaluate test.parquet --on m.parquet --thresholds-by skin_type --chosen-on val.parquet -o results
    """
    from rich.console import Console

    from cutis.audit import audit_findings, read_audit
    from cutis.data import read_manifest
    from cutis.evaluation import (
        choose_group_thresholds,
        evaluate,
        image_paths,
        read_conformal_sets,
        read_evaluated_manifest,
        read_predictions,
        read_thresholds,
        write_evaluation,
    )
    from cutis.report import write_checklists, write_figures, write_report
    from cutis.taxonomy import class_set

    chosen: ClassSet | Literal["source"] | None = None
    if classes is not None:
        chosen = "source" if classes == "source" else class_set(classes)
    if bundle is not None:
        thresholds, conformal = _rules_of(bundle, thresholds, conformal)
    columns = [] if thresholds_by is None else [thresholds_by]
    manifest = read_evaluated_manifest(*manifests, columns=columns)
    answered = read_predictions(*predictions, classes=chosen, normalise=normalise)
    if at is not None:
        answered = answered.rolled_up(class_set(at))
    answered = answered.in_order_of(manifest["image_id"])
    if (thresholds_by is None) != (not chosen_on):
        raise PredictionsError("--thresholds-by and --chosen-on belong together", fix="Give both, or neither.")
    if chosen_on_manifest and not chosen_on:
        raise PredictionsError("--chosen-on-manifest needs --chosen-on", fix="Name the validation predictions.")
    grouped = None
    if thresholds_by is not None and chosen_on:
        validated = read_predictions(*chosen_on, classes=chosen, normalise=normalise)
        validated = validated if at is None else validated.rolled_up(class_set(at))
        theirs = read_evaluated_manifest(*chosen_on_manifest, columns=columns) if chosen_on_manifest else manifest
        grouped = choose_group_thresholds(validated, theirs, thresholds_by)
    evaluation = evaluate(
        answered,
        manifest,
        subset=subset,
        thresholds=None if thresholds is None else read_thresholds(thresholds),
        conformal=None if conformal is None else read_conformal_sets(conformal),
        resamples=resamples,
        seed=seed,
        audit=None if audit is None else audit_findings(read_audit(audit), read_manifest(*manifests)),
        allow_leak=allow_leak,
        group_thresholds=grouped,
    )
    paths = [output / "evaluation.json", output / "report.html"]
    about: dict[str, object] = {
        "Predictions": [str(path) for path in predictions],
        "Manifest": [str(path) for path in manifests],
    }
    about |= {"Thresholds": str(thresholds)} if thresholds is not None else {}
    about |= {"Prediction sets": str(conformal)} if conformal is not None else {}
    about |= {"Audit": str(audit)} if audit is not None else {}
    about |= {"Groups' thresholds": [str(path) for path in chosen_on]} if chosen_on else {}
    title = f"{', '.join(path.stem for path in predictions)} on {', '.join(path.stem for path in manifests)}"
    write_evaluation(evaluation, paths[0])
    write_report(
        evaluation,
        answered,
        manifest,
        paths[1],
        title=title,
        about=about,
        image_paths=lambda image_ids: image_paths(manifests, image_ids),
    )
    for_a_paper = write_figures(evaluation, output)
    checklists = write_checklists(evaluation, answered, manifest, output, about=about)
    if json:
        told = {
            "evaluation": evaluation.model_dump(mode="json"),
            "written": [str(path) for path in [*paths, *checklists, *for_a_paper]],
        }
        typer.echo(dumps(told, ensure_ascii=False))
        return
    Console().print(evaluation_table(evaluation, f"{evaluation.images:,} images, {_classes(evaluation)}"))
    for note in _notes(evaluation):
        typer.echo(f"note: {note}")
    for path in [*paths, *checklists]:
        typer.echo(f"written: {path}")
    typer.echo(f"written: {len(for_a_paper)} files for a paper in {output / 'figures'} and {output / 'tables'}")


def evaluation_table(evaluation: "Evaluation", title: str) -> "Table":
    """The main figures with their intervals, for the terminal."""
    from rich.table import Table

    overall = evaluation.overall
    rows = [
        ("balanced accuracy", overall.balanced_accuracy),
        ("accuracy", overall.accuracy),
        ("macro AUC", overall.macro_auc),
    ]
    if evaluation.malignancy is not None:
        rows.append(("AUC, malignancy", evaluation.malignancy.auc))
    rows += [(f"sensitivity, {each.id}", each.sensitivity) for each in evaluation.by_class]
    rows.append(("calibration error", evaluation.calibration.expected_calibration_error))
    if evaluation.operating_points is not None:
        rows.append(("truth in differential list", evaluation.operating_points.differential.truth_listed))
    if evaluation.conformal is not None:
        promised = f"truth in {100 * evaluation.conformal.promised:g}% prediction set"
        rows.append((promised, evaluation.conformal.overall.coverage))
    if evaluation.other is not None and evaluation.other.share_saved is not None:
        rows.append((f"false alarms saved by '{evaluation.other.id}'", evaluation.other.share_saved))
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column(f"{100 * evaluation.intervals.confidence:g}% interval", justify="right")
    for name, estimate in rows:
        table.add_row(name, _number(estimate.value), _interval(estimate))
    return table


def _rules_of(bundle: Path, thresholds: Path | None, conformal: Path | None) -> tuple[Path | None, Path | None]:
    """The thresholds.json and conformal.json of a bundle, those of them that it has."""
    if thresholds is not None or conformal is not None:
        raise PredictionsError(
            "--bundle names thresholds and prediction sets already", fix="Leave out --thresholds and --conformal."
        )
    found = [path if path.is_file() else None for path in (bundle / "thresholds.json", bundle / "conformal.json")]
    if found == [None, None]:
        raise PredictionsError(
            "holds neither thresholds.json nor conformal.json", where=str(bundle), fix="Name a model bundle."
        )
    return found[0], found[1]


def _classes(evaluation: "Evaluation") -> str:
    told = f"{len(evaluation.by_class)} classes"
    finer = evaluation.predicted_classes
    return told if finer == evaluation.classes else f"{told} ({evaluation.classes.name}) from {len(finer.ids)}"


def _notes(evaluation: "Evaluation") -> list[str]:
    """What must be known beside the figures."""
    notes = list(evaluation.warnings)
    if evaluation.outside_classes.images:
        words = [f"{word} ({images:,})" for word, images in evaluation.outside_classes.words.items()]
        notes.append(f"{evaluation.outside_classes.images:,} images of no class were not scored: {listed(words)}.")
    return notes


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _interval(estimate: "Estimate") -> str:
    return f"{_number(estimate.low)}–{_number(estimate.high)}" if estimate.low is not None else "–"
