"""What all pages of the follow-up share: who is signed in, how a page and a problem are shown."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.datastructures import FormData

from cutis.errors import CutisError, ImageError
from cutis.follow_up import AccessError, ConflictError, Person, Store, StoreError, person_of
from cutis.web.clinic.words import clinic_words
from cutis.web.follow_up.comparing import Comparisons
from cutis.web.rate_limit import RateLimit
from cutis.web.refusals import Refusal
from cutis.web.rendering import render
from cutis.web.security import SessionCookie, checked_form, csrf_token
from cutis.web.strings import ENGLISH

HOME = "/follow-up"
SESSION = SessionCookie("cutis-follow-up", days=30)

STALE = (
    "This page was out of date, or it was not our page that sent this. Nothing was changed. Go back, open the page "
    "again and repeat what you did."
)


@dataclass(frozen=True)
class Room:
    """What the pages work with."""

    store: Store
    clock: Callable[[], datetime]
    address: str
    joining: RateLimit
    comparisons: Comparisons


class NotSignedIn(Exception):  # noqa: N818 - it leads to the page that tells how
    """Nobody is signed in in this browser."""


class Problem(Exception):  # noqa: N818 - it is an answer, not a fault
    """What was asked for cannot be done: what is wrong and what to do, where the page's link leads, HTTP's status."""

    def __init__(self, text: str, *, back: str = HOME, status: int = 422) -> None:
        super().__init__(text)
        self.text = text
        self.back = back
        self.status = status


class Visit(NamedTuple):
    """A request of somebody who is signed in. ``form``: what was posted."""

    request: Request
    room: Room
    person: Person
    now: datetime
    session: str
    form: FormData

    @property
    def store(self) -> Store:
        """The follow-up."""
        return self.room.store

    @property
    def curates(self) -> bool:
        """Whether it is a curator."""
        return self.person.role == "curator"

    @property
    def engine(self) -> Any:
        """What answers photographs."""
        return self.request.app.state.engine

    def text(self, name: str) -> str:
        """A field of the form; empty without."""
        value = self.form.get(name)
        return value.strip() if isinstance(value, str) else ""

    def page(self, template: str, *, status_code: int = 200, **values: Any) -> HTMLResponse:
        """One of the follow-up's pages."""
        return render(
            self.request,
            f"follow_up/{template}.html.jinja",
            language=ENGLISH,
            status_code=status_code,
            csrf=csrf_token(self.session),
            title=self.store.title,
            person=self.person,
            curates=self.curates,
            w=clinic_words(ENGLISH),
            **values,
        )


class TellingRoute(APIRoute):
    """A route whose problems are told by pages of the follow-up, whatever app it is in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As the base class, with what is told."""
        handler = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handler(request)
            except NotSignedIn:
                return _lead_to_sign_in(request)
            except Problem as problem:
                return show_problem(request, problem)
            except RequestValidationError:
                return show_problem(request, Problem("There is no such page.", status=404))
            except Refusal as refusal:
                return show_problem(request, _of_refusal(refusal))

        return told


async def _visit(request: Request) -> Visit:
    session = SESSION.read(request)
    if session is None:
        raise NotSignedIn
    room: Room = request.state.follow_up
    now = room.clock()
    try:
        with problems_told():
            person = person_of(room.store, session, now)
    except Problem as problem:
        if isinstance(problem.__cause__, AccessError):
            raise NotSignedIn from problem
        raise
    return Visit(request, room, person, now, session, FormData())


def _curator(visit: Annotated[Visit, Depends(_visit)]) -> Visit:
    if not visit.curates:
        raise Problem("This is the curator's to do.", status=403)
    return visit


def _form(files: int) -> Callable[..., Coroutine[Any, Any, Visit]]:
    async def posted(request: Request, visit: Annotated[Visit, Depends(_visit)]) -> Visit:
        try:
            form = await checked_form(request, visit.session, files=files)
        except Refusal as refusal:
            raise Problem(STALE, status=refusal.status) from refusal
        return visit._replace(form=form)

    return posted


_posted = _form(0)


def _curator_posted(_who: Annotated[Visit, Depends(_curator)], posted: Annotated[Visit, Depends(_posted)]) -> Visit:
    return posted


Seen = Annotated[Visit, Depends(_visit)]
Posted = Annotated[Visit, Depends(_posted)]
Uploaded = Annotated[Visit, Depends(_form(2))]
Curator = Annotated[Visit, Depends(_curator)]
CuratorPosted = Annotated[Visit, Depends(_curator_posted)]


@contextmanager
def problems_told(back: str = HOME) -> Iterator[None]:
    """What the follow-up refuses, as a page with its own words.

    Raises:
        Problem: in place of a CutisError.
    """
    try:
        yield
    except StoreError as error:
        if error.problem.startswith("erased"):
            raise Problem(str(error), back=back, status=500) from error
        text = "The database does not answer at the moment. Nothing was changed. Wait a little and try again."
        raise Problem(text, back=back, status=503) from error
    except AccessError as error:
        raise Problem(str(error), status=404) from error
    except ConflictError as error:
        raise Problem(str(error), back=back, status=409) from error
    except ImageError as error:
        raise Problem(f"The photograph {error.problem.rstrip('.')}. Nothing was added.", back=back) from error
    except CutisError as error:
        raise Problem(str(error), back=back) from error


def go(address: str) -> Response:
    """Lead on after a form, so that a reload does not send it again."""
    return RedirectResponse(address, 303)


def show_problem(request: Request, problem: Problem) -> Response:
    """The page of a problem, or JSON for a script that asked for it."""
    headers = {"retry-after": "5"} if problem.status in (429, 503) else None
    if _wants_json(request):
        return JSONResponse({"problem": problem.text}, problem.status, headers)
    return render(
        request,
        "follow_up/problem.html.jinja",
        language=ENGLISH,
        status_code=problem.status,
        headers=headers,
        csrf="",
        title="Follow-up",
        person=None,
        curates=False,
        problem=problem,
    )


def _lead_to_sign_in(request: Request) -> Response:
    if _wants_json(request):
        return JSONResponse({"problem": "You are not signed in any more."}, 403)
    return go(f"{HOME}/sign-in")


def _of_refusal(refusal: Refusal) -> Problem:
    words = {
        503: "The server has too much to do at the moment. Nothing was changed. Try again in a little while.",
        504: "It took too long. Nothing was changed. Try again.",
    }
    text = words.get(refusal.status, "What your browser sent is nothing that our pages send. Nothing was changed.")
    return Problem(text, status=refusal.status)


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")
