"""What every page keeps to: headers, cookies, tokens of forms, the size of what is sent.

A page runs our own script files only, asks nobody else for anything, and stands in no other site's frame. Pages and
photographs are not kept by browsers or proxies, and what is sent is never written to a disk while it is read.
"""

import asyncio
import hashlib
import hmac
import logging
import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fastapi import Request, Response
from starlette.datastructures import FormData, Headers, MutableHeaders
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cutis.web.refusals import Refusal, refusal_response

BODY_BYTES = 16 * 1024
"""What a reader may send at once; far more than an answer needs."""

BODY_SECONDS = 60.0
"""How long a body may take to arrive."""

FIELD_BYTES = 1024 * 1024
"""Of one field of a form that is no file."""

CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def content_policy(**more: str) -> str:
    """The header ``Content-Security-Policy``, with sources that a page needs beyond those of every page.

    Args:
        more: directive, its hyphens as underscores = sources: ``img_src="blob:"``, ``worker_src="'self'"``.
    """
    policy = dict(_POLICY)
    for name, sources in more.items():
        directive = name.replace("_", "-")
        policy[directive] = f"{policy[directive]} {sources}" if directive in policy else sources
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


_HEADERS = {
    "content-security-policy": content_policy(),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "x-robots-tag": "noindex, nofollow",
}

_TOO_LARGE = Refusal(413, "too-large")
_TOO_SLOW = Refusal(408, "too-slow")
_WRONG_HOST = Refusal(421, "wrong-host", back="/")
_TOO_MUCH = Refusal(503, "server-busy")

_log = logging.getLogger("cutis.web")


class _Unread(Exception):  # noqa: N818 - it goes from the reading of a body to the guard, and no further
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


class Guard:
    """ASGI middleware: headers on every response, limits on every body, a plain page for what nobody foresaw.

    A response that carries one of the headers itself keeps its own, such as a policy of :func:`content_policy`.

    Args:
        app: what it guards.
        larger_bodies: path prefix = bytes, where more than :data:`BODY_BYTES` may be sent; the longest prefix counts.
        body_seconds: how long a body may take to arrive.
        held_bytes: of all bodies whose requests are not answered yet; None: no limit.
        hosts: names by which the server may be addressed, without ports; empty: any.
    """

    def __init__(
        self,
        app: ASGIApp,
        larger_bodies: Mapping[str, int],
        body_seconds: float = BODY_SECONDS,
        held_bytes: int | None = None,
        hosts: Sequence[str] = (),
    ) -> None:
        self._app = app
        self._larger_bodies = dict(larger_bodies)
        self._body_seconds = body_seconds
        self._held_bytes = held_bytes
        self._held = 0
        self._hosts = frozenset(each.lower() for each in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        prefix = max((each for each in self._larger_bodies if scope["path"].startswith(each)), key=len, default=None)
        most = BODY_BYTES if prefix is None else max(BODY_BYTES, self._larger_bodies[prefix])
        started = complete = False
        taken = 0
        until = asyncio.get_running_loop().time() + self._body_seconds

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers["strict-transport-security"] = "max-age=31536000"
                headers.setdefault("cache-control", "no-store")
            await send(message)

        async def limited_receive() -> Message:
            nonlocal taken, complete
            if complete:  # what comes now is that the client goes away, whenever it does
                return await receive()
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError as error:
                raise _Unread(_TOO_SLOW) from error
            complete = not message.get("more_body", False)
            size = len(message.get("body", b""))
            taken += size
            self._held += size
            if taken > most:
                raise _Unread(_TOO_LARGE)
            if self._held_bytes is not None and self._held > self._held_bytes:
                raise _Unread(_TOO_MUCH)
            return message

        try:
            if self._hosts and _host(scope) not in self._hosts:
                await self._refuse(_WRONG_HOST, scope, receive, guarded_send)
                return
            if _announced(scope) > most:
                await self._refuse(_TOO_LARGE, scope, receive, guarded_send)
                return
            await self._app(scope, limited_receive, guarded_send)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except _Unread as error:
            if started:
                raise
            await self._refuse(error.refusal, scope, receive, guarded_send)
        except Exception:
            _log.exception("%s %s failed", scope["method"], scope.get("route") and scope["route"].path)
            if started:
                raise
            await self._refuse(Refusal(500, "failed"), scope, receive, guarded_send)
        finally:
            self._held -= taken

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        await refusal_response(Request(scope), refusal)(scope, receive, send)


def _announced(scope: Scope) -> int:
    """How many bytes the request says it has; servers let no other than digits through."""
    length = Headers(scope=scope).get("content-length", "0")
    return int(length) if length.isdecimal() else 0


def _host(scope: Scope) -> str:
    """The name or address by which the client reached the server, without port; of IPv6 without brackets."""
    host = Headers(scope=scope).get("host", "").lower()
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


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
    form = await sent_form(request, files=files, fields=fields)
    check_csrf(request, secret, request.headers.get(CSRF_HEADER) or form.get(CSRF_FIELD))
    return form


class _InMemory(MultiPartParser):
    spool_max_size = 0  # never onto a disk; how much may come is the guard's to limit


async def sent_form(request: Request, *, files: int = 0, fields: int = 50) -> FormData:
    """The form that was sent, of either kind, held in memory alone.

    Args:
        request: whose body was not read yet.
        files: how many files it may hold.
        fields: how many fields it may hold, of at most :data:`FIELD_BYTES` each.

    Raises:
        Refusal: 400, it is no form, or holds more than that.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    try:
        if kind == "multipart/form-data":
            sent = _InMemory(
                request.headers, request.stream(), max_files=files, max_fields=fields, max_part_size=FIELD_BYTES
            )
            return await sent.parse()
        if kind == "application/x-www-form-urlencoded":
            return await FormParser(
                request.headers, request.stream(), max_fields=fields, max_part_size=FIELD_BYTES
            ).parse()
    except MultiPartException as error:
        raise Refusal(400, "no-form", reason=error.message) from error
    except (ValueError, UnicodeError) as error:
        raise Refusal(400, "no-form") from error
    return FormData()


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"
