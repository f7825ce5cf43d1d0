"""The API's addresses."""

import base64
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST

from cutis.errors import TaxonomyError
from cutis.web.api.keys import ApiKey
from cutis.web.api.openapi import DOCS, EXPLAIN_BODY, PREDICT_BODY, docs_page, problems
from cutis.web.api.problems import Problem
from cutis.web.api.rendering import STATEMENT, asked_language, json_bytes
from cutis.web.api.schema import ExplanationTold, Health, Models, Predictions, image_answer, model_name, model_told
from cutis.web.api.senders import Senders
from cutis.web.api.uploads import sent_photographs
from cutis.web.clinic.engine import BadPhotograph, BadPhotographs, Engine
from cutis.web.clinic.journal import current_request

_JSON = "application/json"

api_router = APIRouter()


async def sender(request: Request) -> ApiKey | None:
    """Whoever sends a request; its key's allowance pays for one photograph, before anything is read."""
    return _senders(request).check(request)


Sender = Annotated[ApiKey | None, Depends(sender)]


@api_router.post(
    "/api/v1/predict",
    tags=["answers"],
    summary="What the model says of photographs",
    operation_id="predict",
    response_model=Predictions,
    responses=problems(400, 401, 403, 408, 413, 415, 421, 422, 429, 500, 503, 504),
    openapi_extra={"requestBody": PREDICT_BODY},
)
async def predict(
    request: Request,
    key: Sender,
    quality: Annotated[
        bool, Query(description="Also measure whether each photograph is fit, which takes longer than the network.")
    ] = False,
) -> Response:
    """Answers in the order of the files: probabilities, differential list, conformal set, risk with advice, and whether
    the photograph is unlike what the model was trained on. Either all files are answered or none.
    """
    engine = _engine(request)
    _senders(request).charge(key, 1)
    try:
        sent = await sent_photographs(
            request, engine.limits, photographs="images", patients="patients", most=engine.limits.files
        )
        if len(sent) > 1:
            _senders(request).charge(key, len(sent) - 1)
        found = await engine.answers(sent, quality=quality)
    except BadPhotographs as error:
        raise _bad(error) from error
    language = asked_language(request)
    told = {
        "request_id": current_request().id,
        "model": model_name(engine.bundle).model_dump(),
        "statement": STATEMENT[language],
        "language": language,
        "quality_measured": quality,
        "answers": [image_answer(each, engine.rule, language) for each in found],
    }
    return Response(json_bytes(told), headers={"content-language": language}, media_type=_JSON)


@api_router.post(
    "/api/v1/explain",
    tags=["answers"],
    summary="Where the network looked",
    operation_id="explain",
    response_model=ExplanationTold,
    responses={
        200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}},
        **problems(400, 401, 403, 408, 413, 415, 421, 422, 429, 500, 503, 504),
    },
    openapi_extra={"requestBody": EXPLAIN_BODY},
)
async def explain(
    request: Request,
    key: Sender,
    node: Annotated[
        str | None,
        Query(
            max_length=100,
            description="A class of the model, or a node of the tree that holds whole classes, by any of its words; "
            "without it the most probable class.",
            examples=["mel"],
        ),
    ] = None,
) -> Response:
    """A heatmap by Grad-CAM. With 'Accept: image/png' the map over the photograph alone; else JSON with all of it.

    It takes a second, and some more the first time. A map shows where the network looked, not why.
    """
    engine = _engine(request)
    _senders(request).charge(key, 1)
    try:
        (sent,) = await sent_photographs(request, engine.limits, photographs="image", patients="patient", most=1)
        photograph = await engine.photograph_of(sent)
    except BadPhotographs as error:
        raise _bad(error) from error
    try:
        found = await engine.heatmap(photograph, sent.patient, node)
    except TaxonomyError as error:
        raise Problem(422, "unknown-diagnosis", detail=str(error)) from error
    if "image/png" in request.headers.get("accept", ""):
        return Response(found.overlay, media_type="image/png")
    pictures = {name: base64.b64encode(getattr(found, name)).decode() for name in ("overlay", "map", "scale")}
    told = {
        "request_id": current_request().id,
        "model": model_name(engine.bundle).model_dump(),
        "statement": STATEMENT["en"],
        "image": sent.name,
        "node": found.node,
        "name": found.name,
        "probability": found.probability,
        "method": found.method,
        "told": found.told,
        "unclear": found.unclear,
    }
    return Response(json_bytes(told | pictures), media_type=_JSON)


@api_router.get(
    "/api/v1/models",
    tags=["server"],
    summary="The model, its figures, and what the server takes",
    operation_id="models",
    response_model=Models,
    responses=problems(401, 403, 421, 503),
)
async def models(request: Request, _key: Sender) -> Response:
    """Name, version, classes with their codes in ICD-10-CM, ICD-11 and the ISIC archive, figures, card and limits."""
    engine = _engine(request)
    told = {
        "statement": STATEMENT[asked_language(request)],
        "models": [model_told(engine.bundle, engine.limits).model_dump(mode="json")],
    }
    return Response(json_bytes(told), media_type=_JSON)


@api_router.get(
    "/healthz",
    tags=["server"],
    summary="Whether the server lives and is ready",
    operation_id="health",
    response_model=Health,
    responses={503: {"model": Health, "description": "It is not ready: it starts, ends, or has too much to do."}},
)
async def health(request: Request) -> Response:
    """Needs no key."""
    engine = _engine(request)
    ready = engine.ready and engine.waiting < engine.limits.waiting
    return Response(json_bytes({"alive": True, "ready": ready}), 200 if ready else 503, media_type=_JSON)


@api_router.get(
    "/metrics",
    tags=["server"],
    summary="Figures for Prometheus",
    operation_id="metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems(401, 403, 421, 503)},
)
async def metrics(request: Request, _key: Sender) -> Response:
    """Requests by route and status, their times, photographs that wait, and runs of the network."""
    return Response(request.app.state.metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})


@api_router.get(DOCS, include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    """The API's description, to read."""
    return docs_page(request)


def _engine(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


def _senders(request: Request) -> Senders:
    senders: Senders = request.app.state.senders
    return senders


def _bad(error: BadPhotographs) -> Problem:
    def told(each: BadPhotograph) -> dict[str, str | int]:
        return {"place": each.place, "name": each.name, "problem": each.problem}

    return Problem(422, "bad-photographs", detail=str(error), more={"photographs": [told(each) for each in error.bad]})
