"""Signing in as study nurse, and out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.datastructures import FormData

from cutis.web.rate_limit import RateLimit
from cutis.web.refusals import Refusal
from cutis.web.rendering import render
from cutis.web.security import VISITOR, checked_form, csrf_token, visitor_secret
from cutis.web.strings import ENGLISH
from cutis.web.study.nurse_desk import HOME, NURSE, Desk, Posted, go

SIGN_INS = RateLimit(20, 60.0)
"""Addresses tried a minute, by all together. They hold 256 random bits: to guess one is hopeless at any rate."""

PRINTED = RateLimit(3, 600.0)
"""How often a fresh address is printed for somebody who is not signed in."""

nurse_sign_in_router = APIRouter(prefix=HOME)


async def _visitor_form(request: Request) -> FormData:
    try:
        return await checked_form(request, VISITOR.read(request) or "")
    except Refusal as refusal:
        raise Refusal(refusal.status, refusal.code, back=f"{HOME}/sign-in") from refusal


VisitorForm = Annotated[FormData, Depends(_visitor_form)]


@nurse_sign_in_router.get("/sign-in")
def sign_in_page(request: Request) -> Response:
    """How to sign in."""
    return _visitor_page(request, "help")


@nurse_sign_in_router.post("/sign-in")
def print_address(request: Request, _form: VisitorForm) -> Response:
    """A fresh address on the server's terminal: who sees that may sign in."""
    desk: Desk = request.app.state.nurse
    if not PRINTED.allows("all", request.app.state.clock()):
        raise Refusal(429, "too-often", back=f"{HOME}/sign-in")
    desk.announce(desk.access.new_token())
    return _visitor_page(request, "printed")


@nurse_sign_in_router.get("/enter/{token}")
def enter_page(request: Request, token: str) -> Response:  # noqa: ARG001 - to look at the page uses nothing up
    """The page with the button."""
    return _visitor_page(request, "enter")


@nurse_sign_in_router.post("/enter/{token}")
def enter(request: Request, token: str, _form: VisitorForm) -> Response:
    """Exchange the address for a session."""
    desk: Desk = request.app.state.nurse
    now = request.app.state.clock()
    if not SIGN_INS.allows("all", now):
        raise Refusal(429, "too-often", back=f"{HOME}/sign-in")
    session = desk.access.sign_in(token, now)
    if session is None:
        return _visitor_page(request, "used", 410)
    response = go(HOME)
    NURSE.write(request, response, session)
    return response


@nurse_sign_in_router.post("/elsewhere")
def sign_in_elsewhere(visit: Posted) -> Response:
    """An address for another browser or another nurse; shown once."""
    token = visit.desk.access.new_token()
    path = str(visit.request.app.url_path_for("enter_page", token=token))
    link = (visit.desk.address or str(visit.request.base_url)).rstrip("/") + path
    return visit.page("elsewhere", link=link)


@nurse_sign_in_router.get("/elsewhere")
def no_address_any_more() -> Response:
    """An address is shown once."""
    return go(HOME)


@nurse_sign_in_router.post("/sign-out")
def sign_out(visit: Posted) -> Response:
    """End the session."""
    visit.desk.access.sign_out(visit.session)
    response = go(f"{HOME}/sign-in")
    NURSE.clear(visit.request, response)
    return response


def _visitor_page(request: Request, what: str, status_code: int = 200) -> Response:
    secret = visitor_secret(request)
    page = render(
        request,
        "study/nurse_sign_in.html.jinja",
        language=ENGLISH,
        status_code=status_code,
        csrf=csrf_token(secret),
        what=what,
    )
    VISITOR.write(request, page, secret)
    return page
