"""The app that serves a reader study's pages."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from cutis.study.store import Store, StoreError, close_overdue
from cutis.web.pictures import Pictures
from cutis.web.rate_limit import RateLimit
from cutis.web.refusals import Refusal, refusal_response
from cutis.web.rendering import STATIC, KeptStatic
from cutis.web.security import Guard
from cutis.web.study.answer_desk import AnswerDesk
from cutis.web.study.reader import reader_router

OVERDUE_SECONDS = 30.0
"""How often cases whose time is up are recorded, of readers who closed their browser."""

_log = logging.getLogger("cutis.web")


def utc_now() -> datetime:
    """The server's time."""
    return datetime.now(UTC)


def create_study_app(
    store: Store,
    *,
    clock: Callable[[], datetime] = utc_now,
    rooms: Sequence[APIRouter] = (),
    larger_bodies: Mapping[str, int] | None = None,
) -> FastAPI:
    """The pages of all studies in a store. Routes find both in ``request.app.state``: ``store`` and ``clock``.

    Args:
        store: the open database; whoever opened it closes it.
        clock: the server's time, in UTC; tests set their own.
        rooms: more pages, such as the study nurse's.
        larger_bodies: path prefix = bytes, where more may be sent than a reader needs.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=_closing_overdue)
    app.state.store = store
    app.state.clock = clock
    app.state.pictures = Pictures()
    app.state.answers = AnswerDesk(store)
    # A link holds 256 random bits: to guess one is hopeless at any rate. This stops a browser gone wild.
    app.state.joining = RateLimit(10, 60.0)
    app.add_middleware(Guard, larger_bodies=larger_bodies or {})
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _no_form)
    app.mount("/static", KeptStatic(directory=STATIC), name="static")
    app.include_router(reader_router)
    for room in rooms:
        app.include_router(room)
    app.add_api_route("/", _start, methods=["GET"])
    return app


def _start() -> RedirectResponse:
    return RedirectResponse("/study", 303)


@asynccontextmanager
async def _closing_overdue(app: FastAPI) -> AsyncIterator[None]:
    async def work() -> None:
        while True:
            await asyncio.sleep(OVERDUE_SECONDS)
            try:
                await run_in_threadpool(close_overdue, app.state.store, app.state.clock())
            except StoreError as error:  # the next round tries again; a reader's own visit records it as well
                _log.warning("cases whose time is up were not recorded: %s", error)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refusal_response(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = {404: "no-page", 405: "no-page"}
    response = refusal_response(request, Refusal(error.status_code, known.get(error.status_code, "no-form")))
    response.headers.update(error.headers or {})
    return response


async def _no_form(request: Request, _error: Exception) -> Response:
    return refusal_response(request, Refusal(400, "no-form"))
