"""The database of reader studies."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, select

from cutis.database import Database, Schema
from cutis.study.design import StudyDesign
from cutis.study.store.errors import StoreError
from cutis.study.store.group_commit import GroupCommit
from cutis.study.store.models import Study

T = TypeVar("T")

SCHEMA = Schema(keeps="a study", migrations=Path(__file__).parent / "migrations", error=StoreError)


class Store(Database):
    """An open database of reader studies; to be shared by all threads of a process. Made by :func:`open_store`."""

    def __init__(self, url: str | Path) -> None:
        super().__init__(url, SCHEMA)
        self._group = GroupCommit(self._engine) if self._engine.dialect.name == "sqlite" else None
        self._designs: dict[int, StudyDesign] = {}
        self._designs_lock = threading.Lock()

    def _transact(self, work: Callable[[Connection], T]) -> T:
        return super()._transact(work) if self._group is None else self._group.write(work)

    def design(self, connection: Connection, study_id: int) -> StudyDesign:
        """A study's design; it never changes, so it is read once.

        Raises:
            StoreError: there is no such study.
        """
        known = self._designs.get(study_id)
        if known is not None:
            return known
        fields = connection.execute(select(Study.design).where(Study.id == study_id)).scalar_one_or_none()
        if fields is None:
            raise StoreError(f"there is no study {study_id}", where=self.name, fix="List the studies.")
        with self._designs_lock:
            return self._designs.setdefault(study_id, StudyDesign.model_validate(fields))


def open_store(url: str | Path) -> Store:
    """Open a database; make its tables, or bring them up to date, where that is needed.

    Args:
        url: a file (``study.db``), ``sqlite:///study.db`` or ``postgresql://user:password@host/database``.

    Raises:
        StoreError: it cannot be opened, or was made by a newer cutis.
    """
    return Store(url)
