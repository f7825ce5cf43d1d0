"""The app of `cutis serve`: the clinic's pages, the offline page, and the API, over one engine."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from cutis.models import OnnxBundle, default_bundle_folder
from cutis.taxonomy import RiskRule
from cutis.web.api.keys import KeyFile
from cutis.web.api.openapi import OPENAPI, described
from cutis.web.api.problems import Problem, is_of_api, problem_response
from cutis.web.api.routes import api_router
from cutis.web.api.senders import Senders
from cutis.web.clinic.audit_log import AuditLog
from cutis.web.clinic.engine import Engine, Limits
from cutis.web.clinic.journal import Journal
from cutis.web.clinic.metrics import Metrics
from cutis.web.clinic.pages import clinic_refusal, clinic_router
from cutis.web.offline import offline_router
from cutis.web.refusals import Refusal, refusal_response
from cutis.web.rendering import STATIC, KeptStatic
from cutis.web.security import FIELD_BYTES, Guard

if TYPE_CHECKING:
    from cutis.web.clinic.similar import SimilarCases


def create_clinic_app(
    bundle: OnnxBundle,
    *,
    rule: RiskRule,
    folder: Path | None = None,
    keys: KeyFile | None = None,
    limits: Limits | None = None,
    audit: AuditLog | None = None,
    cases: "SimilarCases | None" = None,
    hosts: Sequence[str] = (),
    follow_up: APIRouter | None = None,
    rooms: Sequence[APIRouter] = (),
) -> FastAPI:
    """Pages and API. Routes find the :class:`Engine` as ``app.state.engine``.

    Args:
        bundle: the model.
        rule: costs and grades of risk, with their advice.
        folder: where the bundle lies, for heatmaps; None: it is the one that comes with cutis.
        keys: who may use the API; None: anybody who reaches it.
        limits: what is taken.
        audit: where each answer is noted; whoever opened it closes it.
        cases: of known diagnosis, to be shown beside an answer to whoever asks.
        hosts: names by which the server may be addressed, without ports; empty: any. A page of another site that
            has its own name lead to this machine is then refused.
        follow_up: the pages of lesions over time; None: there are none.
        rooms: more pages.
    """
    app = FastAPI(
        title="cutis", docs_url=None, redoc_url=None, openapi_url=OPENAPI, swagger_ui_oauth2_redirect_url=None,
        lifespan=_with_engine,
    )  # fmt: skip
    engine = Engine(bundle, rule=rule, limits=limits, folder=folder, audit=audit, cases=cases)
    app.state.engine = engine
    app.state.metrics = Metrics(engine)
    app.state.senders = Senders(keys)
    app.state.tells_refusals = _told
    app.state.follow_up = follow_up is not None
    app.add_middleware(
        Guard,
        larger_bodies={"/": engine.limits.file_bytes + FIELD_BYTES, "/api/v1/predict": engine.limits.body_bytes},
        body_seconds=engine.limits.body_seconds,
        held_bytes=engine.limits.held_bytes,
        hosts=hosts,
    )
    app.add_middleware(Journal, metrics=app.state.metrics)  # added last, it is the outermost
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _bad_parameter)
    app.mount("/static", KeptStatic(directory=STATIC), name="static")
    app.include_router(api_router)
    offline = offline_router(bundle, folder or default_bundle_folder(), rule)
    for room in (clinic_router, offline, *([follow_up] if follow_up else []), *rooms):
        app.include_router(room, include_in_schema=False)
    app.openapi = described(app)  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _with_engine(app: FastAPI) -> AsyncIterator[None]:
    await app.state.engine.warm()
    try:
        yield
    finally:
        await app.state.engine.close()


def _told(request: Request, refusal: Refusal) -> Response:
    return problem_response(refusal) if is_of_api(request) else clinic_refusal(request, refusal)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refusal_response(request, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = {404: "no-page", 405: "no-page", 503: "server-busy"}
    refusal = Refusal(error.status_code, known.get(error.status_code, "no-form"), back="/")
    response = refusal_response(request, refusal)
    response.headers.update(error.headers or {})
    return response


async def _bad_parameter(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if not is_of_api(request):
        return clinic_refusal(request, Refusal(400, "no-form", back="/"))
    wrong = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
    return problem_response(Problem(422, "bad-parameter", detail="; ".join(wrong)))
