"""What a reader might try: each attempt is refused, or harmless, and nothing in the database moves."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from cutis.study.store import (
    AccessError,
    NotNowError,
    answer,
    answers_table,
    close_study,
    invite,
    move_on,
    note,
    pause,
    picture,
    resume,
    show_next,
    shown_now,
    verify_chain,
)
from cutis.study.store.models import Base, Reader, Step

from .conftest import Room, design_of, room_in, said

Make = Callable[..., Room]


def everything(room: Room) -> list[object]:
    return room.store.read(
        lambda connection: [
            connection.execute(select(each).order_by(*each.primary_key.columns)).all()
            for each in Base.metadata.sorted_tables
        ]
    )


def key_of(room: Room, name: str, place: int) -> str:
    """The secret key of a step, as a reader could only guess it."""
    return room.store.read(
        lambda connection: connection.execute(
            select(Step.key).where(Step.reader_id == room.readers[name].id, Step.place == place)
        ).scalar_one()
    )


def test_another_readers_case_is_not_answered_with_ones_own_token(room: Room) -> None:
    room.show()
    of_another = room.show("R2")
    before = everything(room)
    mine = room.tokens["R1"]
    for act in (
        lambda: room.answer(of_another),
        lambda: move_on(room.store, mine, of_another, room.now),
        lambda: note(room.store, mine, of_another, "zoomed", {}, room.now),
        lambda: picture(room.store, mine, of_another, room.now),
    ):
        with pytest.raises(AccessError, match="not before you"):
            act()
    assert everything(room) == before


def test_a_token_that_is_none_opens_nothing(room: Room) -> None:
    key = room.show()
    before = everything(room)
    acts: list[Callable[[str], object]] = [
        lambda token: shown_now(room.store, token, room.now),
        lambda token: show_next(room.store, token, room.now),
        lambda token: answer(room.store, token, key, said(), room.now),
        lambda token: picture(room.store, token, key, room.now),
        lambda token: pause(room.store, token, room.now),
        lambda token: resume(room.store, token, room.now),
    ]
    for token in ("", "guessed", "0" * 43, "' OR 1=1 --", "\x00", "\ud800", "1", "A" * 100_000):
        for act in acts:
            with pytest.raises(AccessError, match="this session is not valid"):
                act(token)
    assert everything(room) == before


def test_what_the_database_holds_opens_nothing(room: Room) -> None:
    """Who reads the database finds hashes, and a hash is no token."""
    hashes = room.store.read(lambda connection: connection.execute(select(Reader.session_sha256)).scalars().all())
    assert len(hashes) == 2
    for each in hashes:
        with pytest.raises(AccessError):
            shown_now(room.store, str(each), room.now)
    assert not [each for each in str(everything(room)).split("'") if each in room.tokens.values()]


def test_a_future_case_is_neither_seen_nor_answered(room: Room) -> None:
    room.show()
    future = key_of(room, "R1", 2)
    before = everything(room)
    for act in (
        lambda: room.answer(future),
        lambda: picture(room.store, room.tokens["R1"], future, room.now),
        lambda: move_on(room.store, room.tokens["R1"], future, room.now),
    ):
        with pytest.raises(AccessError, match="not before you"):
            act()
    assert everything(room) == before


def test_nothing_is_answered_before_it_was_shown(room: Room) -> None:
    before = everything(room)
    with pytest.raises(AccessError):
        room.answer(key_of(room, "R1", 0))
    assert everything(room) == before


def test_a_guessed_key_is_no_case(room: Room) -> None:
    room.show()
    before = everything(room)
    for key in ("", "1", "0' OR '1'='1", "<b>", "\x00", "\ud800", "A" * 22, "ü" * 5000):
        with pytest.raises(AccessError, match="not before you"):
            room.answer(key)
    assert everything(room) == before


def test_after_the_end_nothing_changes(room: Room) -> None:
    keys = []
    for _ in range(4):
        keys.append(room.show())
        room.answer(keys[-1])
    before = everything(room)
    room.wait(86400)
    for key in keys:
        room.answer(key)  # replayed: acknowledged, not recorded again
    with pytest.raises(NotNowError):
        show_next(room.store, room.tokens["R1"], room.now)
    with pytest.raises(NotNowError):
        pause(room.store, room.tokens["R1"], room.now)
    assert everything(room) == before


def test_a_closed_study_takes_nothing_more(room: Room) -> None:
    done = room.show()
    room.answer(done)
    key = room.show()
    close_study(room.store, room.study, room.now)
    before = everything(room)
    token = room.tokens["R1"]
    room.wait(5)
    acts: list[Callable[[], object]] = [
        lambda: room.answer(key),
        lambda: show_next(room.store, token, room.now),
        lambda: pause(room.store, token, room.now),
        lambda: resume(room.store, token, room.now),
        lambda: invite(room.store, room.readers["R1"].id, room.now),
        lambda: close_study(room.store, room.study, room.now),
    ]
    for act in acts:
        with pytest.raises(NotNowError, match="closed"):
            act()
    with pytest.raises(AccessError):
        picture(room.store, token, key, room.now)
    assert not note(room.store, token, key, "zoomed", {}, room.now)
    room.wait(3600)
    assert room.page().state == "closed"
    assert room.answer(done).outcome == "answered"  # what was acknowledged stays acknowledged
    assert everything(room) == before
    assert answers_table(room.store, room.study)["outcome"].to_list() == ["answered", None]
    verify_chain(room.store, room.study)


def test_a_reader_of_another_study_is_a_stranger(make_room: Make) -> None:
    first = make_room()
    first.sign_in()
    second = room_in(first.store, design_of(title="Another"))
    second.sign_in()
    key = first.show()
    with pytest.raises(AccessError):
        second.answer(key)
    with pytest.raises(AccessError):
        first.answer(second.show())
    assert second.page().title == "Another"
