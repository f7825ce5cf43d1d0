"""Many small transactions in one commit: what makes SQLite keep up with readers who answer at once.

A durable commit costs a write to the disk (fsync) of some milliseconds, and SQLite takes one writer at a time: 200
answers at once would wait for 200 of them. Here those who wait while a commit runs are then carried out together,
each within a savepoint of its own, and share the next commit. None is acknowledged before that commit is on the disk.
(PostgreSQL does the same by itself.)
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

T = TypeVar("T")

MOST_AT_ONCE = 50
"""Transactions a commit: bounds how long the first of them waits for the last."""


class _Ticket:
    """One piece of work, and what came of it."""

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = False


class GroupCommit:
    """Carries out work on one engine; to be shared by all threads of a process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: deque[_Ticket] = deque()
        self._turn = threading.Lock()

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do the work in a transaction; when this returns, it is committed.

        Raises:
            Exception: what the work raised (it is then undone, alone), or why the commit failed.
        """
        ticket = _Ticket(work)
        self._waiting.append(ticket)
        with self._turn:  # whoever has the turn does the work of all who wait
            while not ticket.done:
                self._carry_out([self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))])
        if ticket.error is not None:
            raise ticket.error
        result: T = ticket.result
        return result

    def _carry_out(self, tickets: list[_Ticket]) -> None:
        try:
            with self._engine.begin() as connection:
                for ticket in tickets:
                    self._one(connection, ticket)
        except BaseException as error:
            for ticket in tickets:  # the commit failed: nothing of it is kept, whatever the work said
                ticket.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            for ticket in tickets:
                ticket.done = True

    @staticmethod
    def _one(connection: Connection, ticket: _Ticket) -> None:
        savepoint = connection.begin_nested()
        try:
            ticket.result = ticket.work(connection)
        except Exception as error:  # noqa: BLE001 - handed to the thread that asked for the work
            savepoint.rollback()
            ticket.error = error
        else:
            savepoint.commit()
