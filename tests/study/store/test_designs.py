"""What a design asks for, as a reader goes through it: changes, sequential cases, training, periods, repeats."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from cutis.study.store import AnswerKeptError, NotNowError, answers_table, move_on, show_next, verify_chain

from .conftest import AIDED, UNAIDED, Room, design_of, said

Make = Callable[..., Room]


def test_answers_may_be_changed_within_the_open_case_where_the_design_says_so(make_room: Make) -> None:
    room = make_room(design_of(change_answers=True))
    room.sign_in()
    token = room.tokens["R1"]
    key = room.show()
    with pytest.raises(NotNowError, match="no answer yet"):
        move_on(room.store, token, key, room.now)
    room.wait(5)
    room.answer(key, said("benign"))
    room.wait(5)
    changed = room.answer(key, said("malignant"))
    assert (changed.answer, changed.answered_at) == (said("malignant"), room.now)
    page = room.page()
    assert page.case is not None
    assert page.case.answer == said("malignant")
    assert room.show() == key  # it stays until the reader moves on
    move_on(room.store, token, key, room.now)
    move_on(room.store, token, key, room.now)
    assert room.page().state == "ready"
    with pytest.raises(AnswerKeptError):
        room.answer(key, said("benign"))
    second = room.show()
    room.answer(second, said("benign"))
    room.wait(100)  # the time is up: the answer in time stands and cannot be changed any more
    with pytest.raises(AnswerKeptError):
        room.answer(second, said("malignant"))
    assert room.page().state == "ready"
    assert answers_table(room.store, room.study)["choices"].to_list() == ["malignant", "benign"]
    verify_chain(room.store, room.study)


def test_in_a_sequential_study_the_aided_step_follows_the_answer_to_the_unaided_one(make_room: Make) -> None:
    room = make_room(design_of(reading="sequential", arms=[UNAIDED, AIDED], ai="built-in"))
    room.sign_in()
    first = room.show()
    page = room.page()
    assert page.case is not None
    assert (page.case.step, page.case.steps, page.case.aid, page.case.earlier_answer) == (0, 2, None, None)
    room.answer(first, said("benign", 10))
    second = room.show()
    page = room.page()
    assert page.case is not None
    assert page.case.aid is not None
    assert page.case.aid.risk == "dangerous"
    assert (page.case.step, page.case.earlier_answer) == (1, said("benign", 10))
    with pytest.raises(AnswerKeptError):
        room.answer(first, said("malignant"))  # after the AI was seen
    room.answer(second, said("malignant"))
    progress = room.page().progress
    assert progress is not None
    assert (progress.done, progress.cases) == (1, 4)
    table = answers_table(room.store, room.study)
    assert table["case"].n_unique() == 1
    assert table["arm"].to_list() == ["unaided", "aided"]


def test_training_cases_tell_the_truth_after_the_answer_and_stay_until_the_reader_moves_on(make_room: Make) -> None:
    room = make_room(design_of(training_cases=2))
    room.sign_in()
    key = room.show()
    progress = room.page().progress
    assert progress is not None
    assert progress.part == "training"
    room.answer(key, said("benign"))
    page = room.page()
    assert (page.state, page.case) == ("feedback", None)
    assert page.feedback is not None
    assert page.feedback.answer == said("benign")
    assert page.feedback.right == (page.feedback.right_choice == "benign")
    with pytest.raises(AnswerKeptError):
        room.answer(key, said("malignant"))
    room.wait(3600)  # feedback has no clock
    assert room.page().state == "feedback"
    assert room.show() == key
    move_on(room.store, room.tokens["R1"], key, room.now)
    key = room.show()
    room.wait(100)
    page = room.page()  # timed out: the truth is told as well
    assert page.feedback is not None
    assert (page.feedback.outcome, page.feedback.answer, page.feedback.right) == ("timed out", None, False)
    move_on(room.store, room.tokens["R1"], key, room.now)
    progress = room.page().progress
    assert progress is not None
    assert (progress.done, progress.cases, progress.part) == (2, 6, "main")
    verify_chain(room.store, room.study)


def test_the_truth_of_a_sequential_training_case_waits_for_its_last_step(make_room: Make) -> None:
    design = design_of(
        reading="sequential", arms=[UNAIDED, AIDED], ai="built-in", training_cases=1, change_answers=True
    )
    room = make_room(design)
    room.sign_in()
    key = room.show()
    room.answer(key)
    assert room.page().state == "case"
    assert room.page().feedback is None
    move_on(room.store, room.tokens["R1"], key, room.now)
    second = room.show()
    room.answer(second)
    assert room.page().state == "feedback"
    with pytest.raises(AnswerKeptError):  # changeable, but not once the truth is known
        room.answer(second, said("benign"))


def test_the_second_period_opens_when_the_wash_out_is_over(make_room: Make) -> None:
    room = make_room(design_of(reading="crossover", arms=[UNAIDED, AIDED], ai="built-in", washout_days=28))
    room.sign_in()
    for _ in range(3):
        room.answer(room.show())
    room.show()
    ended = room.now + timedelta(seconds=47)  # the last one times out, whoever records that, and when
    room.wait(5 * 24 * 3600)
    page = room.page()
    assert (page.state, page.opens_at) == ("wash-out", ended + timedelta(days=28))
    assert page.progress is not None
    assert (page.progress.period, page.progress.periods, page.progress.done) == (1, 2, 0)
    with pytest.raises(NotNowError, match=r"part 2 opens on 2031-03-29 at 09:00 UTC"):
        show_next(room.store, room.tokens["R1"], room.now)
    room.now = ended + timedelta(days=28) - timedelta(microseconds=1)
    assert room.page().state == "wash-out"
    room.wait(1e-6)
    assert room.page().state == "ready"
    for _ in range(4):
        room.answer(room.show())
    assert room.page().state == "finished"
    table = answers_table(room.store, room.study)
    assert table.group_by("period").len()["len"].to_list() == [4, 4]
    assert table.filter(table["period"] == 0)["arm"].n_unique() == 1


def test_repeated_cases_are_asked_again(make_room: Make) -> None:
    room = make_room(design_of(repeated_cases=1, repeat_distance=2))
    room.sign_in()
    for _ in range(5):
        room.answer(room.show())
    assert room.page().state == "finished"
    parts = answers_table(room.store, room.study)["part"].to_list()
    assert sorted(parts) == ["main"] * 4 + ["repeat"]
