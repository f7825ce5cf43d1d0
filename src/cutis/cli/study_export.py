"""The verb `cutis study export`: a study's results as plain files."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from cutis.cli.study_folders import Database, StudyDir, StudyId, account_name, opened_folder
from cutis.errors import CutisError


def export_verb(
    folder: StudyDir,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder to make.")],
    study: StudyId = None,
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
    database: Database = None,
) -> None:
    """Write all answers, readings for `cutis study analyze`, the event log (checked), the design, and a README.

    It tells the truth and every answer: while readers read, look at `cutis study status` instead. That somebody looked
    then, under which name of this machine, is written into the event log.

    Example: cutis study export study -o results
    """
    with opened_folder(folder, database) as opened:
        from datetime import UTC, datetime

        from cutis.study import check_new_place, write_export
        from cutis.study.store import record_look

        check_new_place(output)
        now = datetime.now(UTC)
        study_id = opened.study(study).id
        record_look(opened.store, study_id, f"{account_name()}, by cutis study export", now)
        exported = write_export(
            opened.store,
            study_id,
            output,
            now,
            positive=positive,
            at=at,
            first=first,
            withdrawn=withdrawn,
        )
    for note in exported.notes:
        typer.echo(f"note: {note}")
    for path in exported.files:
        typer.echo(f"written: {path}")
    typer.echo(f"seal: {exported.seal}")
    if exported.broken:
        raise CutisError(exported.broken)
    typer.echo("event log: whole")
    if any(each.name == "readings.csv" for each in exported.files):
        typer.echo(f"next: cutis study analyze {output / 'readings.csv'}")
