"""Many readers at once, many tabs of one, and a process killed in the middle, on both databases."""

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from cutis.study.store import (
    AnswerKeptError,
    answers_table,
    close_study,
    open_store,
    read_events,
    show_next,
    verify_chain,
)

from .conftest import Room, design_of, said

Make = Callable[..., Room]


def together(works: list[Callable[[], None]]) -> list[BaseException]:
    """Run all at the same moment, each in a thread; returns what they raised."""
    errors: list[BaseException] = []
    start = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        start.wait()
        try:
            work()
        except Exception as error:  # noqa: BLE001 - told to the test
            errors.append(error)

    threads = [threading.Thread(target=run, args=(each,)) for each in works]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return errors


def test_fifty_readers_at_once_lose_nothing_and_double_nothing(make_room: Make) -> None:
    cases = [{"node": "malignant-melanoma", "number": 3}, {"node": "nevus", "number": 2}]
    room = make_room(design_of(cases=cases), readers=50)
    for name in room.readers:
        room.sign_in(name)
    acknowledged: dict[str, list[tuple[str, int]]] = {name: [] for name in room.readers}

    def read(name: str, seed: int) -> None:
        for number in range(5):
            key = room.show(name)
            confidence = (seed * 7 + number) % 101
            assert room.answer(key, said(confidence=confidence), name).outcome == "answered"
            acknowledged[name].append((key, confidence))

    errors = together([lambda n=name, s=seed: read(n, s) for seed, name in enumerate(room.readers)])  # type: ignore[misc]
    assert errors == []
    table = answers_table(room.store, room.study)
    kept = {
        name: [int(each) for each in rows["confidence"]]
        for (name,), rows in table.group_by("reader", maintain_order=True)
    }
    assert kept == {name: [confidence for _, confidence in each] for name, each in acknowledged.items()}
    counts = Counter(each.kind for each in read_events(room.store, room.study))
    assert (counts["shown"], counts["answered"], counts["finished"]) == (250, 250, 50)
    verify_chain(room.store, room.study)


def test_of_different_answers_from_many_tabs_one_is_kept_and_told_to_all(room: Room) -> None:
    key = room.show()
    kept: list[int] = []

    def tab(confidence: int) -> None:
        try:
            acknowledged = room.answer(key, said(confidence=confidence)).answer
        except AnswerKeptError as refused:
            acknowledged = refused.kept
        assert acknowledged is not None
        kept.append(int(str(acknowledged.confidence)))

    assert together([lambda each=number % 4: tab(each) for number in range(12)]) == []  # type: ignore[misc]
    assert len(kept) == 12
    assert len(set(kept)) == 1
    assert [each.kind for each in read_events(room.store, room.study)].count("answered") == 1
    verify_chain(room.store, room.study)


def test_next_clicked_in_many_tabs_shows_one_case(room: Room) -> None:
    assert together([lambda: show_next(room.store, room.tokens["R1"], room.now)] * 12) == []
    assert [each.kind for each in read_events(room.store, room.study)].count("shown") == 1


def test_a_study_closed_while_readers_answer_seals_all_that_was_acknowledged(make_room: Make) -> None:
    room = make_room(readers=12)
    keys = {}
    for name in room.readers:
        room.sign_in(name)
        keys[name] = room.show(name)
    acknowledged: list[str] = []

    def read(name: str) -> None:
        if room.answer(keys[name], name=name).outcome == "answered":
            acknowledged.append(name)

    works: list[Callable[[], None]] = [lambda n=name: read(n) for name in room.readers]  # type: ignore[misc]
    works.insert(6, lambda: (close_study(room.store, room.study, room.now), None)[1])
    errors = together(works)
    assert all("closed" in str(each) for each in errors)
    assert len(errors) + len(acknowledged) == 12
    table = answers_table(room.store, room.study)
    assert sorted(table.filter(table["outcome"] == "answered")["reader"]) == sorted(acknowledged)
    events = read_events(room.store, room.study)
    ends = {each.chain: each.sequence for each in events}
    sealed = {chain: sequence for chain, sequence, _ in events[2].details["chains"]}
    assert sealed == {chain: end for chain, end in ends.items() if chain >= 0}  # nothing came after the seal
    verify_chain(room.store, room.study)


READER = """
import sys
from datetime import UTC, datetime, timedelta
from cutis.study.answers import Answer
from cutis.study.store import answer, open_store, show_next, shown_now

store = open_store(sys.argv[1])
print("open", flush=True)
for number in range(400):
    now = datetime(2031, 3, 1, 10, tzinfo=UTC) + timedelta(seconds=number)
    show_next(store, sys.argv[2], now)
    key = shown_now(store, sys.argv[2], now).case.key
    kept = answer(store, sys.argv[2], key, Answer(choices=("malignant",), confidence=number % 101), now)
    print(kept.key, kept.answer.confidence, flush=True)
"""


def test_every_acknowledged_answer_outlives_a_killed_process(make_room: Make, database: str, tmp_path: Path) -> None:
    cases = [{"node": "malignant-melanoma", "number": 200}, {"node": "nevus", "number": 200}]
    room = make_room(design_of(cases=cases), readers=1)
    token = room.sign_in()
    script = tmp_path / "reader.py"
    script.write_text(READER)
    with subprocess.Popen(
        [sys.executable, str(script), database, token], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if len(lines) == 20:
                time.sleep(0.013)
                process.send_signal(signal.SIGKILL)
                break
        lines += process.stdout.readlines()
        assert process.wait(30) == -signal.SIGKILL, process.stderr.read()
    again = open_store(database)
    table = answers_table(again, room.study)
    answered = table.filter(table["outcome"] == "answered")
    acknowledged = [line.split() for line in lines[1:] if line.endswith("\n")]
    assert len(acknowledged) >= 19
    kept = [int(each) for each in answered["confidence"]]
    assert kept[: len(acknowledged)] == [int(confidence) for _, confidence in acknowledged]
    assert len(kept) <= len(acknowledged) + 1  # one more may be on the disk without having been told
    verify_chain(again, room.study)
    again.close()
