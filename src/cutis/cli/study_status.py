"""The verb `cutis study status`: how far each reader is."""

from json import dumps
from typing import TYPE_CHECKING, Annotated

import typer

from cutis.cli.study_folders import Database, StudyDir, StudyId, opened_folder

if TYPE_CHECKING:
    from datetime import datetime

    from rich.table import Table

    from cutis.study.store import ReaderProgress, StudyInfo


def status_verb(
    folder: StudyDir,
    *,
    study: StudyId = None,
    database: Database = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")] = False,
) -> None:
    """Show how far every reader is, and check the event log. It tells no answers and no truth.

    Example: cutis study status study
    """
    with opened_folder(folder, database) as opened:
        from datetime import UTC, datetime

        from cutis.study.store import ChainError, list_studies, progress, verify_chain

        now = datetime.now(UTC)
        wanted = list_studies(opened.store) if study is None else [opened.study(study)]
        if not wanted:
            opened.study()  # which says so
        told = []
        for each in wanted:
            broken = None
            try:
                verify_chain(opened.store, each.id)
            except ChainError as error:
                broken = str(error)
            told.append((each, progress(opened.store, each.id, now), broken))
    if json:
        studies = [
            {
                **info._asdict(),
                "created_at": info.created_at.isoformat(),
                "closed_at": _time(info.closed_at),
                "paused_at": _time(info.paused_at),
                "event_log_broken": broken,
                "readers": [
                    {**each._asdict(), "last_seen": each.last_seen.isoformat(), "opens_at": _time(each.opens_at)}
                    for each in readers
                ],
            }
            for info, readers, broken in told
        ]
        typer.echo(dumps({"studies": studies}, ensure_ascii=False))
        return
    from rich.console import Console

    for info, readers, broken in told:
        Console().print(readers_table(info, readers))
        typer.echo(f"event log: {broken or 'whole'}")


def readers_table(info: "StudyInfo", readers: "list[ReaderProgress]") -> "Table":
    """Every reader's state, for the terminal."""
    from rich.markup import escape
    from rich.table import Table

    state = "open"
    if info.paused_at is not None:
        state = f"paused since {info.paused_at:%Y-%m-%d %H:%M} UTC"
    if info.closed_at is not None:
        state = f"closed on {info.closed_at:%Y-%m-%d %H:%M} UTC"
    title = f"{info.id}: {info.title}, made on {info.created_at:%Y-%m-%d %H:%M} UTC, {state}"
    table = Table("reader", "group", "state", title=escape(title), title_justify="left")
    for head in ("done", "timed out", "last seen (UTC)"):
        table.add_column(head, justify="right", no_wrap=True)
    for each in readers:
        table.add_row(
            escape(each.name),
            escape(each.group),
            each.state if each.opens_at is None else f"{each.state} until {each.opens_at:%Y-%m-%d %H:%M}",
            f"{each.done} of {each.cases}",
            str(each.timed_out),
            f"{each.last_seen:%Y-%m-%d %H:%M}",
        )
    return table


def _time(moment: "datetime | None") -> str | None:
    return None if moment is None else moment.isoformat()
