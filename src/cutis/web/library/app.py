"""The app that serves an annotation library's pages."""

from collections.abc import Callable
from datetime import datetime

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from cutis.annotation import Library, facets
from cutis.web.app import utc_now
from cutis.web.library.browse_pages import browse_router
from cutis.web.library.curator_pages import curator_router
from cutis.web.library.image_pages import BODY_BYTES, image_router
from cutis.web.library.sign_in import sign_in_router
from cutis.web.library.visit import NotSignedIn, Problem, lead_to_sign_in, show_problem, tell_refusal
from cutis.web.pictures import Pictures
from cutis.web.rate_limit import RateLimit
from cutis.web.rendering import STATIC, KeptStatic
from cutis.web.security import Guard
from cutis.web.thumbnails import Thumbnails


def create_library_app(library: Library, *, address: str = "", clock: Callable[[], datetime] = utc_now) -> FastAPI:
    """The pages of a library, for its annotators and its curator.

    Args:
        library: open; whoever opened it closes it.
        address: of the server as people reach it, such as ``https://library.example.org``; empty for the one by which
            the curator came.
        clock: the server's time, in UTC.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.library = library
    app.state.clock = clock
    app.state.address = address
    app.state.facets = facets(library)
    app.state.pictures = Pictures()
    app.state.thumbnails = Thumbnails(library.path / "thumbnails")
    app.state.tells_refusals = tell_refusal
    # A link holds 256 random bits: to guess one is hopeless at any rate. This stops a browser gone wild.
    app.state.joining = RateLimit(20, 60.0)
    app.add_middleware(Guard, larger_bodies={"/images/": BODY_BYTES})
    app.add_exception_handler(NotSignedIn, lead_to_sign_in)
    app.add_exception_handler(Problem, show_problem)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _not_understood)
    app.mount("/static", KeptStatic(directory=STATIC), name="static")
    for each in (sign_in_router, browse_router, image_router, curator_router):
        app.include_router(each)
    return app


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = show_problem(request, Problem("There is no such page.", status=error.status_code, code="no-page"))
    response.headers.update(error.headers or {})
    return response


def _not_understood(request: Request, _error: Exception) -> Response:
    return show_problem(request, Problem("There is no such page.", status=404, code="no-page"))
