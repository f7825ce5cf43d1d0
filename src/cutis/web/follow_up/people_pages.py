"""Who may enter: the curator invites and bars; everybody can take a link for another browser of their own."""

from typing import get_args

from fastapi import APIRouter, Response

from cutis.follow_up import LINK_DAYS, ChainError, Role, bar, come_back, invite, list_people, verify
from cutis.web.follow_up.visit import (
    HOME,
    Curator,
    CuratorPosted,
    Posted,
    Problem,
    TellingRoute,
    Visit,
    go,
    problems_told,
)

people_router = APIRouter(prefix=HOME, route_class=TellingRoute)
PEOPLE = f"{HOME}/people"


@people_router.get("/people")
def people_page(visit: Curator) -> Response:
    """Who may enter."""
    with problems_told():
        people = list_people(visit.store)
    return visit.page("people", people=people)


@people_router.post("/people")
def invite_somebody(visit: CuratorPosted) -> Response:
    """A link for somebody, shown once."""
    role = visit.text("role")
    if role and role not in get_args(Role):
        raise Problem(f"There is no role '{role[:40]}'.", back=PEOPLE)
    name = visit.text("name")
    with problems_told(PEOPLE):
        token = invite(visit.store, name, visit.now, role=role or None, by=visit.person.name)  # type: ignore[arg-type]
    return _link(visit, name, token, PEOPLE)


@people_router.post("/link")
def own_link(visit: Posted) -> Response:
    """A link for another browser of one's own."""
    with problems_told():
        token = invite(visit.store, visit.person.name, visit.now, by=visit.person.name)
    return _link(visit, visit.person.name, token, HOME)


@people_router.get("/link")
def link_gone() -> Response:
    """A link is shown once."""
    return go(HOME)


@people_router.post("/people/bar")
def bar_somebody(visit: CuratorPosted) -> Response:
    """End somebody's access."""
    with problems_told(PEOPLE):
        bar(visit.store, visit.text("name"), visit.now, by=visit.person.name)
    return go(PEOPLE)


@people_router.get("/history")
def check_history(visit: Curator) -> Response:
    """Whether the history is whole."""
    verified = broken = None
    with problems_told():
        try:
            verified = verify(visit.store)
        except ChainError as error:
            broken = str(error)
        back = come_back(visit.store)
    return visit.page("history", verified=verified, broken=broken, back=len(back))


def _link(visit: Visit, name: str, token: str, back: str) -> Response:
    address = visit.room.address or str(visit.request.base_url)
    link = f"{address.rstrip('/')}{HOME}/enter/{token}"
    return visit.page("link", name=name, link=link, days=LINK_DAYS, back=back)
