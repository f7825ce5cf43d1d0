"""Transactions that share a commit on SQLite are still each for themselves."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text

from cutis.study.store.group_commit import GroupCommit


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_engine(f"sqlite:///{tmp_path / 'group.db'}", connect_args={"check_same_thread": False})

    @event.listens_for(made, "connect")
    def connect(connection: object, _record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with made.begin() as connection:
        connection.execute(text("CREATE TABLE numbers (number INTEGER PRIMARY KEY)"))
    yield made
    made.dispose()


def numbers(engine: Engine) -> list[int]:
    with engine.begin() as connection:
        return list(connection.execute(text("SELECT number FROM numbers ORDER BY number")).scalars())


def insert(connection: Connection, number: int) -> int:
    connection.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})
    if number % 10 == 3:
        raise ValueError(f"{number} is refused")
    return number


def in_one_group(group: GroupCommit, engine: Engine, several: range) -> dict[int, object]:
    """Starts a thread each while the first transaction holds the turn, so that the others wait together."""
    outcomes: dict[int, object] = {}
    entered, release = threading.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        entered.set()
        release.wait(10)

    def one(number: int) -> None:
        try:
            outcomes[number] = group.write(lambda connection: insert(connection, number))
        except Exception as error:  # noqa: BLE001 - the outcome
            outcomes[number] = error

    threads = [threading.Thread(target=lambda: group.write(hold))]
    threads[0].start()
    entered.wait(10)
    threads += [threading.Thread(target=one, args=(number,)) for number in several]
    for each in threads[1:]:
        each.start()
    while len(group._waiting) < len(several):
        threading.Event().wait(0.01)
    release.set()
    for each in threads:
        each.join(30)
    return outcomes


def test_one_that_fails_is_undone_alone(engine: Engine) -> None:
    commits: list[int] = []
    event.listen(engine, "commit", lambda _connection: commits.append(1))
    outcomes = in_one_group(GroupCommit(engine), engine, range(40))
    assert {number for number, each in outcomes.items() if each == number} == {n for n in range(40) if n % 10 != 3}
    assert all(str(outcomes[number]) == f"{number} is refused" for number in (3, 13, 23, 33))
    assert numbers(engine) == [number for number in range(40) if number % 10 != 3]
    assert len(commits) <= 3  # the one that held the turn, the forty together, and the look at the table


def test_when_the_commit_fails_nobody_is_told_otherwise(engine: Engine) -> None:
    group = GroupCommit(engine)
    failing = [False, True]

    def fail(_connection: Connection) -> None:
        if failing and failing.pop(0):
            raise OSError("the disk is full")

    event.listen(engine, "commit", fail)
    outcomes = in_one_group(group, engine, range(10, 13))
    assert [str(each) for each in outcomes.values()] == ["the disk is full"] * 3
    assert numbers(engine) == []
    assert group.write(lambda connection: insert(connection, 1)) == 1  # and it goes on
    assert numbers(engine) == [1]
