"""The app with the study nurse's pages beside the readers'."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from fastapi import FastAPI

from cutis.study import OpenFolder
from cutis.web.app import create_study_app, utc_now
from cutis.web.study.nurse_creation import LONGEST, nurse_creation_router
from cutis.web.study.nurse_desk import (
    HOME,
    Desk,
    FolderPictures,
    NotSignedIn,
    Problem,
    lead_to_sign_in,
    show_problem,
)
from cutis.web.study.nurse_readers import nurse_readers_router
from cutis.web.study.nurse_results import nurse_results_router
from cutis.web.study.nurse_sign_in import nurse_sign_in_router
from cutis.web.study.nurse_studies import nurse_studies_router


def create_nurse_app(
    folder: OpenFolder,
    *,
    data: Path,
    announce: Callable[[str], None],
    address: str = "",
    clock: Callable[[], datetime] = utc_now,
) -> FastAPI:
    """The pages of a study folder, for readers and for the study nurse, whose desk is ``app.state.nurse``.

    Args:
        folder: open; whoever opened it closes it, after ``app.state.nurse.making.stop()``.
        data: where manifests and models for new studies are looked for.
        announce: tells a fresh sign-in token where only the nurse sees it.
        address: of the server as readers reach it; empty for the one by which the nurse came.
        clock: the server's time, in UTC.
    """
    app = create_study_app(
        folder.store,
        clock=clock,
        rooms=(
            nurse_sign_in_router,
            nurse_studies_router,
            nurse_readers_router,
            nurse_creation_router,
            nurse_results_router,
        ),
        # A form may write each character as four bytes, each byte as three.
        larger_bodies={HOME: 12 * LONGEST},
    )
    app.state.nurse = Desk(folder, data.resolve(), address, announce)
    app.state.pictures = FolderPictures(folder)
    app.add_exception_handler(NotSignedIn, lead_to_sign_in)
    app.add_exception_handler(Problem, show_problem)
    return app
