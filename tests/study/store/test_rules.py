"""Whatever a reader does, in whatever order and however often: the rules hold. Random walks through the store."""

from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cutis.study.design import StudyError
from cutis.study.store import (
    GRACE,
    Acknowledgement,
    answers_table,
    close_overdue,
    invite_elsewhere,
    join,
    move_on,
    open_store,
    pause,
    read_events,
    resume,
    show_next,
    verify_chain,
)

from .conftest import AIDED, UNAIDED, Room, design_of, room_in, said

ACTS = ("next", "answer", "answer", "again", "move on", "pause", "resume", "elsewhere", "overdue", "page", "stale")
DESIGNS = (
    design_of(training_cases=1, repeated_cases=1, repeat_distance=2),
    design_of(reading="sequential", arms=[UNAIDED, AIDED], ai="built-in", change_answers=True, training_cases=1),
    design_of(reading="crossover", arms=[UNAIDED, AIDED], ai="built-in", washout_days=1),
)


@pytest.fixture
def walk(sqlite_template: Path, tmp_path: Path) -> Callable[[int], Room]:
    def start(number: int) -> Room:
        path = tmp_path / "study.db"
        path.unlink(missing_ok=True)
        path.write_bytes(sqlite_template.read_bytes())
        room = room_in(open_store(path), DESIGNS[number], readers=1)
        room.sign_in()
        return room

    return start


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    number=st.integers(0, len(DESIGNS) - 1),
    steps=st.lists(
        st.tuples(st.sampled_from(ACTS), st.sampled_from([0.0, 1.0, 20.0, 46.0, 60.0, 90_000.0]), st.integers(0, 1)),
        min_size=20,
        max_size=50,
    ),
)
def test_no_walk_breaks_the_rules(
    walk: Callable[[int], Room], number: int, steps: list[tuple[str, float, int]]
) -> None:
    room = walk(number)
    keys: list[str] = []
    acknowledged: dict[str, Acknowledgement] = {}
    for act, seconds, choice in steps:
        room.wait(seconds)
        token = room.tokens["R1"]
        page = room.page()
        shown = page.case or page.feedback
        if shown is not None and shown.key not in keys:
            keys.append(shown.key)
        key = {"again": keys[-1:], "stale": keys[:1]}.get(act, [shown.key] if shown else [])
        with suppress(StudyError):  # what is refused is part of the walk
            if act == "next":
                show_next(room.store, token, room.now)
            elif act in ("answer", "again", "stale") and key:
                kept = room.answer(key[0], said(("malignant", "benign")[choice]))
                before = acknowledged.get(key[0])
                assert before is None or before == kept or (page.case and page.case.answer == before.answer)
                acknowledged[key[0]] = kept
            elif act == "move on" and key:
                move_on(room.store, token, key[0], room.now)
            elif act == "pause":
                pause(room.store, token, room.now)
            elif act == "resume":
                resume(room.store, token, room.now)
            elif act == "elsewhere":
                room.tokens["R1"] = join(room.store, invite_elsewhere(room.store, token, room.now), room.now)
            elif act == "overdue":
                close_overdue(room.store, room.now)
    verify_chain(room.store, room.study)
    table = answers_table(room.store, room.study)
    rows = list(table.iter_rows(named=True))
    assert [(each["position"], each["step"]) for each in rows] == sorted(
        (each["position"], each["step"]) for each in rows
    )
    assert all(each["outcome"] is not None for each in rows[:-1])
    for row in rows:
        if row["outcome"] == "answered":
            assert row["shown_at"] <= row["answered_at"] <= row["due_at"] + GRACE
    for earlier, later in pairwise(rows):
        assert earlier["shown_at"] <= later["shown_at"]
        if later["period"] > earlier["period"]:
            assert (later["shown_at"] - earlier["shown_at"]).total_seconds() >= 86_400
    kept_answers = [each["choices"] for each in rows if each["outcome"] == "answered"]
    said_answers = [each.answer.choices[0] for each in acknowledged.values() if each.answer]
    assert kept_answers == said_answers
    events = [each.kind for each in read_events(room.store, room.study)]
    assert events.count("shown") == len(rows)
    assert events.count("answered") == len(kept_answers)
    room.store.close()
