"""Of each request: an id, a line in the log, and its figures; never a file's name, an image, or a word of a patient."""

import json
import logging
import re
import time
import traceback
import uuid
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cutis.web.clinic.metrics import Metrics

ID_HEADER = "x-request-id"

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{7,63}")
_log = logging.getLogger("cutis.access")


@dataclass
class RequestFacts:
    """What is told of a request.

    Attributes:
        id: the client's own, if it is well-formed (8 to 64 letters, digits and hyphens), else a fresh one.
        key: name of the API key it was sent with; None without.
    """

    id: str
    key: str | None = None


_current: ContextVar[RequestFacts | None] = ContextVar("cutis_request", default=None)


def current_request() -> RequestFacts:
    """The facts of the request that is being answered; fresh ones outside of any."""
    return _current.get() or RequestFacts(str(uuid.uuid4()))


class Journal:
    """ASGI middleware, the outermost: gives each request its id, and tells of it when it is answered."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(ID_HEADER, "")
        facts = RequestFacts(given if _ID.fullmatch(given) else str(uuid.uuid4()))
        token = _current.set(facts)
        began = time.perf_counter()
        status, came, went = 0, 0, 0

        async def counted_receive() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            return message

        async def counted_send(message: Message) -> None:
            nonlocal status, went
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[ID_HEADER] = facts.id
            went += len(message.get("body", b""))
            await send(message)

        self._metrics.running.inc()
        try:
            await self._app(scope, counted_receive, counted_send)
        finally:
            _current.reset(token)
            self._metrics.running.dec()
            seconds = time.perf_counter() - began
            # The route, never the address: a client may write anything into that.
            route = getattr(scope.get("route"), "path", None) or "other"
            self._metrics.tell(scope["method"], route, status, seconds)
            if _log.isEnabledFor(logging.INFO):
                told = {
                    "id": facts.id,
                    "method": scope["method"] if scope["method"] in _METHODS else "other",
                    "route": route,
                    "status": status,  # 0: the client went away
                    "ms": round(seconds * 1000, 1),
                    "bytes_in": came,
                    "bytes_out": went,
                    "key": facts.key,
                }
                _log.info("request", extra={"told": told})


_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class JsonLines(logging.Formatter):
    """One JSON object a line. Of an exception its type and where it was raised: its words may hold what was sent."""

    def format(self, record: logging.LogRecord) -> str:
        """One record."""
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        facts = _current.get()
        if facts is not None:
            told["id"] = facts.id
        told |= getattr(record, "told", {})
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            told["exception"] = type(error).__name__
            told["raised"] = [
                f"{each.filename.rsplit('/', maxsplit=1)[-1]}:{each.lineno} {each.name}"
                for each in traceback.extract_tb(error.__traceback__)
            ]
        return json.dumps(told, ensure_ascii=False)
