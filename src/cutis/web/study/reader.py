"""A reader's way: the link, consent, instructions, case after case, to the end.

Every page is what the store says is before this reader now. Forms post and are sent back to ``/study``, so reload, the
back button and a second tab show the present state. A script may post the same forms and get JSON.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

import cutis.study.store as study_store
from cutis.errors import ImageError
from cutis.study import StudyError
from cutis.study.store import AccessError, AnswerKeptError, GivenAnswer, NotNowError, Page, Store, StoreError
from cutis.web.refusals import Refusal
from cutis.web.rendering import preferred_language, render
from cutis.web.security import (
    CSRF_HEADER,
    VISITOR,
    SessionCookie,
    check_csrf,
    checked_form,
    csrf_token,
    visitor_secret,
)
from cutis.web.strings import strings
from cutis.web.study import case_page
from cutis.web.study.reader_forms import answer_of, report_of, sender_of

READER = SessionCookie("cutis-reader", days=180)
"""Long enough for a wash-out; a fresh link, opened anywhere, ends it."""

_TEMPLATES = {
    "consent": "study/consent.html.jinja",
    "instructions": "study/instructions.html.jinja",
    "ready": "study/ready.html.jinja",
    "case": "study/case.html.jinja",
    "feedback": "study/feedback.html.jinja",
    "paused": "study/paused.html.jinja",
    "study paused": "study/study_paused.html.jinja",
    "wash-out": "study/wash_out.html.jinja",
    "finished": "study/finished.html.jinja",
    "closed": "study/closed.html.jinja",
}
_NOTICES = ("saved", "timed-out", "kept")

reader_router = APIRouter()
_log = logging.getLogger("cutis.web")


class Visit(NamedTuple):
    """A request of somebody who is signed in. ``token``: of their session; ``form``: what was posted."""

    request: Request
    store: Store
    now: datetime
    token: str
    form: FormData


async def _visit(request: Request) -> Visit:
    token = READER.read(request)
    if token is None:
        raise Refusal(403, "no-session")
    state = request.app.state
    return Visit(request, state.store, state.clock(), token, FormData())


async def _posted(request: Request) -> Visit:
    visit = await _visit(request)
    return visit._replace(form=await checked_form(request, visit.token))


Seen = Annotated[Visit, Depends(_visit)]
Posted = Annotated[Visit, Depends(_posted)]


@contextmanager
def _refusals(no_access: Refusal) -> Iterator[None]:
    """What the store refuses, as pages. Its own words stay with it: they may name the database."""
    try:
        yield
    except StoreError as error:
        raise Refusal(503, "busy") from error
    except AccessError as error:
        raise no_access from error
    except AnswerKeptError as error:
        raise Refusal(409, "kept") from error
    except NotNowError as error:
        raise Refusal(409, "not-now") from error


def _no_session() -> Refusal:
    return Refusal(403, "no-session")


def _not_before_you() -> Refusal:
    return Refusal(403, "not-before-you")


@reader_router.get("/s/{invitation}")
def invitation_page(request: Request) -> Response:
    """The page with the button. To look at it, as mail scanners and previews do, uses nothing up."""
    secret = visitor_secret(request)
    language = preferred_language(request)
    page = render(request, "study/join.html.jinja", language=language, csrf=csrf_token(secret))
    VISITOR.write(request, page, secret)
    return page


async def _from_our_page(request: Request) -> None:
    await checked_form(request, VISITOR.read(request) or "")


@reader_router.post("/s/{invitation}", dependencies=[Depends(_from_our_page)])
def use_invitation(request: Request, invitation: str) -> Response:
    """Exchange the link for a session."""
    state = request.app.state
    now = state.clock()
    if not state.joining.allows(invitation[:100], now):
        raise Refusal(429, "too-often", back="")
    with _refusals(Refusal(410, "used-link")):
        session = study_store.join(state.store, invitation, now)
    response = _back()
    READER.write(request, response, session)
    return response


@reader_router.get("/study")
def study_page(visit: Seen, notice: str = "") -> Response:
    """Whatever is before the reader now."""
    with _refusals(_no_session()):
        page = study_store.shown_now(visit.store, visit.token, visit.now)
    return _page(visit, page, notice=notice if notice in _NOTICES else "")


@reader_router.post("/study/consent")
def give_consent(visit: Posted) -> Response:
    """The reader agrees."""
    if visit.form.get("agree") != "yes":
        raise Refusal(422, "no-consent")
    return _act(study_store.consent, visit)


@reader_router.post("/study/instructions")
def confirm_instructions(visit: Posted) -> Response:
    """The reader has read them."""
    return _act(study_store.confirm_instructions, visit)


@reader_router.post("/study/next")
def show_next(visit: Posted) -> Response:
    """The next case is shown, and its clock starts."""
    return _act(study_store.show_next, visit)


@reader_router.post("/study/pause")
def pause(visit: Posted) -> Response:
    """Stop between two cases."""
    return _act(study_store.pause, visit)


@reader_router.post("/study/resume")
def resume(visit: Posted) -> Response:
    """Go on after a pause."""
    return _act(study_store.resume, visit)


async def answer(request: Request) -> Response:
    """Answer the case; the reply says what is kept, once it is on the disk."""
    visit = await _posted(request)
    given = GivenAnswer(
        visit.token, request.path_params["key"], answer_of(visit.form), visit.now, sender_of(visit.form)
    )
    with _refusals(_not_before_you()):
        try:
            told = await request.app.state.answers.answer(given)
        except StudyError as error:
            if type(error) is not StudyError:
                raise
            return await run_in_threadpool(_incomplete, visit)
    notice = "saved" if told.outcome == "answered" else "timed-out"
    if _wants_json(visit.request):
        return JSONResponse({"outcome": told.outcome, "next": f"/study?notice={notice}"})
    return _back(notice)


# Not a route of FastAPI's: when the time ends for a whole room, all answers arrive at once, and its reading of
# parameters and its thread for each would take half of the time.
reader_router.add_route("/study/answer/{key}", answer, methods=["POST"])


@reader_router.post("/study/move-on/{key}")
def move_on(visit: Posted, key: str) -> Response:
    """Leave a case that is answered: its feedback, or an answer that could be changed."""
    with _refusals(_not_before_you()):
        study_store.move_on(visit.store, visit.token, key, visit.now)
    return _back()


async def _report_body(request: Request) -> bytes:
    return await request.body()


@reader_router.post("/study/events/{key}")
def report(visit: Seen, key: str, body: Annotated[bytes, Depends(_report_body)]) -> Response:
    """What the browser shows: sizes, zoom, that the page was hidden."""
    check_csrf(visit.request, visit.token, visit.request.headers.get(CSRF_HEADER))
    told = report_of(body)
    details = told.model_dump(mode="json", exclude={"kind"})
    with _refusals(_not_before_you()):
        study_store.note(visit.store, visit.token, key, told.kind, details, visit.now)
    return Response(status_code=204)


@reader_router.get("/study/picture/{key}")
def picture(visit: Seen, key: str) -> Response:
    """The photograph of the case before the reader."""
    return _jpeg(visit, study_store.picture, key)


@reader_router.get("/study/heatmap/{key}")
def heatmap(visit: Seen, key: str) -> Response:
    """Where the AI looked, in an arm that shows it."""
    return _jpeg(visit, study_store.heatmap, key)


@reader_router.post("/study/elsewhere")
def continue_elsewhere(visit: Posted) -> Response:
    """A link for another machine."""
    with _refusals(_no_session()):
        invitation = study_store.invite_elsewhere(visit.store, visit.token, visit.now)
        page = study_store.shown_now(visit.store, visit.token, visit.now)
    link = str(visit.request.url_for("invitation_page", invitation=invitation))
    return _render(visit, page, "study/elsewhere.html.jinja", link=link)


@reader_router.get("/study/sign-out")
def ask_to_sign_out(visit: Seen) -> Response:
    """What it means, and a link for later."""
    with _refusals(_no_session()):
        page = study_store.shown_now(visit.store, visit.token, visit.now)
    return _render(visit, page, "study/sign_out.html.jinja")


@reader_router.post("/study/sign-out")
def sign_out(visit: Posted) -> Response:
    """End the session here, on the server and in the browser."""
    with _refusals(_no_session()):
        page = study_store.shown_now(visit.store, visit.token, visit.now)
        study_store.sign_out(visit.store, visit.token, visit.now)
    response = _render(visit, page, "study/signed_out.html.jinja")
    READER.clear(visit.request, response)
    return response


@reader_router.get("/study/withdraw")
def ask_to_withdraw(visit: Seen) -> Response:
    """Whether the reader means it."""
    with _refusals(_no_session()):
        page = study_store.shown_now(visit.store, visit.token, visit.now)
    return _render(visit, page, "study/withdraw.html.jinja")


@reader_router.post("/study/withdraw")
def withdraw(visit: Posted) -> Response:
    """The reader withdraws."""
    with _refusals(_no_session()):
        page = study_store.shown_now(visit.store, visit.token, visit.now)
        study_store.withdraw(visit.store, visit.token, visit.now)
    response = _render(visit, page, "study/withdrawn.html.jinja")
    READER.clear(visit.request, response)
    return response


def _act(act: Callable[[Store, str, datetime], None], visit: Visit) -> Response:
    with _refusals(_no_session()):
        act(visit.store, visit.token, visit.now)
    return _back()


def _back(notice: str = "") -> RedirectResponse:
    return RedirectResponse(f"/study?notice={notice}" if notice else "/study", 303)


def _incomplete(visit: Visit) -> Response:
    """The present page again, saying that it was no answer; the clock has not stopped."""
    page = study_store.shown_now(visit.store, visit.token, visit.now)
    if _wants_json(visit.request):
        t = strings(page.language)
        return JSONResponse({"code": "incomplete", "problem": t("case.incomplete")}, 422)
    return _page(visit, page, problem=page.state == "case", status_code=422)


def _page(visit: Visit, page: Page, *, notice: str = "", problem: bool = False, status_code: int = 200) -> Response:
    return _render(
        visit,
        page,
        _TEMPLATES[page.state],
        status_code=status_code,
        notice=notice,
        problem=problem,
        case_page=case_page,
    )


def _render(visit: Visit, page: Page, template: str, **values: Any) -> HTMLResponse:
    return render(visit.request, template, language=page.language, page=page, csrf=csrf_token(visit.token), **values)


def _jpeg(visit: Visit, find: Callable[[Store, str, str, datetime], Any], key: str) -> Response:
    with _refusals(_not_before_you()):
        path = find(visit.store, visit.token, key, visit.now)
    try:
        content = visit.request.app.state.pictures.jpeg(path)
    except ImageError as error:
        _log.error("a case cannot be shown: %s", error)
        raise Refusal(503, "no-picture") from error
    return Response(content, media_type="image/jpeg", headers={"content-disposition": "inline"})


def _wants_json(request: Request) -> bool:
    return "application/json" in request.headers.get("accept", "")
