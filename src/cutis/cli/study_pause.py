"""The verbs `cutis study pause` and `cutis study resume`: a break for all readers of a study."""

from datetime import UTC, datetime

import typer

from cutis.cli.study_folders import Database, StudyDir, StudyId, opened_folder


def pause_verb(folder: StudyDir, *, study: StudyId = None, database: Database = None) -> None:
    """Pause a study for all of its readers: no new case is shown until `cutis study resume`.

    A case that is on a screen is finished, and its clock runs on. It works while the study is served.

    Example: cutis study pause study
    """
    with opened_folder(folder, database) as opened:
        from cutis.study.store import pause_study

        info = opened.study(study)
        pause_study(opened.store, info.id, datetime.now(UTC))
    typer.echo(f"paused: {info.title}")
    typer.echo(f"next: cutis study resume {folder}")


def resume_verb(folder: StudyDir, *, study: StudyId = None, database: Database = None) -> None:
    """End the pause of a study: readers go on where they were.

    Example: cutis study resume study
    """
    with opened_folder(folder, database) as opened:
        from cutis.study.store import resume_study

        info = opened.study(study)
        resume_study(opened.store, info.id, datetime.now(UTC))
    typer.echo(f"goes on: {info.title}")
