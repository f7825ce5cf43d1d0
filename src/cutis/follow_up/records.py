"""Patients and their lesions: added, changed, found."""

import re
import secrets
from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, Select, func, insert, select, update

from cutis.database import AnyRow
from cutis.follow_up.content import LesionFacts, PatientFacts
from cutis.follow_up.errors import AccessError, ConflictError, FollowUpError
from cutis.follow_up.events import Log
from cutis.follow_up.kept import lesion_content, patient_content
from cutis.follow_up.store import Store
from cutis.follow_up.tables import LesionRow, PatientRow, PhotographRow


class Patient(NamedTuple):
    """A patient as kept. ``version``: to be given back when it is changed."""

    uid: str
    version: int
    facts: PatientFacts


class ListedPatient(NamedTuple):
    """A patient in a list. ``newest``: when the newest photograph was taken."""

    uid: str
    number: str
    lesions: int
    photographs: int
    newest: date | None


class Lesion(NamedTuple):
    """A lesion as kept, with how many photographs it has and when the newest was taken."""

    uid: str
    patient: str
    version: int
    facts: LesionFacts
    photographs: int
    newest: date | None


def add_patient(store: Store, facts: PatientFacts, now: datetime, by: str | None = None) -> str:
    """Add a patient.

    Returns:
        The patient's ``uid``: random, and all that the history knows.

    Raises:
        FollowUpError: the number is taken.
    """
    uid = secrets.token_hex(16)

    def work(connection: Connection) -> None:
        log = Log(connection, now, by)
        _check_number(connection, facts.number, uid)
        connection.execute(insert(PatientRow), {"uid": uid, "version": 1, **facts.model_dump()})
        log.keep("patient added", uid, patient_content(facts))

    store.write(work)
    return uid


def change_patient(
    store: Store, uid: str, facts: PatientFacts, now: datetime, *, version: int, by: str | None = None
) -> None:
    """Change what is kept of a patient; nothing happens where nothing is other.

    Raises:
        AccessError: there is no such patient.
        ConflictError: another version than ``version`` stands by now.
        FollowUpError: the number is taken.
    """

    def work(connection: Connection) -> None:
        log = Log(connection, now, by)
        stands = _patient(_one(connection, _PATIENTS.where(PatientRow.uid == uid), "patient"))
        _check_version(stands.version, version)
        if stands.facts == facts:
            return
        _check_number(connection, facts.number, uid)
        kept = log.keep("patient changed", uid, patient_content(facts))
        connection.execute(update(PatientRow).where(PatientRow.uid == uid).values(version=kept, **facts.model_dump()))

    store.write(work)


def patient_of(store: Store, uid: str) -> Patient:
    """A patient.

    Raises:
        AccessError: there is none of this id.
    """
    return _patient(store.read(lambda connection: _one(connection, _PATIENTS.where(PatientRow.uid == uid), "patient")))


def find_patients(store: Store, number: str = "", most: int = 50) -> tuple[list[ListedPatient], int]:
    """Patients whose number holds what was typed, the last photographed first; and how many there are in all.

    Args:
        store: open.
        number: any part of it; case does not matter. Empty for all.
        most: how many at most.
    """
    fits = func.lower(PatientRow.number).contains(number.strip().lower(), autoescape=True)
    newest = func.max(PhotographRow.taken_on)
    query = (
        select(
            PatientRow.uid,
            PatientRow.number,
            func.count(LesionRow.uid.distinct()).label("lesions"),
            func.count(PhotographRow.uid).label("photographs"),
            newest.label("newest"),
        )
        .outerjoin(LesionRow, LesionRow.patient_uid == PatientRow.uid)
        .outerjoin(PhotographRow, PhotographRow.lesion_uid == LesionRow.uid)
        .where(fits)
        .group_by(PatientRow.uid, PatientRow.number)
        .order_by(newest.desc().nulls_last(), PatientRow.number)
        .limit(most)
    )

    def work(connection: Connection) -> tuple[list[ListedPatient], int]:
        total = connection.execute(select(func.count()).select_from(PatientRow).where(fits)).scalar_one()
        return [ListedPatient(*row) for row in connection.execute(query)], total

    return store.read(work)


def add_lesion(store: Store, patient: str, facts: LesionFacts, now: datetime, by: str | None = None) -> str:
    """Add a lesion to a patient.

    Returns:
        Its ``uid``.

    Raises:
        AccessError: there is no such patient.
        FollowUpError: the patient has a lesion of this label.
    """
    uid = secrets.token_hex(16)

    def work(connection: Connection) -> None:
        log = Log(connection, now, by)
        _one(connection, _PATIENTS.where(PatientRow.uid == patient), "patient")
        _check_label(connection, patient, facts.label, uid)
        connection.execute(insert(LesionRow), {"uid": uid, "patient_uid": patient, "version": 1, **facts.model_dump()})
        log.keep("lesion added", uid, lesion_content(patient, facts))

    store.write(work)
    return uid


def change_lesion(
    store: Store, uid: str, facts: LesionFacts, now: datetime, *, version: int, by: str | None = None
) -> None:
    """Change what is kept of a lesion; nothing happens where nothing is other.

    Raises:
        AccessError: there is no such lesion.
        ConflictError: another version than ``version`` stands by now.
        FollowUpError: the patient has another lesion of this label.
    """

    def work(connection: Connection) -> None:
        log = Log(connection, now, by)
        stands = _lesion(_one(connection, _lesions().where(LesionRow.uid == uid), "lesion"))
        _check_version(stands.version, version)
        if stands.facts == facts:
            return
        _check_label(connection, stands.patient, facts.label, uid)
        kept = log.keep("lesion changed", uid, lesion_content(stands.patient, facts))
        connection.execute(update(LesionRow).where(LesionRow.uid == uid).values(version=kept, **facts.model_dump()))

    store.write(work)


def lesion_of(store: Store, uid: str) -> Lesion:
    """A lesion.

    Raises:
        AccessError: there is none of this id.
    """
    return _lesion(store.read(lambda connection: _one(connection, _lesions().where(LesionRow.uid == uid), "lesion")))


def lesions_of(store: Store, patient: str) -> list[Lesion]:
    """A patient's lesions, by label: L2 before L10."""
    query = _lesions().where(LesionRow.patient_uid == patient)
    found = store.read(lambda connection: [_lesion(row) for row in connection.execute(query)])
    return sorted(found, key=lambda each: _natural(each.facts.label))


def next_label(lesions: Sequence[Lesion]) -> str:
    """A label that none of a patient's lesions has: L and a number."""
    taken = {each.facts.label for each in lesions}
    return next(label for n in range(1, len(taken) + 2) if (label := f"L{n}") not in taken)


_PATIENTS = select(
    PatientRow.uid,
    PatientRow.version,
    PatientRow.number,
    PatientRow.birth_year,
    PatientRow.sex,
    PatientRow.skin_type,
    PatientRow.research,
)


def _lesions() -> Select[*tuple[object, ...]]:
    mine = PhotographRow.lesion_uid == LesionRow.uid
    return select(
        *(getattr(LesionRow, name) for name in ("uid", "patient_uid", "version", *LesionFacts.model_fields)),
        select(func.count()).where(mine).correlate(LesionRow).scalar_subquery().label("photographs"),
        select(func.max(PhotographRow.taken_on)).where(mine).correlate(LesionRow).scalar_subquery().label("newest"),
    )


def _one(connection: Connection, query: Select[*tuple[object, ...]], what: str) -> AnyRow:
    row = connection.execute(query).one_or_none()
    if row is None:
        raise AccessError(f"there is no such {what}", fix="It may have been erased.")
    return row


def _patient(row: AnyRow) -> Patient:
    facts = {name: getattr(row, name) for name in PatientFacts.model_fields}
    return Patient(row.uid, row.version, PatientFacts.model_construct(**facts))


def _lesion(row: AnyRow) -> Lesion:
    facts = {name: getattr(row, name) for name in LesionFacts.model_fields}
    return Lesion(
        row.uid, row.patient_uid, row.version, LesionFacts.model_construct(**facts), row.photographs, row.newest
    )


def _check_number(connection: Connection, number: str, uid: str) -> None:
    same = select(PatientRow.uid).where(func.lower(PatientRow.number) == number.lower(), PatientRow.uid != uid)
    if connection.execute(same).first() is not None:
        raise FollowUpError(f"there is a patient {number} already", fix="Look them up, or take another number.")


def _check_label(connection: Connection, patient: str, label: str, uid: str) -> None:
    same = select(LesionRow.uid).where(
        LesionRow.patient_uid == patient, func.lower(LesionRow.label) == label.lower(), LesionRow.uid != uid
    )
    if connection.execute(same).first() is not None:
        raise FollowUpError(f"the patient has a lesion {label} already", fix="Take another label.")


def _check_version(stands: int, given: int) -> None:
    if stands != given:
        raise ConflictError(
            "somebody has saved since this page was opened", fix="Nothing was changed; look again and repeat it."
        )


def _natural(label: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part.lower()) for part in re.split(r"(\d+)", label) if part]
