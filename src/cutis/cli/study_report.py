"""The verb `cutis study report`: a study, or a table of readings, as one page, a PDF, and files for a paper."""

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cutis.cli.study_folders import Database, StudyId, account_name, opened_folder

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from cutis.study import Model, StudyRecord


def report_verb(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="STUDY_DIR|READINGS...", help="A study folder, or readings (.csv, .imrmc, .lrc, .xlsx)."
        ),
    ],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the report.")],
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A model's predictions of the cases, to stand beside the readers."),
    ] = None,
    manifests: Annotated[
        list[Path] | None,
        typer.Option("--on", metavar="MANIFEST", help="Holds the truth of the predictions; needed with readings."),
    ] = None,
    model_name: Annotated[str | None, typer.Option(metavar="NAME", help="The model's. Default: its file's.")] = None,
    groups: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of readings: a table with the columns name and group.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="RATING", help="Of readings: a rating this high calls a case positive.")
    ] = None,
    unaided: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of readings: the modality without an aid. Default: 'unaided'.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(metavar="ARM", help="The arm that others are compared with. Default: the first.")
    ] = None,
    margin: Annotated[
        float | None, typer.Option(metavar="X", help="Of non-inferiority and equivalence, for every endpoint.")
    ] = None,
    positive: Annotated[
        list[str] | None,
        typer.Option(metavar="NODE", help="A diagnosis that counts as positive; repeat it. Default: malignant ones."),
    ] = None,
    at: Annotated[
        Literal["low", "high", "dangerous"], typer.Option(help="Of a question of risk: positive from here on.")
    ] = "high",
    first: Annotated[int, typer.Option(min=1, help="Of a ranked question: right if among so many first places.")] = 1,
    withdrawn: Annotated[
        bool, typer.Option("--withdrawn", help="Also answers of readers who withdrew; only if they agreed.")
    ] = False,
    title: Annotated[str, typer.Option(metavar="TEXT", help="The heading. Default: the study's, or the file's.")] = "",
    confidence: Annotated[float, typer.Option(metavar="C", help="Of all intervals.")] = 0.95,
    resamples: Annotated[int, typer.Option(min=100, help="Of every bootstrap.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of every bootstrap.")] = 0,
    study: StudyId = None,
    database: Database = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Report a study: design, completeness, readers by group, arms compared, the aid, agreement, time, limits, methods.

    Writes report.html, report.pdf, figures (SVG, PDF, CSV) and tables (LaTeX, CSV). The analysis that suits the data is
    chosen and told: where reads are missing or timed out, one that allows for it.

    A study's report tells the truth and every answer: not while readers read.

    Example: cutis study report study -o results

    Example: cutis study report readings.csv --threshold 3 --groups readers.csv -o results

    Example: cutis study report study --predictions net.parquet --model-name Network -o results
    """
    from datetime import UTC, datetime

    from cutis.report import write_study_report
    from cutis.study import study_findings

    now = datetime.now(UTC)
    if len(sources) == 1 and (sources[0].is_dir() or not sources[0].suffix):
        _only_of_readings(groups=groups, threshold=threshold, unaided=unaided)
        record = _stored(sources[0], study, database, now, positive, at, first, withdrawn=withdrawn)
    else:
        record = _read(sources, groups, threshold, unaided)
    model = None if predictions is None else _model(record, predictions, manifests or [], model_name)
    found = study_findings(
        record,
        model=model,
        reference=reference,
        margin=margin,
        positive=None if not positive or model is None else _model_class(model, positive),
        resamples=resamples,
        seed=seed,
        confidence=confidence,
    )
    written = write_study_report(found, output, now=now, title=title)
    if json:
        told = {
            "written": [str(path) for path in written.files],
            "notes": written.notes,
            "missing": [{"what": what, "why": why} for what, why in found.missing],
            "analyses": [each.model_dump(mode="json") for each in found.analyses],
        }
        typer.echo(dumps(told, ensure_ascii=False))
        return
    typer.echo(f"analysis: {found.choice.reason}")
    for note in [*record.notes, *written.notes]:
        typer.echo(f"note: {note}")
    for what, why in found.missing:
        typer.echo(f"not in it: {what}: {why}")
    for path in written.files[:2]:
        typer.echo(f"written: {path}")
    typer.echo(f"written: {len(written.files) - 2} files for a paper in {output / 'figures'} and {output / 'tables'}")


def _only_of_readings(**given: object) -> None:
    from cutis.study import StudyError

    wrong = [name for name, value in given.items() if value is not None]
    if wrong:
        raise StudyError(f"--{wrong[0]} is for readings: a study folder knows it", fix="Leave it out.")


def _stored(
    folder: Path,
    study: int | None,
    database: str | None,
    now: "datetime",
    positive: list[str] | None,
    at: Literal["low", "high", "dangerous"],
    first: int,
    *,
    withdrawn: bool,
) -> "StudyRecord":
    with opened_folder(folder, database) as opened:
        from cutis.study import record_of_study
        from cutis.study.store import record_look

        study_id = opened.study(study).id
        record_look(opened.store, study_id, f"{account_name()}, by cutis study report", now)
        return record_of_study(
            opened.store,
            study_id,
            now,
            positive=positive,
            at=at,
            first=first,
            withdrawn=withdrawn,
        )


def _read(sources: list[Path], groups: Path | None, threshold: float | None, unaided: str | None) -> "StudyRecord":
    from cutis.study import read_readings, record_of_readings

    return record_of_readings(
        read_readings(*sources),
        title=f"Readings of {sources[0].stem}",
        threshold=threshold,
        groups=None if groups is None else _groups(groups),
        unaided=unaided,
    )


def _groups(path: Path) -> dict[str, str]:
    from cutis.data import read_table
    from cutis.study import StudyError

    table = read_table(path)
    missing = [each for each in ("name", "group") if each not in table.columns]
    if missing:
        raise StudyError(
            f"column '{missing[0]}' is missing", where=str(path), fix="Give the columns name and group, a row a reader."
        )
    told = [(str(name or "").strip(), str(group or "").strip()) for name, group in table.select("name", "group").rows()]
    empty = [str(row) for row, (name, group) in enumerate(told, 1) if not name or not group]
    if empty:
        raise StudyError(f"row {', '.join(empty[:10])}: name or group is empty", where=str(path), fix="Fill it in.")
    return dict(told)


def _model(record: "StudyRecord", predictions: Path, manifests: list[Path], name: str | None) -> "Model":
    from cutis.data import manifest_frame, read_manifest
    from cutis.evaluation import read_predictions
    from cutis.study import Model, StudyError

    manifest: pl.DataFrame
    if manifests:
        manifest = read_manifest(*manifests)
    elif record.cases:
        cases = [each for each in record.cases if each.part == "main"]
        rows = [{"image_id": each.image_id, "source": "study", "diagnosis_node": each.node} for each in cases]
        manifest = manifest_frame(rows)
    else:
        raise StudyError("readings do not tell the diagnoses that predictions are of", fix="Name the manifest (--on).")
    return Model(name or predictions.stem, read_predictions(predictions), manifest)


def _model_class(model: "Model", positive: list[str]) -> str:
    from cutis.study import StudyError

    ids = model.predictions.classes.ids
    if len(positive) > 1 or positive[0] not in ids:
        raise StudyError(
            f"the model has no class for {', '.join(positive)}",
            fix=f"Name one of its classes with --positive ({', '.join(ids[:12])}), or leave out --predictions.",
        )
    return positive[0]
