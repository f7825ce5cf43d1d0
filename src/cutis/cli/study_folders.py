"""What the verbs on study folders share: options, the extra they need, the study that is meant."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutis.cli.extras import needs_extra

if TYPE_CHECKING:
    from cutis.study import OpenFolder

STUDIES = "reader studies need"
"""Of which extra, for :func:`cutis.cli.extras.needs_extra`."""

StudyDir = Annotated[Path, typer.Argument(metavar="STUDY_DIR", help="A folder that `cutis study create` made.")]
StudyId = Annotated[
    int | None, typer.Option("--study", metavar="ID", help="Which study, where the folder holds several.")
]
Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="CUTIS_STUDY_DATABASE",
        help="postgresql://USER:PASSWORD@HOST/NAME; or $CUTIS_STUDY_DATABASE. Default: the folder's own.",
        show_envvar=False,
    ),
]


@contextmanager
def opened_folder(folder: Path, database: str | None) -> "Iterator[OpenFolder]":
    """A study folder with its database open."""
    with needs_extra("study", STUDIES):
        from cutis.study import opened_study_folder

        with opened_study_folder(folder, database) as opened:
            yield opened


def account_name() -> str:
    """The account of this machine that runs the command."""
    import os
    from getpass import getuser

    try:
        return getuser()
    except (KeyError, OSError):  # a number without a name, as in a container
        return f"account {os.getuid()}"
