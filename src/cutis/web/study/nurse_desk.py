"""What all pages of the study nurse share: who is signed in, how a page and a problem are shown."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import FormData

from cutis.errors import CutisError
from cutis.study import OpenFolder
from cutis.study.store import Store, StoreError, StudyInfo
from cutis.web.pictures import Pictures
from cutis.web.refusals import Refusal
from cutis.web.rendering import render
from cutis.web.security import SessionCookie, checked_form, csrf_token
from cutis.web.strings import ENGLISH
from cutis.web.study.nurse_access import NurseAccess
from cutis.web.study.nurse_making import Making

NURSE = SessionCookie("cutis-nurse")
"""Until the browser is closed; the server ends it earlier."""

HOME = "/nurse"


@dataclass
class Desk:
    """What the nurse's pages work with.

    Attributes:
        folder: the study folder, open.
        data: where manifests and models for new studies are looked for.
        address: of the server as readers reach it, such as ``https://study.example.org``; empty for the one by which
            the nurse came.
        announce: tells a fresh sign-in token where only the nurse sees it: on the server's terminal.
        access: who is signed in.
        making: the study that is being made.
    """

    folder: OpenFolder
    data: Path
    address: str
    announce: Callable[[str], None]
    access: NurseAccess = field(default_factory=NurseAccess)
    making: Making = field(default_factory=Making)

    def reader_link(self, request: Request, token: str) -> str:
        """A reader's invitation as they open it."""
        path = str(request.app.url_path_for("invitation_page", invitation=token))
        return (self.address or str(request.base_url)).rstrip("/") + path


class FolderPictures(Pictures):
    """Photographs by their address relative to the study folder."""

    def __init__(self, folder: OpenFolder) -> None:
        super().__init__()
        self._folder = folder

    def jpeg(self, path: Path) -> bytes:
        """As the base class."""
        return super().jpeg(self._folder.whole(path))


class NotSignedIn(Exception):  # noqa: N818 - it leads to the page that tells how
    """Nobody is signed in as nurse in this browser."""


class Problem(Exception):  # noqa: N818 - it is an answer, not a fault
    """What the nurse asked for cannot be done; its own words are shown.

    Args:
        text: what is wrong and what to do.
        back: where the page's link leads.
        status: of HTTP.
    """

    def __init__(self, text: str, *, back: str = HOME, status: int = 422) -> None:
        super().__init__(text)
        self.text = text
        self.back = back
        self.status = status


class NurseVisit(NamedTuple):
    """A request of the nurse, who is signed in. ``form``: what was posted."""

    request: Request
    desk: Desk
    now: datetime
    session: str
    form: FormData

    @property
    def store(self) -> Store:
        """The studies' store."""
        return self.desk.folder.store

    def study(self, study_id: int) -> StudyInfo:
        """The study of an address.

        Raises:
            Problem: 404, there is none.
        """
        try:
            return self.desk.folder.study(study_id)
        except StoreError as error:
            raise Problem(str(error), status=503) from error
        except CutisError as error:
            raise Problem("There is no such study.", status=404) from error

    def page(self, template: str, *, status_code: int = 200, **values: Any) -> HTMLResponse:
        """One of the nurse's pages."""
        return render(
            self.request,
            f"study/nurse_{template}.html.jinja",
            language=ENGLISH,
            status_code=status_code,
            csrf=csrf_token(self.session),
            now=self.now,
            **values,
        )


def _visit(request: Request) -> NurseVisit:
    desk: Desk = request.app.state.nurse
    now: datetime = request.app.state.clock()
    session = NURSE.read(request)
    if session is None or not desk.access.signed_in(session, now):
        raise NotSignedIn
    return NurseVisit(request, desk, now, session, FormData())


async def _posted(request: Request) -> NurseVisit:
    visit = _visit(request)
    try:
        form = await checked_form(request, visit.session, files=1, fields=100)
    except Refusal as refusal:
        raise Problem(
            "This page was out of date, or it was not our page that sent this. Nothing was changed. Go back, "
            "open the page again and repeat what you did.",
            status=refusal.status,
        ) from refusal
    return visit._replace(form=form)


Seen = Annotated[NurseVisit, Depends(_visit)]
Posted = Annotated[NurseVisit, Depends(_posted)]


@contextmanager
def problems_told(back: str = HOME) -> Iterator[None]:
    """What the study refuses, as a page with its own words.

    Raises:
        Problem: in place of a CutisError.
    """
    try:
        yield
    except CutisError as error:
        raise Problem(str(error), back=back, status=503 if isinstance(error, StoreError) else 422) from error


def go(address: str) -> Response:
    """Lead on after a form, so that a reload does not send it again."""
    return RedirectResponse(address, 303)


def lead_to_sign_in(_request: Request, _error: Exception) -> Response:
    """Nobody is signed in."""
    return go(f"{HOME}/sign-in")


def show_problem(request: Request, problem: Exception) -> Response:
    """The page of a problem."""
    assert isinstance(problem, Problem)
    session = NURSE.read(request)
    return render(
        request,
        "study/nurse_problem.html.jinja",
        language=ENGLISH,
        status_code=problem.status,
        csrf=csrf_token(session) if session else "",
        problem=problem,
    )
