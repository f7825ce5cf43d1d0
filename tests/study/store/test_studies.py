"""The study nurse's side: making a study, its readers, their progress, its end."""

from collections.abc import Callable

import pytest

from cutis.study.design import StudyError
from cutis.study.store import (
    NotNowError,
    Store,
    StoreError,
    add_readers,
    close_overdue,
    close_study,
    create_study,
    invite,
    join,
    list_studies,
    move_on,
    pause,
    progress,
    read_events,
    study_design,
    withdraw_reader,
)

from .conftest import AIDED, START, UNAIDED, Room, ai_of, cases_of, design_of, heatmaps_of, room_in

Make = Callable[..., Room]


def test_a_study_is_listed_with_its_design(store: Store) -> None:
    design = design_of(question={"kind": "ranked", "choices": ["nevus", "malignant-melanoma"], "most": 2})
    study = create_study(store, design, cases_of(design), START)
    assert study_design(store, study) == design
    add_readers(store, study, [("R1", "expert")], START)
    close_study(store, study, START)
    assert list_studies(store) == [(study, "Melanoma or nevus", START, START, 1, None)]
    with pytest.raises(StoreError, match="there is no study 99"):
        study_design(store, 99)


def test_cases_that_are_not_the_designs_are_refused(store: Store) -> None:
    design = design_of()
    cases = cases_of(design)
    with pytest.raises(StudyError, match="3 cases"):
        create_study(store, design, cases[1:], START)
    with pytest.raises(StudyError, match="1 cases stand twice: malignant-melanoma_main_0"):
        create_study(store, design, [*cases, cases[0]], START)
    assert list_studies(store) == []


def test_an_aided_study_needs_what_the_ai_says_of_every_case(store: Store) -> None:
    design = design_of(arms=[UNAIDED, AIDED], ai="built-in", training_cases=1)
    cases = cases_of(design)
    ai, heatmaps = ai_of(cases), heatmaps_of(cases)
    second = cases[1].image_id
    with pytest.raises(StudyError, match="1 cases have no heatmap of the AI: malignant-melanoma_main_1"):
        create_study(store, design, cases, START, ai=ai, heatmaps={k: v for k, v in heatmaps.items() if k != second})
    ungraded = ai[second].model_copy(update={"risk": None})
    with pytest.raises(StudyError, match="1 cases have no risk of the AI: malignant-melanoma_main_1"):
        create_study(store, design, cases, START, ai=ai | {second: ungraded}, heatmaps=heatmaps)
    with pytest.raises(StudyError, match="5 cases have no differential"):
        create_study(store, design, cases, START)
    assert create_study(store, design, cases, START, ai=ai, heatmaps=heatmaps) == 1


def test_readers_are_added_all_or_none(make_room: Make) -> None:
    room = make_room()
    wrong = [
        ("R3", "expert"),
        ("R1", "expert"),
        ("=SUM(A1)", "expert"),
        ("<b>", "expert"),
        ("R4", "surgeon"),
        ("R3", "patient"),
    ]
    with pytest.raises(StudyError, match="5 readers cannot be added") as refused:
        add_readers(room.store, room.study, wrong, room.now)
    for told in ("'R1' stands twice", "'R3' stands twice", "'=SUM(A1)' is no pseudonym", "no group 'surgeon'"):
        assert told in str(refused.value)
    assert [each.name for each in progress(room.store, room.study, room.now)] == ["R1", "R2"]
    close_study(room.store, room.study, room.now)
    with pytest.raises(NotNowError, match="closed"):
        add_readers(room.store, room.study, [("R3", "expert")], room.now)


def test_arms_are_balanced_within_a_group_whatever_the_order_of_adding(make_room: Make) -> None:
    room = make_room(design_of(arms=[UNAIDED, AIDED], ai="built-in"), readers=0)
    names = [(f"{group} {number}", group) for number in range(4) for group in ("expert", "trainee")]
    for each in names:  # one at a time, groups in turn
        room.readers |= {added.name: added for added in add_readers(room.store, room.study, [each], room.now)}
    arms: dict[str, list[str]] = {}
    for name, group in names:
        room.sign_in(name)
        room.show(name)
        arms.setdefault(group, []).append(
            next(
                e for e in reversed(read_events(room.store, room.study)) if e.chain == room.readers[name].number
            ).details["arm"]
        )
    assert [sorted(each) for each in arms.values()] == [["aided", "aided", "unaided", "unaided"]] * 2


def test_progress_tells_how_far_each_reader_is(make_room: Make) -> None:
    design = design_of(reading="crossover", arms=[UNAIDED, AIDED], ai="built-in", washout_days=7)
    room = make_room(design, readers=7)
    invite(room.store, room.readers["R2"].id, room.now)
    join(room.store, invite(room.store, room.readers["R3"].id, room.now), room.now)
    for name in ("R4", "R5", "R6", "R7"):
        room.sign_in(name)
    room.answer(room.show("R4"), name="R4")
    pause(room.store, room.tokens["R5"], room.now)
    for _ in range(3):
        room.answer(room.show("R6"), name="R6")
    room.show("R6")
    withdraw_reader(room.store, room.readers["R7"].id, room.now)
    withdraw_reader(room.store, room.readers["R7"].id, room.now)
    room.wait(50)
    assert close_overdue(room.store, room.now) == 1
    told = {each.name: each for each in progress(room.store, room.study, room.now)}
    assert {name: (each.state, each.period, each.done, each.cases, each.timed_out) for name, each in told.items()} == {
        "R1": ("to be invited", 0, 0, 8, 0),
        "R2": ("invited", 0, 0, 8, 0),
        "R3": ("joined", 0, 0, 8, 0),
        "R4": ("reading", 0, 1, 8, 0),
        "R5": ("paused", 0, 0, 8, 0),
        "R6": ("wash-out", 1, 4, 8, 1),
        "R7": ("withdrawn", 0, 0, 8, 0),
    }
    assert told["R6"].opens_at is not None
    assert told["R6"].last_seen == room.now
    room.now = told["R6"].opens_at
    for _ in range(4):
        room.answer(room.show("R6"), name="R6")
    finished = progress(room.store, room.study, room.now)[5]
    assert (finished.state, finished.period, finished.done) == ("finished", None, 8)


def test_close_overdue_of_one_study_leaves_the_others(make_room: Make) -> None:
    first = make_room(design_of(training_cases=1))
    second = room_in(first.store, design_of())
    for room in (first, second):
        room.sign_in()
    key = first.show()
    second.show()
    first.wait(60)
    assert close_overdue(first.store, first.now, first.study) == 1
    assert first.page().state == "feedback"
    assert close_overdue(first.store, first.now) == 1
    assert close_overdue(first.store, first.now) == 0  # feedback that is still on the screen is not overdue
    move_on(first.store, first.tokens["R1"], key, first.now)


def test_a_study_is_closed_with_what_is_overdue_recorded(room: Room) -> None:
    room.show()
    room.wait(30)
    room.show("R2")
    room.wait(30)
    seal = close_study(room.store, room.study, room.now)
    events = read_events(room.store, room.study)
    study = [each for each in events if each.chain == -1]
    assert [each.kind for each in study] == ["created", "closed", "sealed"]
    assert study[-1].hash == seal
    assert [each.chain for each in events if each.kind == "timed out"] == [0]
