"""Many answers in one transaction are kept as if each had come alone, on both databases."""

import random
from collections.abc import Callable

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError

from cutis.study.design import StudyError
from cutis.study.store import (
    AccessError,
    Acknowledgement,
    AnswerKeptError,
    GivenAnswer,
    NotNowError,
    answer,
    answer_together,
    answers_table,
    close_study,
    move_on,
    read_events,
    show_next,
    shown_now,
    verify_chain,
)
from cutis.study.store import answering as module

from .conftest import AIDED, START, UNAIDED, Room, design_of, said

Make = Callable[..., Room]


def given(room: Room, name: str, key: str, choice: str = "malignant", confidence: int | None = 80) -> GivenAnswer:
    return GivenAnswer(room.tokens[name], key, said(choice, confidence), room.now)


def test_each_of_many_is_told_what_holds_for_it(make_room: Make) -> None:
    room = make_room(readers=7)
    for name in room.readers:
        room.sign_in(name)
    late = room.show("R4")
    room.wait(40)
    keys = {name: room.show(name) for name in ("R1", "R2", "R3", "R5", "R6", "R7")}
    room.answer(keys["R5"], said("benign"), "R5")
    room.wait(10)
    told = answer_together(
        room.store,
        [
            given(room, "R1", keys["R1"]),
            given(room, "R2", keys["R1"]),  # of another reader
            given(room, "R3", keys["R3"], confidence=None),  # no answer
            given(room, "R4", late),  # too late
            given(room, "R5", keys["R5"], "malignant"),  # answered otherwise
            GivenAnswer("no session", keys["R6"], said(), room.now),
            given(room, "R7", "no key"),
            given(room, "R6", keys["R6"], "benign", 5),
            given(room, "R5", keys["R5"], "benign"),  # the same once more
        ],
    )
    assert [type(each) for each in told] == [
        Acknowledgement,
        AccessError,
        StudyError,
        Acknowledgement,
        AnswerKeptError,
        AccessError,
        AccessError,
        Acknowledgement,
        Acknowledgement,
    ]
    assert told[0] == (keys["R1"], "answered", room.now, said())
    assert told[3] == (late, "timed out", None, None)
    assert told[7] == (keys["R6"], "answered", room.now, said("benign", 5))
    table = answers_table(room.store, room.study)
    assert dict(table.select("reader", "outcome").rows()) == {
        "R1": "answered",
        "R2": None,
        "R3": None,
        "R4": "timed out",
        "R5": "answered",
        "R6": "answered",
        "R7": None,
    }
    verify_chain(room.store, room.study)


def test_of_a_double_click_in_one_transaction_the_first_is_kept(room: Room) -> None:
    key, other = room.show("R1"), room.show("R2")
    clicks = [given(room, "R1", key, confidence=each) for each in (1, 2, 1)]
    first, second, again, of_another = answer_together(room.store, [*clicks, given(room, "R2", other)])
    assert isinstance(first, Acknowledgement)
    assert first == again
    assert isinstance(second, AnswerKeptError)
    assert second.kept == said(confidence=1)
    assert isinstance(of_another, Acknowledgement)
    assert [each.kind for each in read_events(room.store, room.study, chain=0)].count("answered") == 1
    verify_chain(room.store, room.study)


@pytest.mark.parametrize(
    "fields",
    [
        {"training_cases": 1},
        {"change_answers": True},
        {"reading": "sequential", "arms": [UNAIDED, AIDED], "ai": "built-in", "seconds_per_case": None},
    ],
    ids=["training", "changeable", "sequential"],
)
def test_together_is_the_same_as_one_after_the_other(fields: dict[str, object], make_room: Make) -> None:
    """Two studies of a design, the same requests: in one by one transaction each, in the other in groups."""
    rooms = [make_room(design_of(**fields), readers=4) for _ in range(2)]
    for room in rooms:
        for name in room.readers:
            room.sign_in(name)
    draw = random.Random(5)
    for _ in range(12):
        wanted = []
        for _ in range(draw.randint(1, 8)):
            choice = draw.choice(["malignant", "benign", "nevus"])
            wanted.append((draw.choice(["R1", "R2", "R3", "R4"]), choice, draw.choice([3, 9])))
        seconds = draw.choice([1, 20, 50])
        told = []
        for room in rooms:
            room.wait(seconds)
            keys = {}
            for name in room.readers:
                page = shown_now(room.store, room.tokens[name], room.now)
                if page.feedback and page.feedback.outcome == "answered":
                    move_on(room.store, room.tokens[name], page.feedback.key, room.now)
                    page = shown_now(room.store, room.tokens[name], room.now)
                if page.state == "ready" and page.progress and page.progress.done < 3:
                    show_next(room.store, room.tokens[name], room.now)
                    page = shown_now(room.store, room.tokens[name], room.now)
                shown = page.case or page.feedback
                keys[name] = shown.key if shown else "none"
            asked = [given(room, name, keys[name], choice, sure) for name, choice, sure in wanted]
            if room is rooms[0]:
                told.append([_alone(room, each) for each in asked])
            else:
                told.append([_words(each) for each in answer_together(room.store, asked)])
        assert told[0] == told[1]
    for room in rooms:
        verify_chain(room.store, room.study)
    logs = [
        [(each.chain, each.at, each.kind, each.details.get("answer")) for each in read_events(room.store, room.study)]
        for room in rooms
    ]
    assert logs[0] == logs[1]
    assert len(logs[0]) > 40


def _alone(room: Room, asked: GivenAnswer) -> object:
    try:
        return _words(answer(room.store, asked.token, asked.key, asked.answer, asked.at))
    except StudyError as error:
        return _words(error)


def _words(told: Acknowledgement | Exception) -> object:
    return (type(told), str(told)) if isinstance(told, Exception) else told[1:]


def test_what_the_database_refuses_harms_no_other(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {name: room.show(name) for name in ("R1", "R2")}
    real = module.write_visits

    def breaking(visits: list[module.Visit]) -> None:
        if any(each.reader.name == "R1" for each in visits):
            raise IntegrityError("UPDATE", {}, Exception("refused"))
        real(visits)

    monkeypatch.setattr(module, "write_visits", breaking)
    broken, kept = answer_together(room.store, [given(room, name, key) for name, key in keys.items()])
    assert isinstance(broken, DBAPIError)
    assert isinstance(kept, Acknowledgement)
    assert answers_table(room.store, room.study)["outcome"].to_list() == [None, "answered"]
    verify_chain(room.store, room.study)


def test_a_clock_that_went_back_and_a_closed_study_refuse(room: Room) -> None:
    keys = {name: room.show(name) for name in ("R1", "R2")}
    back = GivenAnswer(room.tokens["R1"], keys["R1"], said(), START.replace(hour=8))
    refused, kept = answer_together(room.store, [back, given(room, "R2", keys["R2"])])
    assert isinstance(refused, NotNowError)
    assert isinstance(kept, Acknowledgement)
    close_study(room.store, room.study, room.now)
    (refused,) = answer_together(room.store, [given(room, "R1", keys["R1"])])
    assert isinstance(refused, NotNowError)


def test_who_sent_an_answer_stands_in_log_and_table_and_changes_nothing_else(make_room: Make) -> None:
    room = make_room(design_of(change_answers=True))
    token = room.sign_in()
    key = room.show()
    answer(room.store, token, key, said(), room.now)
    room.wait(45)
    answer(room.store, token, key, said(), room.now, sent_by="time limit")  # the same: the reader's own stands
    assert answers_table(room.store, room.study)["sent_by"].to_list() == ["reader"]
    answer(room.store, token, key, said("benign"), room.now, sent_by="time limit")
    room.wait(3)
    key = room.show()
    room.wait(47.5)
    late = answer(room.store, token, key, said(), room.now, sent_by="time limit")
    assert late.outcome == "timed out"  # who sent it does not count
    table = answers_table(room.store, room.study)
    assert table.select("outcome", "choices", "sent_by").rows() == [
        ("answered", "benign", "time limit"),
        ("timed out", None, None),
    ]
    events = read_events(room.store, room.study, chain=0)
    senders = [(each.kind, each.details["sent_by"]) for each in events if "sent_by" in each.details]
    assert senders == [("answered", "reader"), ("changed", "time limit"), ("timed out", "time limit")]
    verify_chain(room.store, room.study)
