"""Signing in by a link that works once, and out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import FormData

from cutis.follow_up import LINK_DAYS, SESSION_DAYS, AccessError, join, sign_out
from cutis.web.follow_up.visit import HOME, SESSION, STALE, Posted, Problem, Room, TellingRoute, go, problems_told
from cutis.web.refusals import Refusal
from cutis.web.rendering import render
from cutis.web.security import VISITOR, checked_form, csrf_token, visitor_secret
from cutis.web.strings import ENGLISH

SIGN_IN = f"{HOME}/sign-in"

sign_in_router = APIRouter(prefix=HOME, route_class=TellingRoute)


async def _visitor_form(request: Request) -> FormData:
    try:
        return await checked_form(request, VISITOR.read(request) or "")
    except Refusal as refusal:
        raise Problem(STALE, status=refusal.status, back=SIGN_IN) from refusal


VisitorForm = Annotated[FormData, Depends(_visitor_form)]


@sign_in_router.get("/sign-in")
def sign_in_page(request: Request) -> Response:
    """How to sign in."""
    return _visitor_page(request, "help")


@sign_in_router.get("/enter/{token}")
def enter_page(request: Request, token: str) -> Response:  # noqa: ARG001 - to look at the page uses nothing up
    """The page with the button."""
    return _visitor_page(request, "enter")


@sign_in_router.post("/enter/{token}")
def enter(request: Request, token: str, _form: VisitorForm) -> Response:
    """Exchange the link for a session."""
    room: Room = request.state.follow_up
    now = room.clock()
    if not room.joining.allows("all", now):
        raise Problem("Too many attempts. Wait a minute, then open the link again.", status=429, back=SIGN_IN)
    try:
        with problems_told(SIGN_IN):
            session = join(room.store, token, now)
    except Problem as problem:
        if isinstance(problem.__cause__, AccessError):
            return _visitor_page(request, "used", 410)
        raise
    response = go(HOME)
    SESSION.write(request, response, session)
    return response


@sign_in_router.post("/sign-out")
def leave(visit: Posted) -> Response:
    """End the session."""
    with problems_told():
        sign_out(visit.store, visit.session, visit.now)
    response = go(SIGN_IN)
    SESSION.clear(visit.request, response)
    return response


def _visitor_page(request: Request, what: str, status_code: int = 200) -> Response:
    secret = visitor_secret(request)
    page = render(
        request,
        "follow_up/sign_in.html.jinja",
        language=ENGLISH,
        status_code=status_code,
        csrf=csrf_token(secret),
        title="Follow-up",
        person=None,
        curates=False,
        what=what,
        link_days=LINK_DAYS,
        session_days=SESSION_DAYS,
    )
    VISITOR.write(request, page, secret)
    return page
