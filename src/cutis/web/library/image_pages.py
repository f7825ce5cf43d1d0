"""The page of one image: photograph and annotation; for the curator both annotators, and all versions."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from cutis.annotation import (
    CONFIRM_TYPES,
    LONGEST_NOTE,
    MOST_BOXES,
    QUALITIES,
    AnnotatedImage,
    Annotation,
    annotated_image,
    image_history,
    place_of,
    save,
)
from cutis.errors import ImageError
from cutis.taxonomy import shipped_taxonomy
from cutis.web.library.filters import filters_of, query_of
from cutis.web.library.visit import STALE, Problem, Seen, Visit, problems_told
from cutis.web.refusals import Refusal
from cutis.web.security import CSRF_HEADER, check_csrf

BODY_BYTES = 64 * 1024
"""What a browser may send: a note of 2,000 characters and 50 boxes fit several times."""

image_router = APIRouter(prefix="/images")


class _Given(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    version: int = Field(ge=0)
    rests_on: dict[str, int] | None = None
    annotation: Annotation = Field(strict=False)


@image_router.get("/{image}")
def image_page(visit: Seen, image: int) -> Response:
    """An image to be annotated, or adjudicated."""
    filters = filters_of(visit.request, curates=visit.curates)
    with problems_told():
        found = annotated_image(visit.library, visit.person, image)
        place = place_of(visit.library, visit.person, filters, image)
        history = image_history(visit.library, found.image_id) if visit.curates else []
    query = query_of(filters)
    judged = {each.person.name: each.version for each in found.others}
    return visit.page(
        "image",
        image=found,
        place=place,
        query=query,
        history=history,
        names=_names(found),
        state=_page_state(visit, found),
        changed_since=found.mine is not None and visit.curates and found.mine.rests_on != judged,
        confirm_types=CONFIRM_TYPES,
        qualities=QUALITIES,
        longest_note=LONGEST_NOTE,
    )


@image_router.get("/{image}/photograph")
def photograph(visit: Seen, image: int) -> Response:
    """The photograph: pixels and nothing else."""
    try:
        with problems_told():
            found = annotated_image(visit.library, visit.person, image)
        picture = visit.request.app.state.pictures.jpeg(Path(found.image_path))
    except ImageError as error:
        raise Problem("The photograph cannot be shown.", status=404, code="no-picture") from error
    return Response(picture, media_type="image/jpeg")


@image_router.post("/{image}")
async def save_image(request: Request, visit: Seen, image: int) -> Response:
    """Save the person's annotation: JSON with ``version``, ``annotation`` and, of the curator, ``rests_on``."""
    try:
        check_csrf(request, visit.session, request.headers.get(CSRF_HEADER))
    except Refusal as refusal:
        raise Problem(STALE, status=refusal.status, code="stale-form") from refusal
    try:
        given = _Given.model_validate_json(await request.body())
    except ValidationError as error:
        raise Problem(_in_words(error), code="no-form") from error
    return await run_in_threadpool(_save, visit, image, given)


def _save(visit: Visit, image: int, given: _Given) -> Response:
    with problems_told():
        saved = save(
            visit.library,
            visit.person,
            image,
            given.annotation,
            visit.now,
            version=given.version,
            rests_on=given.rests_on,
        )
    told = saved.annotation.model_dump(mode="json")
    return JSONResponse({"version": saved.version, "at": saved.at.isoformat(), "annotation": told})


def _page_state(visit: Visit, found: AnnotatedImage) -> dict[str, Any]:
    """What the page's script works with."""
    mine = found.mine
    begun = found.given
    if visit.curates:
        begun = found.settlement.annotation if found.settlement is not None else Annotation()
    shown = begun if mine is None else mine.annotation
    return {
        "key": f"cutis-library:{visit.library.key}:{visit.person.name}:",
        "image": found.id,
        "name": found.image_id,
        "width": found.size.width,
        "height": found.size.height,
        "version": 0 if mine is None else mine.version,
        "rests_on": {each.person.name: each.version for each in found.others} if visit.curates else None,
        "annotation": shown.model_dump(mode="json"),
        "names": _names(found),
        "most_boxes": MOST_BOXES,
        "others": [
            {"name": each.person.name, "annotation": each.annotation.model_dump(mode="json")} for each in found.others
        ],
    }


def _names(found: AnnotatedImage) -> dict[str, str]:
    """The name of each diagnosis on the page."""
    said = [found.given, *(each.annotation for each in (found.mine, *found.others) if each is not None)]
    if found.settlement is not None:
        said.append(found.settlement.annotation)
    taxonomy = shipped_taxonomy()
    return {
        each.node: taxonomy[each.node].name if each.node in taxonomy else each.node
        for each in said
        if each.node is not None
    }


def _in_words(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(each) for each in first["loc"]) or "what was sent"
    return f"{where[:100]}: {first['msg']}. Nothing was saved."
