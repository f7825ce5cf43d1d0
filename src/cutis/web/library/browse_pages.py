"""The grid of images, its thumbnails, and the search box for diagnoses."""

from pathlib import Path

from fastapi import APIRouter, Query, Response

from cutis.annotation import (
    CONFIRM_TYPES,
    NO_DIAGNOSIS,
    QUALITIES,
    annotated_image,
    diagnosis_counts,
    images_page,
    search_diagnoses,
)
from cutis.errors import ImageError
from cutis.taxonomy import shipped_taxonomy
from cutis.web.library.filters import ANNOTATOR_PROGRESS, CURATOR_PROGRESS, branches, filters_of, query_of
from cutis.web.library.visit import Problem, Seen, problems_told

PAGE_SIZE = 60

browse_router = APIRouter()


@browse_router.get("/")
def grid(visit: Seen, page: int = Query(1, ge=1, le=10_000_000)) -> Response:
    """A page of the images that fit the filters."""
    filters = filters_of(visit.request, curates=visit.curates)
    with problems_told():
        shown = images_page(visit.library, visit.person, filters, page, PAGE_SIZE)
        counts = diagnosis_counts(visit.library, visit.person, filters)
    taxonomy = shipped_taxonomy()
    chosen = taxonomy[filters.node] if filters.node and filters.node != NO_DIAGNOSIS else None  # it was checked
    return visit.page(
        "browse",
        shown=shown,
        filters=filters,
        chosen=chosen,
        crumbs=[(taxonomy[each].name, query_of(filters._replace(node=each))) for each in taxonomy.ancestors(chosen.id)]
        if chosen
        else [],
        branches=branches(counts, filters),
        without=counts.get(NO_DIAGNOSIS, 0),
        names=_names([each.node for each in shown.images]),
        progress=CURATOR_PROGRESS if visit.curates else ANNOTATOR_PROGRESS,
        facets=visit.request.app.state.facets,
        confirm_types=CONFIRM_TYPES,
        qualities=QUALITIES,
        query=query_of,
    )


@browse_router.get("/thumbnails/{image}")
def thumbnail(visit: Seen, image: int) -> Response:
    """The small picture of an image."""
    try:
        with problems_told():
            found = annotated_image(visit.library, visit.person, image)
        picture = visit.request.app.state.thumbnails.jpeg(Path(found.image_path))
    except ImageError as error:
        raise Problem("The photograph cannot be shown.", status=404, code="no-picture") from error
    return Response(picture, media_type="image/jpeg")


@browse_router.get("/diagnoses")
def diagnoses(_visit: Seen, q: str = Query("", max_length=100)) -> list[dict[str, str]]:
    """What fits to what was typed, best first."""
    return [each._asdict() for each in search_diagnoses(q)]


def _names(nodes: list[str | None]) -> dict[str, str]:
    taxonomy = shipped_taxonomy()
    return {each: taxonomy[each].name if each in taxonomy else each for each in nodes if each is not None}
