"""Readers of a study: added, invited by links that are shown once, withdrawn."""

from collections.abc import Sequence
from typing import NamedTuple

from fastapi import APIRouter, Response

from cutis.study.store import ReaderProgress, add_readers, invite, progress, withdraw_reader
from cutis.web.study.nurse_desk import HOME, NurseVisit, Posted, Problem, Seen, go, problems_told

MOST_READERS = 500
"""How many are added at once."""

nurse_readers_router = APIRouter(prefix=HOME)


class Invited(NamedTuple):
    """A reader with their link."""

    name: str
    group: str
    link: str


@nurse_readers_router.post("/studies/{study_id}/readers")
def add(visit: Posted, study_id: int) -> Response:
    """Add readers, and show their links."""
    visit.study(study_id)
    back = f"{HOME}/studies/{study_id}"
    names = [each.strip() for each in str(visit.form.get("names") or "").splitlines() if each.strip()]
    group = str(visit.form.get("group") or "")
    if not names or len(names) > MOST_READERS:
        raise Problem(f"Write 1 to {MOST_READERS} names or codes, one a line. Nobody was added.", back=back)
    with problems_told(back):
        added = add_readers(visit.store, study_id, [(each, group) for each in names], visit.now)
        return _links(visit, study_id, [(each.id, each.name, each.group) for each in added], fresh=True)


@nurse_readers_router.post("/studies/{study_id}/invite")
def invite_all(visit: Posted, study_id: int) -> Response:
    """Links for all who have had none yet."""
    visit.study(study_id)
    with problems_told(f"{HOME}/studies/{study_id}"):
        readers = progress(visit.store, study_id, visit.now)
        waiting = [(each.id, each.name, each.group) for each in readers if each.state == "to be invited"]
        return _links(visit, study_id, waiting, fresh=True)


@nurse_readers_router.post("/studies/{study_id}/readers/{reader_id}/link")
def new_link(visit: Posted, study_id: int, reader_id: int) -> Response:
    """A fresh link for one reader; an unused one before is void."""
    reader = _reader(visit, study_id, reader_id)
    with problems_told(f"{HOME}/studies/{study_id}"):
        return _links(visit, study_id, [(reader.id, reader.name, reader.group)], fresh=reader.state == "to be invited")


@nurse_readers_router.get("/studies/{study_id}/readers")
@nurse_readers_router.get("/studies/{study_id}/invite")
@nurse_readers_router.get("/studies/{study_id}/readers/{reader_id}/link")
def links_gone(visit: Seen, study_id: int) -> Response:  # noqa: ARG001 - signed in, or led to the sign-in
    """Links are shown once."""
    return go(f"{HOME}/studies/{study_id}")


@nurse_readers_router.get("/studies/{study_id}/readers/{reader_id}/withdraw")
def ask_to_withdraw(visit: Seen, study_id: int, reader_id: int) -> Response:
    """Whether the nurse means it."""
    return visit.page("withdraw", info=visit.study(study_id), reader=_reader(visit, study_id, reader_id))


@nurse_readers_router.post("/studies/{study_id}/readers/{reader_id}/withdraw")
def withdraw(visit: Posted, study_id: int, reader_id: int) -> Response:
    """Withdraw a reader."""
    reader = _reader(visit, study_id, reader_id)
    back = f"{HOME}/studies/{study_id}"
    if visit.form.get("sure") != "yes":
        raise Problem(
            f"Nothing was changed: tick the box if you mean to withdraw {reader.name}.",
            back=f"{back}/readers/{reader_id}/withdraw",
        )
    with problems_told(back):
        withdraw_reader(visit.store, reader_id, visit.now)
    return go(f"{back}?notice=withdrawn")


def _reader(visit: NurseVisit, study_id: int, reader_id: int) -> ReaderProgress:
    """The reader of an address: of this study."""
    visit.study(study_id)
    with problems_told():
        found = [each for each in progress(visit.store, study_id, visit.now) if each.id == reader_id]
    if not found:
        raise Problem("There is no such reader in this study.", back=f"{HOME}/studies/{study_id}", status=404)
    return found[0]


def _links(visit: NurseVisit, study_id: int, readers: Sequence[tuple[int, str, str]], *, fresh: bool) -> Response:
    invited = [
        Invited(name, group, visit.desk.reader_link(visit.request, invite(visit.store, reader_id, visit.now)))
        for reader_id, name, group in readers
    ]
    local = any(f"//{host}" in invited[0].link for host in ("127.0.0.1", "localhost", "[::1]")) if invited else False
    return visit.page("links", info=visit.study(study_id), invited=invited, fresh=fresh, local=local)
