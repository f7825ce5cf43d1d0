"""A whole study pauses, a reader signs out, and somebody looks at results early: on both databases."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from cutis.study.design import StudyError
from cutis.study.store import (
    STUDY_CHAIN,
    AccessError,
    ChainError,
    NotNowError,
    close_study,
    invite,
    invite_elsewhere,
    join,
    list_studies,
    move_on,
    pause,
    pause_study,
    read_events,
    record_look,
    resume_study,
    show_next,
    sign_out,
    verify_chain,
    withdraw_reader,
)

from .conftest import AIDED, UNAIDED, Room, design_of, said

Make = Callable[..., Room]


def of_the_study(room: Room) -> list[str]:
    return [each.kind for each in read_events(room.store, room.study, chain=STUDY_CHAIN)]


def test_no_new_case_is_shown_and_the_one_on_the_screen_is_finished_by_its_own_clock(room: Room) -> None:
    key = room.show()
    room.wait(10)
    pause_study(room.store, room.study, room.now)
    page = room.page()
    assert page.case is not None
    assert (page.state, page.case.seconds_left) == ("case", 35.0)
    room.wait(30)
    assert room.answer(key).outcome == "answered"
    assert room.page().state == "study paused"
    assert room.page("R2").state == "study paused"
    for name in ("R1", "R2"):
        with pytest.raises(NotNowError, match="the whole study is paused"):
            show_next(room.store, room.tokens[name], room.now)
    room.wait(3600)
    resume_study(room.store, room.study, room.now)
    assert room.page().state == "ready"
    assert room.show() != key
    assert of_the_study(room) == ["created", "paused", "resumed"]
    verify_chain(room.store, room.study)


def test_a_case_that_was_begun_in_sequence_is_finished_with_the_ai(make_room: Make) -> None:
    room = make_room(design_of(reading="sequential", arms=[UNAIDED, AIDED], ai="built-in"))
    room.sign_in()
    room.answer(room.show())
    pause_study(room.store, room.study, room.now)
    assert room.page().state == "ready"
    room.answer(room.show(), said("benign"))
    assert room.page().state == "study paused"


def test_feedback_is_read_to_its_end_and_a_wash_out_is_told_first(make_room: Make) -> None:
    design = design_of(reading="crossover", arms=[UNAIDED, AIDED], ai="built-in", training_cases=1, washout_days=7)
    room = make_room(design)
    token = room.sign_in()
    key = room.show()
    room.answer(key)
    pause_study(room.store, room.study, room.now)
    assert room.page().state == "feedback"
    move_on(room.store, token, key, room.now)
    assert room.page().state == "study paused"
    resume_study(room.store, room.study, room.now)
    for _ in range(4):
        room.answer(room.show())
    pause_study(room.store, room.study, room.now)
    assert room.page().state == "wash-out"
    room.now += timedelta(days=7)
    assert room.page().state == "study paused"


def test_a_readers_own_pause_and_that_of_the_study_are_two(room: Room) -> None:
    pause(room.store, room.tokens["R1"], room.now)
    pause_study(room.store, room.study, room.now)
    assert room.page().state == "study paused"
    resume_study(room.store, room.study, room.now)
    assert room.page().state == "paused"
    assert room.page("R2").state == "ready"


def test_it_is_paused_once_and_not_when_closed(room: Room) -> None:
    with pytest.raises(NotNowError, match="does not pause"):
        resume_study(room.store, room.study, room.now)
    pause_study(room.store, room.study, room.now)
    with pytest.raises(NotNowError, match="pauses already"):
        pause_study(room.store, room.study, room.now)
    assert list_studies(room.store)[0].paused_at == room.now
    close_study(room.store, room.study, room.now)
    for act in (pause_study, resume_study):
        with pytest.raises(NotNowError, match="is closed"):
            act(room.store, room.study, room.now)
        with pytest.raises(StudyError, match="no study 9"):
            act(room.store, 9, room.now)
    assert room.page().state == "closed"
    assert of_the_study(room) == ["created", "paused", "closed", "sealed"]
    verify_chain(room.store, room.study)


def test_a_pause_that_the_log_does_not_know_is_found(room: Room) -> None:
    room.store.write(lambda connection: connection.exec_driver_sql("UPDATE studies SET paused_at = created_at"))
    with pytest.raises(ChainError, match="pauses, otherwise than the log tells"):
        verify_chain(room.store, room.study)


def test_who_looks_at_results_while_readers_read_stands_in_the_log(room: Room) -> None:
    for nobody in ("", "  ", "a\nb", "x" * 101):
        with pytest.raises(StudyError, match="not said who looks"):
            record_look(room.store, room.study, nobody, room.now)
    assert record_look(room.store, room.study, " Dr Jo ", room.now)
    events = read_events(room.store, room.study, chain=STUDY_CHAIN)
    assert [(each.kind, each.details, each.at) for each in events[1:]] == [("results seen", {"by": "Dr Jo"}, room.now)]
    withdraw_reader(room.store, room.readers["R2"].id, room.now)
    for _ in range(4):
        assert record_look(room.store, room.study, "Jo", room.now)
        room.answer(room.show())
    assert not record_look(room.store, room.study, "", room.now)  # all have finished or withdrawn
    assert of_the_study(room) == ["created"] + ["results seen"] * 5
    verify_chain(room.store, room.study)


def test_of_a_closed_study_no_look_is_recorded(room: Room) -> None:
    close_study(room.store, room.study, room.now)
    assert not record_look(room.store, room.study, "Jo", room.now)


def test_signing_out_ends_the_session_and_a_link_lets_the_reader_in_again(room: Room) -> None:
    key = room.show()
    token = room.tokens["R1"]
    sign_out(room.store, token, room.now)
    with pytest.raises(AccessError, match="not valid"):
        room.page()
    with pytest.raises(AccessError, match="not valid"):
        room.answer(key)
    with pytest.raises(AccessError):
        sign_out(room.store, token, room.now)
    room.wait(10)
    room.tokens["R1"] = join(room.store, invite(room.store, room.readers["R1"].id, room.now), room.now)
    page = room.page()
    assert page.case is not None
    assert (page.case.key, page.case.seconds_left) == (key, 35.0)  # the clock ran on
    own = invite_elsewhere(room.store, room.tokens["R1"], room.now)
    sign_out(room.store, room.tokens["R1"], room.now)
    room.tokens["R1"] = join(room.store, own, room.now)  # made before signing out, used after
    assert room.answer(key).outcome == "answered"
    kinds = [each.kind for each in read_events(room.store, room.study, chain=0)]
    assert kinds.count("signed out") == 2
    verify_chain(room.store, room.study)
