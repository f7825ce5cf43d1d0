"""What every page keeps to: headers, cookies, tokens of forms, the size of what is sent.

A page runs our own script files only, asks nobody else for anything, and stands in no other site's frame. Pages and
photographs are not kept by browsers or proxies.
"""

import hashlib
import hmac
import logging
import secrets
from collections.abc import Mapping
from typing import NamedTuple

from fastapi import Request, Response
from starlette.datastructures import FormData, Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cutis.web.refusals import Refusal, refusal_response

BODY_BYTES = 16 * 1024
"""What a reader may send at once; far more than an answer needs."""

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "x-robots-tag": "noindex, nofollow",
}

_TOO_LARGE = Refusal(413, "too-large")

_log = logging.getLogger("cutis.web")


class _TooLarge(Exception):  # noqa: N818 - it goes from the reading of a body to the guard, and no further
    pass


class Guard:
    """ASGI middleware: headers on every response, a limit on every body, a plain page for what nobody foresaw.

    Args:
        app: what it guards.
        larger_bodies: path prefix = bytes, where more than :data:`BODY_BYTES` may be sent.
    """

    def __init__(self, app: ASGIApp, larger_bodies: Mapping[str, int]) -> None:
        self._app = app
        self._larger_bodies = dict(larger_bodies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = max(
            (size for prefix, size in self._larger_bodies.items() if scope["path"].startswith(prefix)), default=0
        )
        most = max(most, BODY_BYTES)
        started = False
        taken = 0

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                if scope["scheme"] == "https":
                    headers["strict-transport-security"] = "max-age=31536000"
                headers.setdefault("cache-control", "no-store")
            await send(message)

        async def limited_receive() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                raise _TooLarge
            return message

        try:
            if _announced(scope) > most:
                await self._refuse(_TOO_LARGE, scope, receive, guarded_send)
                return
            await self._app(scope, limited_receive, guarded_send)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except _TooLarge:
            await self._refuse(_TOO_LARGE, scope, receive, guarded_send)
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope.get("route") and scope["route"].path)
            if started:
                raise
            await self._refuse(Refusal(500, "failed"), scope, receive, guarded_send)

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        await refusal_response(Request(scope), refusal)(scope, receive, send)


def _announced(scope: Scope) -> int:
    """How many bytes the request says it has; servers let no other than digits through."""
    length = Headers(scope=scope).get("content-length", "0")
    return int(length) if length.isdecimal() else 0


class SessionCookie(NamedTuple):
    """A cookie that no script reads and no other site can make a browser send.

    ``days``: how long a browser keeps it; None until it is closed.
    """

    name: str
    days: int | None = None

    def read(self, request: Request) -> str | None:
        """Its value, if the browser sent it."""
        return request.cookies.get(self._name(request)) or None

    def write(self, request: Request, response: Response, value: str) -> None:
        """Have the browser keep it; over https it is sent over https only."""
        response.set_cookie(
            self._name(request),
            value,
            max_age=None if self.days is None else self.days * 86_400,
            path="/",
            secure=_is_https(request),
            httponly=True,
            samesite="strict",
        )

    def clear(self, request: Request, response: Response) -> None:
        """Have the browser forget it."""
        response.delete_cookie(
            self._name(request), path="/", secure=_is_https(request), httponly=True, samesite="strict"
        )

    def _name(self, request: Request) -> str:
        # The prefix: a browser takes it only from this very host, over https. No neighbouring site can set it.
        return f"__Host-{self.name}" if _is_https(request) else self.name


VISITOR = SessionCookie("cutis-visitor")
"""Of somebody who is not signed in: forms that sign in are bound to it."""


def visitor_secret(request: Request) -> str:
    """The value of the visitor's cookie, or a fresh one, which the response must then write."""
    return VISITOR.read(request) or secrets.token_urlsafe(32)


def csrf_token(secret: str) -> str:
    """What a form must send back, so that no other site can send it: a hash of the session's cookie.

    Args:
        secret: the value of the cookie that the form acts by.
    """
    return hmac.new(secret.encode("utf-8", "surrogatepass"), b"cutis form", hashlib.sha256).hexdigest()


def check_csrf(request: Request, secret: str, given: object) -> None:
    """Check a form's token, and that the browser does not say that another site sent it.

    Raises:
        Refusal: 403, it does not fit the session.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    fits = isinstance(given, str) and hmac.compare_digest(given.encode(), csrf_token(secret).encode())
    if not fits or site not in ("same-origin", "none"):
        raise Refusal(403, "stale-form")


async def checked_form(request: Request, secret: str, *, files: int = 0, fields: int = 50) -> FormData:
    """The form that was sent, its token checked.

    Args:
        request: with the form, or with the token in the header ``X-CSRF-Token``.
        secret: the value of the cookie that the form acts by.
        files: how many files it may hold.
        fields: how many fields it may hold.

    Raises:
        Refusal: the token does not fit, or it is no form.
    """
    try:
        form = await request.form(max_files=files, max_fields=fields)
    except (ValueError, UnicodeError) as error:
        raise Refusal(400, "no-form") from error
    check_csrf(request, secret, request.headers.get(CSRF_HEADER) or form.get(CSRF_FIELD))
    return form


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"
