"""The curator's desk: how far everybody is, how the annotators agree, fresh links, and whether the history is whole."""

from fastapi import APIRouter, Response

from cutis.annotation import ChainError, annotator_agreement, invite, library_status, list_people, verify
from cutis.web.library.visit import Curator, CuratorPosted, Problem, go, problems_told

curator_router = APIRouter(prefix="/desk")


@curator_router.get("")
def desk(visit: Curator) -> Response:
    """Progress and agreement."""
    with problems_told():
        status = library_status(visit.library)
        agreement = annotator_agreement(visit.library)
    return visit.page("desk", status=status, agreement=agreement)


@curator_router.post("/people/{person}/link")
def fresh_link(visit: CuratorPosted, person: int) -> Response:
    """A link for somebody; shown once. It voids an unused one before."""
    with problems_told("/desk"):
        who = next((each for each in list_people(visit.library.database) if each.id == person), None)
        if who is None:
            raise Problem("There is no such person.", status=404, back="/desk")
        token = invite(visit.library.database, person, visit.now)
    address: str = visit.request.app.state.address or str(visit.request.base_url)
    return visit.page("link", who=who, link=f"{address.rstrip('/')}/enter/{token}")


@curator_router.get("/people/{person}/link")
def link_gone(_visit: Curator, person: int) -> Response:  # noqa: ARG001 - a link is shown once
    """A link is shown once."""
    return go("/desk")


@curator_router.get("/history")
def check_history(visit: Curator) -> Response:
    """Whether the history is whole."""
    verified = broken = None
    with problems_told("/desk"):
        try:
            verified = verify(visit.library)
        except ChainError as error:
            broken = str(error)
    return visit.page("history", verified=verified, broken=broken)
