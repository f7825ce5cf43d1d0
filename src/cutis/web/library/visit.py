"""What all pages of a library share: who is signed in, how a page and a problem are shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.datastructures import FormData

from cutis.annotation import AccessError, ConflictError, Library, LibraryError, Person, person_of
from cutis.errors import CutisError
from cutis.web.refusals import Refusal
from cutis.web.rendering import render
from cutis.web.security import SessionCookie, checked_form, csrf_token
from cutis.web.strings import ENGLISH

SESSION = SessionCookie("cutis-library", days=30)
"""A fresh link, opened anywhere, ends it earlier."""

HOME = "/"

STALE = (
    "This page was out of date, or it was not our page that sent this. Nothing was changed. Go back, open the page "
    "again and repeat what you did."
)


class NotSignedIn(Exception):  # noqa: N818 - it leads to the page that tells how
    """Nobody is signed in in this browser."""


class Problem(Exception):  # noqa: N818 - it is an answer, not a fault
    """What was asked for cannot be done.

    Args:
        text: what is wrong and what to do.
        back: where the page's link leads.
        status: of HTTP.
        code: for scripts.
        more: told to scripts as well.
    """

    def __init__(
        self, text: str, *, back: str = HOME, status: int = 422, code: str = "wrong", more: dict[str, Any] | None = None
    ) -> None:
        super().__init__(text)
        self.text = text
        self.back = back
        self.status = status
        self.code = code
        self.more = more or {}


class Visit(NamedTuple):
    """A request of somebody who is signed in. ``form``: what was posted."""

    request: Request
    library: Library
    person: Person
    now: datetime
    session: str
    form: FormData

    @property
    def curates(self) -> bool:
        """Whether it is the curator."""
        return self.person.role == "curator"

    def page(self, template: str, *, status_code: int = 200, **values: Any) -> HTMLResponse:
        """One of the library's pages."""
        return render(
            self.request,
            f"library/{template}.html.jinja",
            language=ENGLISH,
            status_code=status_code,
            csrf=csrf_token(self.session),
            library=self.library,
            person=self.person,
            **values,
        )


def _visit(request: Request) -> Visit:
    session = SESSION.read(request)
    if session is None:
        raise NotSignedIn
    library: Library = request.app.state.library
    try:
        with problems_told():
            person = person_of(library.database, session)
    except Problem as problem:
        if isinstance(problem.__cause__, AccessError):
            raise NotSignedIn from problem
        raise
    return Visit(request, library, person, request.app.state.clock(), session, FormData())


async def _posted(request: Request, visit: Annotated[Visit, Depends(_visit)]) -> Visit:
    try:
        form = await checked_form(request, visit.session)
    except Refusal as refusal:
        raise Problem(STALE, status=refusal.status, code="stale-form") from refusal
    return visit._replace(form=form)


def _curator(visit: Annotated[Visit, Depends(_visit)]) -> Visit:
    if not visit.curates:
        raise Problem("This page is the curator's.", status=403, code="not-yours")
    return visit


def _curator_posted(_who: Annotated[Visit, Depends(_curator)], posted: Annotated[Visit, Depends(_posted)]) -> Visit:
    return posted


Seen = Annotated[Visit, Depends(_visit)]
Posted = Annotated[Visit, Depends(_posted)]
Curator = Annotated[Visit, Depends(_curator)]
CuratorPosted = Annotated[Visit, Depends(_curator_posted)]


@contextmanager
def problems_told(back: str = HOME) -> Iterator[None]:
    """What the library refuses, as a page with its own words.

    Raises:
        Problem: in place of a CutisError.
    """
    try:
        yield
    except LibraryError as error:
        text = "The library does not answer at the moment. Nothing was changed. Wait a little and try again."
        raise Problem(text, back=back, status=503, code="busy") from error
    except AccessError as error:
        raise Problem(str(error), back=back, status=404, code="not-there") from error
    except ConflictError as error:
        raise Problem(str(error), back=back, status=409, code="conflict", more={"version": error.version}) from error
    except CutisError as error:
        raise Problem(str(error), back=back) from error


def go(address: str) -> Response:
    """Lead on after a form, so that a reload does not send it again."""
    return RedirectResponse(address, 303)


def lead_to_sign_in(request: Request, _error: Exception) -> Response:
    """Nobody is signed in."""
    if _wants_json(request):
        text = "You are not signed in any more. Your work is kept in this browser: sign in again in another tab."
        return JSONResponse({"code": "signed-out", "problem": text}, 403)
    return go("/sign-in")


def show_problem(request: Request, problem: Exception) -> Response:
    """The page of a problem, or JSON for a script that asked for it."""
    assert isinstance(problem, Problem)
    headers = {"retry-after": "5"} if problem.status in (429, 503) else None
    if _wants_json(request):
        return JSONResponse({"code": problem.code, "problem": problem.text, **problem.more}, problem.status, headers)
    return render(
        request,
        "library/problem.html.jinja",
        language=ENGLISH,
        status_code=problem.status,
        headers=headers,
        csrf="",
        library=request.app.state.library,
        person=None,
        problem=problem,
    )


def tell_refusal(request: Request, refusal: Refusal) -> Response:
    """What the guard refuses before any page is reached, in this app's words."""
    words = {
        "too-large": "What your browser sent is larger than anything our pages send. Nothing was changed.",
        "failed": "Something went wrong here. It is our fault, and it has been noted. Nothing that was saved is lost.",
    }
    text = words.get(refusal.code, "What your browser sent is nothing that our pages send. Nothing was changed.")
    return show_problem(request, Problem(text, status=refusal.status, code=refusal.code))


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")
