"""What a reader does, on both databases: order, clock, doubled and lost requests, pauses, periods, training."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from cutis.study.answers import Answer
from cutis.study.design import StudyError
from cutis.study.store import (
    AccessError,
    AnswerKeptError,
    NotNowError,
    answers_table,
    close_overdue,
    confirm_instructions,
    consent,
    invite,
    invite_elsewhere,
    join,
    note,
    pause,
    read_events,
    resume,
    show_next,
    shown_now,
    verify_chain,
    withdraw,
)

from .conftest import AIDED, START, UNAIDED, Room, design_of, said

Make = Callable[..., Room]


def kinds(room: Room, name: str = "R1") -> list[str]:
    chain = room.readers[name].number
    return [each.kind for each in read_events(room.store, room.study) if each.chain == chain]


def test_consent_and_instructions_come_before_the_first_case(make_room: Make) -> None:
    room = make_room()
    token = join(room.store, invite(room.store, room.readers["R1"].id, room.now), room.now)
    room.tokens["R1"] = token
    assert room.page().state == "consent"
    assert room.page().consent == "I take part of my own will."
    with pytest.raises(NotNowError, match="no consent yet"):
        show_next(room.store, token, room.now)
    with pytest.raises(NotNowError, match="no consent yet"):
        confirm_instructions(room.store, token, room.now)
    consent(room.store, token, room.now)
    consent(room.store, token, room.now + timedelta(hours=1))  # a double click
    assert room.page().state == "instructions"
    with pytest.raises(NotNowError, match="not confirmed"):
        show_next(room.store, token, room.now)
    confirm_instructions(room.store, token, room.now)
    assert room.page().state == "ready"
    assert kinds(room) == ["added", "invited", "joined", "consented", "instructed"]


def test_a_reader_goes_through_all_cases_and_finishes(room: Room) -> None:
    keys = []
    for number in range(4):
        assert room.page().state == "ready"
        progress = room.page().progress
        assert progress is not None
        assert (progress.done, progress.cases, progress.part) == (number, 4, "main")
        keys.append(room.show())
        room.wait(10)
        kept = room.answer(keys[-1], said(confidence=number))
        assert kept == (keys[-1], "answered", room.now, said(confidence=number))
    assert room.page().state == "finished"
    assert len(set(keys)) == 4
    table = answers_table(room.store, room.study)
    assert table["seconds"].to_list() == [10.0] * 4
    assert table["confidence"].to_list() == ["0", "1", "2", "3"]
    assert kinds(room)[-3:] == ["shown", "answered", "finished"]
    with pytest.raises(NotNowError, match="all are done"):
        show_next(room.store, room.tokens["R1"], room.now)
    assert room.page("R2").state == "ready"  # another reader is where they were
    verify_chain(room.store, room.study)


def test_reload_back_and_a_second_tab_show_the_same_and_start_no_clock_again(room: Room) -> None:
    key = room.show()
    first = room.page()
    room.wait(20)
    assert room.show() == key  # "next" once more
    page = room.page()
    assert page.case is not None
    assert first.case is not None
    assert (page.case.shown_at, page.case.due_at) == (first.case.shown_at, first.case.due_at)
    assert (first.case.seconds_left, page.case.seconds_left) == (45.0, 25.0)
    assert kinds(room).count("shown") == 1


def test_the_same_answer_again_is_acknowledged_again_and_another_is_refused_with_the_one_kept(room: Room) -> None:
    key = room.show()
    room.wait(5)
    first = room.answer(key)
    room.wait(3600)
    assert room.answer(key) == first  # the acknowledgement was lost on its way
    with pytest.raises(AnswerKeptError, match="answered already, and otherwise") as refused:
        room.answer(key, said("benign"))
    assert refused.value.kept == said()
    room.show()
    assert room.answer(key) == first  # and when the next case is before the reader
    assert kinds(room).count("answered") == 1
    assert answers_table(room.store, room.study)["outcome"].to_list() == ["answered", None]


def test_an_answer_counts_until_the_grace_is_over_and_not_a_microsecond_longer(room: Room) -> None:
    key = room.show()
    room.wait(47)
    assert room.answer(key).outcome == "answered"
    key = room.show()
    room.wait(47.000001)
    late = room.answer(key)
    assert late == (key, "timed out", None, None)
    assert room.answer(key) == late
    assert room.page().state == "ready"
    timed_out = [each for each in read_events(room.store, room.study) if each.kind == "timed out"]
    assert [each.details["late_answer"] for each in timed_out] == [said().model_dump(mode="json")]
    table = answers_table(room.store, room.study)
    assert table["outcome"].to_list() == ["answered", "timed out"]
    assert table["choices"].to_list() == ["malignant", None]


@pytest.mark.parametrize("touch", ["page", "next", "answer", "close_overdue", "pause", "note"])
def test_a_case_whose_time_is_up_is_recorded_alike_by_whatever_touches_it_first(touch: str, room: Room) -> None:
    key = room.show()
    token = room.tokens["R1"]
    room.wait(3600)
    acts: dict[str, Callable[[], object]] = {
        "page": room.page,
        "next": lambda: show_next(room.store, token, room.now),
        "answer": lambda: room.answer(key),
        "close_overdue": lambda: close_overdue(room.store, room.now),
        "pause": lambda: pause(room.store, token, room.now),
        "note": lambda: note(room.store, token, key, "zoomed", {}, room.now),
    }
    acts[touch]()
    table = answers_table(room.store, room.study)
    assert table["outcome"][0] == "timed out"
    assert kinds(room).count("timed out") == 1
    assert close_overdue(room.store, room.now) == 0
    assert room.answer(key).outcome == "timed out"
    progress = room.page().progress
    assert progress is not None
    assert progress.done == 1
    verify_chain(room.store, room.study)


def test_what_is_refused_because_of_the_clock_is_recorded_all_the_same(make_room: Make) -> None:
    """A pause is refused in the middle of a sequential case; that its first step timed out stays recorded."""
    room = make_room(design_of(reading="sequential", arms=[UNAIDED, AIDED], ai="built-in"))
    room.sign_in()
    room.show()
    room.wait(100)
    with pytest.raises(NotNowError, match="a case is open"):
        pause(room.store, room.tokens["R1"], room.now)
    assert kinds(room)[-1] == "timed out"


def test_without_a_limit_no_time_is_up(make_room: Make) -> None:
    room = make_room(design_of(seconds_per_case=None))
    room.sign_in()
    key = room.show()
    page = room.page()
    assert page.case is not None
    assert (page.case.due_at, page.case.seconds_left) == (None, None)
    room.wait(30 * 24 * 3600)
    assert close_overdue(room.store, room.now) == 0
    assert room.answer(key).outcome == "answered"


def test_a_clock_that_is_set_back_a_little_stands_still_and_much_is_refused(room: Room) -> None:
    key = room.show()
    room.wait(-3)
    kept = room.answer(key)
    assert kept.answered_at == START
    room.wait(-3600)
    with pytest.raises(NotNowError, match="clock.*is behind.*Set the clock"):
        show_next(room.store, room.tokens["R1"], room.now)


def test_an_answer_that_is_none_leaves_the_case_open(room: Room) -> None:
    key = room.show()
    for given, told in (
        (Answer(choices=(), confidence=5), "nothing is chosen"),
        (Answer(choices=("melanoma",), confidence=5), "is no choice"),
        (Answer(choices=("malignant",), confidence=None), "confidence is missing"),
        (Answer(choices=("malignant",), confidence=101), "not a whole number"),
        (Answer(choices=("malignant'; DROP TABLE steps; --",), confidence=5), "is no choice"),
        (Answer(choices=("<script>alert(1)</script>\x00",), confidence=5), "is no choice"),
    ):
        with pytest.raises(StudyError, match=told):
            room.answer(key, given)
    assert room.page().state == "case"
    assert room.answer(key).outcome == "answered"


def test_pauses_lie_between_cases_and_double_clicks_do_nothing(room: Room) -> None:
    token = room.tokens["R1"]
    pause(room.store, token, room.now)
    pause(room.store, token, room.now)
    assert room.page().state == "paused"
    with pytest.raises(NotNowError, match="paused.*Resume"):
        show_next(room.store, token, room.now)
    room.wait(3600)
    resume(room.store, token, room.now)
    resume(room.store, token, room.now)
    key = room.show()
    with pytest.raises(NotNowError, match="a case is open"):
        pause(room.store, token, room.now)
    room.answer(key)
    assert kinds(room)[-4:] == ["paused", "resumed", "shown", "answered"]


def test_coming_back_on_another_machine_goes_on_exactly_there(room: Room) -> None:
    room.answer(room.show())
    key = room.show()
    before = room.page()
    here = room.tokens["R1"]
    there = join(room.store, invite_elsewhere(room.store, here, room.now), room.now)
    room.tokens["R1"] = there
    assert room.page() == before
    assert room.show() == key
    with pytest.raises(AccessError, match="continued elsewhere"):
        shown_now(room.store, here, room.now)
    assert room.answer(key).outcome == "answered"
    assert answers_table(room.store, room.study)["outcome"].to_list() == ["answered", "answered"]


def test_what_the_browser_saw_is_recorded_while_the_case_is_there(room: Room) -> None:
    token, key = room.tokens["R1"], room.show()
    assert note(room.store, token, key, "displayed", {"window": [390, 844], "image": [380, 285]}, room.now)
    assert note(room.store, token, key, "zoomed", {"scale": 2.5}, room.now)
    assert note(room.store, token, key, "zoomed", {"scale": 1}, room.now)
    with pytest.raises(StudyError, match="none that a browser records"):
        note(room.store, token, key, "zoomed", {"scale": "9" * 2000}, room.now)
    with pytest.raises(StudyError, match="no JSON"):
        note(room.store, token, key, "zoomed", {"scale": float("nan")}, room.now)
    with pytest.raises(StudyError, match="none that a browser records"):
        note(room.store, token, key, "answered", {}, room.now)  # type: ignore[arg-type]
    room.answer(key)
    assert not note(room.store, token, key, "zoomed", {}, room.now)
    row = answers_table(room.store, room.study).row(0, named=True)
    assert (row["zoomed"], row["hidden"], row["displayed"]) == (2, 0, '{"image":[380,285],"window":[390,844]}')


def test_who_withdraws_is_asked_nothing_more_and_left_out(room: Room) -> None:
    key = room.show()
    room.answer(key)
    room.answer(room.show("R2"), name="R2")
    withdraw(room.store, room.tokens["R1"], room.now)
    for act in (room.page, lambda: room.answer(key), room.show):
        with pytest.raises(AccessError):
            act()
    with pytest.raises(NotNowError, match="'R1' has withdrawn"):
        invite(room.store, room.readers["R1"].id, room.now)
    assert answers_table(room.store, room.study)["reader"].to_list() == ["R2"]
    assert answers_table(room.store, room.study, withdrawn=True)["reader"].to_list() == ["R1", "R2"]
    verify_chain(room.store, room.study)
