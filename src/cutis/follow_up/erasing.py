"""Erasing a photograph, a lesion or a patient: rows and pixels go for good, the history stays whole.

Rows are deleted and overwritten with zeros, and the database's own log is emptied. What has been copied before
(back-ups) is not reached: a list of what was erased lies beside the database, so that it can be erased again after an
older back-up was put back.
"""

import os
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, select

from cutis.follow_up.errors import AccessError, FollowUpError
from cutis.follow_up.events import Log
from cutis.follow_up.store import ERASED, Store
from cutis.follow_up.tables import AnswerRow, LesionRow, PatientRow, PhotographRow, VersionRow


class Erased(NamedTuple):
    """What was erased: how many of each."""

    patients: int
    lesions: int
    photographs: int
    answers: int


class _Subjects(NamedTuple):
    patients: list[str]
    lesions: list[str]
    photographs: list[str]
    answers: list[str]

    @property
    def all(self) -> list[str]:
        return sorted([*self.patients, *self.lesions, *self.photographs, *self.answers])


def erase(store: Store, uid: str, now: datetime, by: str | None = None) -> Erased:
    """Erase a patient, a lesion or a photograph with all that belongs to it.

    Raises:
        AccessError: there is none of this id.
        StoreError: erased, but traces may still lie on the disk; what to do is told.
    """
    # First of all into the list: what is erased can then be told from what an old back-up brought back.
    if not any(store.read(lambda connection: _subjects(connection, uid))):
        raise AccessError("there is nothing of this id", fix="It may have been erased already.")
    _note(store, uid)

    def work(connection: Connection) -> Erased:
        log = Log(connection, now, by)
        found = _subjects(connection, uid)
        if not any(found):
            raise AccessError("there is nothing of this id", fix="It was erased meanwhile.")
        for table, uids in ((AnswerRow, found.answers), (PhotographRow, found.photographs),
                            (LesionRow, found.lesions), (PatientRow, found.patients)):  # fmt: skip
            for each in uids:
                connection.execute(delete(table).where(table.uid == each))
        for each in found.all:
            connection.execute(delete(VersionRow).where(VersionRow.subject == each))
        log.append("erased", {"subjects": found.all}, subject=uid)
        return Erased(*(len(each) for each in found))

    erased = store.write(work)
    store.scrub()
    return erased


def come_back(store: Store) -> list[str]:
    """Ids of what was erased and is there all the same: an older back-up was put back.

    Raises:
        FollowUpError: the list of what was erased cannot be read.
    """
    listed = _listed(store)
    return store.read(lambda connection: [each for each in listed if any(_subjects(connection, each))])


def erase_again(store: Store, now: datetime, by: str | None = None) -> list[Erased]:
    """Erase what an older back-up brought back, and clear the disk of traces."""
    erased = []
    for uid in come_back(store):
        if any(store.read(lambda connection, uid=uid: _subjects(connection, uid))):  # type: ignore[misc]
            erased.append(erase(store, uid, now, by))
    store.scrub()
    return erased


def _subjects(connection: Connection, uid: str) -> _Subjects:
    """What belongs to an id, whichever kind it is of."""
    patients = list(connection.execute(select(PatientRow.uid).where(PatientRow.uid == uid)).scalars())
    lesions = list(
        connection.execute(
            select(LesionRow.uid).where((LesionRow.uid == uid) | LesionRow.patient_uid.in_(patients))
        ).scalars()
    )
    photographs = list(
        connection.execute(
            select(PhotographRow.uid).where((PhotographRow.uid == uid) | PhotographRow.lesion_uid.in_(lesions))
        ).scalars()
    )
    answers = list(connection.execute(select(AnswerRow.uid).where(AnswerRow.photograph_uid.in_(photographs))).scalars())
    return _Subjects(patients, lesions, photographs, answers)


def _note(store: Store, uid: str) -> None:
    try:
        with (store.path / ERASED).open("a", encoding="ascii") as file:
            file.write(f"{uid}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise FollowUpError(
            f"cannot be written ({error.strerror or error}); nothing was erased",
            where=str(store.path / ERASED),
            fix="Check its permissions and the disk's space.",
        ) from error


def _listed(store: Store) -> list[str]:
    try:
        lines = (store.path / ERASED).read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError) as error:
        raise FollowUpError(
            "cannot be read: what was erased cannot be told from what a back-up brought back",
            where=str(store.path / ERASED),
            fix="Put back its newest copy; an empty file says that nothing was ever erased.",
        ) from error
    return list(dict.fromkeys(lines))
