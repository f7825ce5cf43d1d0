"""What is exported is what happened."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from cutis.study.readings import ReadingsError
from cutis.study.store import (
    Store,
    StoreError,
    answered_steps,
    answers_table,
    study_readings,
    withdraw_reader,
    write_answers,
)

from .conftest import AIDED, UNAIDED, Room, design_of, said

Make = Callable[..., Room]


def truth_of(room: Room, name: str = "R1") -> str:
    """The truth of the case before a reader, which only the exports tell."""
    shown = answers_table(room.store, room.study).filter(pl.col("reader") == name)
    return str(shown["truth"][-1])


def test_the_csv_holds_every_step_with_its_times(make_room: Make, tmp_path: Path) -> None:
    room = make_room(design_of(training_cases=0, seconds_per_case=30))
    room.sign_in()
    key = room.show()
    room.wait(12.345678)
    room.answer(key, said("malignant", 100))
    room.show()
    room.wait(33)
    room.show()
    write_answers(room.store, room.study, tmp_path / "answers.csv")
    written = pl.read_csv(tmp_path / "answers.csv")
    assert written.columns == answers_table(room.store, room.study).columns
    assert written["outcome"].to_list() == ["answered", "timed out", None]
    assert written["shown_at"][0] == "2031-03-01T09:00:00.000000Z"
    assert written["due_at"][0] == "2031-03-01T09:00:30.000000Z"
    assert written["answered_at"].to_list() == ["2031-03-01T09:00:12.345678Z", None, None]
    assert written["seconds"].to_list() == [12.345678, None, None]
    assert written["confidence"].to_list() == [100, None, None]
    assert set(written["truth"]) <= {"malignant-melanoma", "nevus"}
    right = {"malignant-melanoma": "malignant", "nevus": "benign"}
    assert written["right_choice"].to_list() == [right[each] for each in written["truth"]]


def test_readings_are_the_answers_in_time_of_the_readers_who_stayed(make_room: Make) -> None:
    room = make_room(design_of(repeated_cases=1, repeat_distance=2), readers=3)
    expected = []
    for reader, name in enumerate(("R1", "R2", "R3")):
        room.sign_in(name)
        for number in range(5):
            key = room.show(name)
            if (reader, number) == (1, 0):
                room.wait(60)  # R2's first case times out
                continue
            ill = truth_of(room, name) == "malignant-melanoma"
            room.answer(key, said("malignant" if ill else "benign", 10 * number), name)
        rows = answers_table(room.store, room.study).filter(pl.col("reader") == name, pl.col("part") == "main")
        expected += [
            (name, "unaided", row["case"], row["truth"] == "malignant-melanoma")
            for row in rows.iter_rows(named=True)
            if row["outcome"] == "answered"
        ]
    withdraw_reader(room.store, room.readers["R3"].id, room.now)
    readings = study_readings(room.store, room.study).frame
    kept = readings.select("reader", "modality", "case", "truth").rows()
    assert sorted(kept) == sorted(each for each in expected if each[0] != "R3")
    assert ((readings["rating"] > 0) == readings["truth"]).all()  # everybody was right
    assert "R3" in study_readings(room.store, room.study, withdrawn=True).readers
    assert study_readings(room.store, room.study, measured="correct").frame["rating"].is_in([0.0, 1.0]).all()
    cases, steps = answered_steps(room.store, room.study)
    assert (len(cases), len(steps)) == (4, 10)
    assert [each.part for each in steps].count("repeat") == 2


def test_each_arm_of_a_sequential_study_is_a_modality(make_room: Make) -> None:
    room = make_room(design_of(reading="sequential", arms=[UNAIDED, AIDED], ai="built-in", training_cases=0))
    room.sign_in()
    for number in range(8):
        room.answer(room.show(), said("malignant" if number % 2 else "benign"))
    readings = study_readings(room.store, room.study)
    assert readings.modalities == ["aided", "unaided"]
    assert readings.frame.filter(pl.col("modality") == "aided")["rating"].to_list() == [81.0] * 4
    assert readings.frame.filter(pl.col("modality") == "unaided")["rating"].to_list() == [-81.0] * 4


def test_a_study_without_answers_has_an_empty_table_and_no_readings(room: Room, store: Store) -> None:
    assert answers_table(room.store, room.study).is_empty()
    with pytest.raises(ReadingsError, match="no read"):
        study_readings(room.store, room.study)
    with pytest.raises(StoreError, match="there is no study 9"):
        answers_table(store, 9)
