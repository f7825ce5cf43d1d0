"""Links that work once."""

import threading
from collections.abc import Callable

import pytest

from cutis.study.store import AccessError, NotNowError, close_study, invite, join, shown_now

from .conftest import Room

Make = Callable[..., Room]


def test_an_invitation_works_once(make_room: Make) -> None:
    room = make_room()
    link = invite(room.store, room.readers["R1"].id, room.now)
    token = join(room.store, link, room.now)
    assert shown_now(room.store, token, room.now).state == "consent"
    with pytest.raises(AccessError, match="works once.*Ask for a fresh link"):
        join(room.store, link, room.now)
    with pytest.raises(AccessError):  # it is no session either
        shown_now(room.store, link, room.now)


def test_of_two_who_open_a_link_at_once_one_gets_in(make_room: Make) -> None:
    room = make_room()
    link = invite(room.store, room.readers["R1"].id, room.now)
    outcomes: list[str] = []
    start = threading.Barrier(4)

    def open_it() -> None:
        start.wait()
        try:
            outcomes.append(join(room.store, link, room.now))
        except AccessError:
            outcomes.append("refused")

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert outcomes.count("refused") == 3
    (token,) = set(outcomes) - {"refused"}
    assert shown_now(room.store, token, room.now).state == "consent"


def test_a_fresh_invitation_voids_the_one_before_and_ends_the_session_when_it_is_used(room: Room) -> None:
    old = invite(room.store, room.readers["R1"].id, room.now)
    fresh = invite(room.store, room.readers["R1"].id, room.now)
    with pytest.raises(AccessError):
        join(room.store, old, room.now)
    assert room.page().state == "ready"  # until then the reader goes on
    token = join(room.store, fresh, room.now)
    with pytest.raises(AccessError):
        room.page()
    assert shown_now(room.store, token, room.now).state == "ready"  # consent and instructions are not asked again
    assert room.page("R2").state == "ready"


def test_an_invitation_to_a_closed_study_or_to_nobody_is_refused(make_room: Make) -> None:
    room = make_room()
    link = invite(room.store, room.readers["R1"].id, room.now)
    close_study(room.store, room.study, room.now)
    with pytest.raises(NotNowError, match="closed"):
        join(room.store, link, room.now)
    with pytest.raises(AccessError, match="no reader with the id 999"):
        invite(room.store, 999, room.now)


def test_a_guessed_invitation_is_none(make_room: Make) -> None:
    room = make_room()
    for guessed in ("", "x", "\x00", "\ud800", "0" * 64):
        with pytest.raises(AccessError, match="this link is not valid"):
            join(room.store, guessed, room.now)
