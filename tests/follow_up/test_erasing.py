"""Erased is erased, to the bytes on the disk; the history stays whole, and old back-ups are found out."""

import shutil

import pytest
from sqlalchemy import text

from cutis.follow_up import (
    AccessError,
    ChainError,
    come_back,
    erase,
    erase_again,
    find_patients,
    jpeg_of,
    lesions_of,
    opened_store,
    photographs_of,
    verify,
)


def on_disk(clinic) -> bytes:
    return b"".join(each.read_bytes() for each in clinic.store.path.iterdir())


def test_nothing_of_an_erased_patient_is_left_on_the_disk(clinic):
    other = clinic.photograph(clinic.lesion(clinic.patient("P-KEPT-1"), note="KEPT NOTE"), 5)
    patient = clinic.patient("P-GONE-77", birth_year=1961)
    lesion = clinic.lesion(patient, note="SECRET NOTE OF THE LESION")
    uid = clinic.photograph(lesion, 2)
    clinic.photograph(lesion, 3)
    jpeg = jpeg_of(clinic.store, uid)
    pieces = [jpeg[at : at + 24] for at in range(600, len(jpeg) - 24, 300)]
    before = on_disk(clinic)
    assert b"P-GONE-77" in before
    assert any(each in before for each in pieces)
    assert tuple(erase(clinic.store, patient, clinic.tick(), "K1")) == (1, 1, 2, 2)
    after = on_disk(clinic)
    assert b"P-GONE-77" not in after
    assert b"SECRET NOTE" not in after
    assert not any(each in after for each in pieces)
    assert b"KEPT NOTE" in after
    assert jpeg_of(clinic.store, other)
    found = verify(clinic.store)
    assert (found.patients, found.photographs, found.erased) == (1, 1, 6)
    with pytest.raises(AccessError):
        erase(clinic.store, patient, clinic.tick(), "K1")


def test_a_photograph_or_a_lesion_goes_by_itself(clinic):
    patient = clinic.patient()
    lesion, other = clinic.lesion(patient, "L1"), clinic.lesion(patient, "L2")
    first, second = clinic.photograph(lesion, 1), clinic.photograph(lesion, 2)
    assert tuple(erase(clinic.store, first, clinic.tick())) == (0, 0, 1, 1)
    assert [each.uid for each in photographs_of(clinic.store, lesion)] == [second]
    assert tuple(erase(clinic.store, lesion, clinic.tick())) == (0, 1, 1, 1)
    assert [each.uid for each in lesions_of(clinic.store, patient)] == [other]
    assert verify(clinic.store).patients == 1


def test_postgresql_keeps_nothing_either(postgresql_clinic):
    patient = postgresql_clinic.patient("P-GONE-77")
    postgresql_clinic.photograph(postgresql_clinic.lesion(patient))
    assert tuple(erase(postgresql_clinic.store, patient, postgresql_clinic.tick(), "K1")) == (1, 1, 1, 1)
    assert find_patients(postgresql_clinic.store)[1] == 0
    assert verify(postgresql_clinic.store).erased == 4


def test_what_an_old_back_up_brings_back_is_found_and_erased_again(clinic, tmp_path):
    patient = clinic.patient("P-9")
    clinic.photograph(clinic.lesion(patient))
    clinic.store.scrub()
    shutil.copy(clinic.store.path / "follow_up.db", tmp_path / "backup.db")
    erase(clinic.store, patient, clinic.tick(), "K1")
    assert come_back(clinic.store) == []
    clinic.store.database.close()
    for each in clinic.store.path.glob("follow_up.db*"):
        each.unlink()
    shutil.copy(tmp_path / "backup.db", clinic.store.path / "follow_up.db")
    with opened_store(clinic.store.path) as store:
        assert come_back(store) == [patient]
        assert [tuple(each) for each in erase_again(store, clinic.tick())] == [(1, 1, 1, 1)]
        assert come_back(store) == []
        verify(store)


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE follow_up_patients SET birth_year = 1970",
        "UPDATE follow_up_lesions SET note = 'other'",
        "UPDATE follow_up_photographs SET jpeg = x'00'",
        "UPDATE follow_up_photographs SET small = x'00'",
        "UPDATE follow_up_photographs SET taken_on = '2020-01-01'",
        "DELETE FROM follow_up_answers",
        "DELETE FROM follow_up_versions WHERE version = 1",
        "DROP TRIGGER follow_up_answers_kept; UPDATE follow_up_answers SET answer = '{}'",
        "DROP TRIGGER follow_up_events_kept; UPDATE follow_up_events SET person = 'X' WHERE sequence = 2",
        "DROP TRIGGER follow_up_events_not_deleted; DELETE FROM follow_up_events WHERE sequence = 2",
        "DROP TRIGGER follow_up_versions_kept; UPDATE follow_up_versions SET content = '{}'",
        "INSERT INTO follow_up_patients VALUES ('ff', 1, 'P-8', NULL, NULL, NULL, false)",
    ],
)
def test_every_change_behind_its_back_is_found(clinic, tampering):
    clinic.photograph(clinic.lesion(clinic.patient()))
    verify(clinic.store)

    def tamper(connection):
        for statement in tampering.split("; "):
            connection.execute(text(statement))

    clinic.store.write(tamper)
    with pytest.raises(ChainError):
        verify(clinic.store)


def test_the_history_holds_no_word_about_a_patient(clinic):
    patient = clinic.patient("P-4711", birth_year=1961, sex="female")
    clinic.photograph(clinic.lesion(patient, note="a word"))
    erase(clinic.store, patient, clinic.tick(), "K1")
    events = clinic.store.read(lambda connection: str(connection.execute(text("SELECT * FROM follow_up_events")).all()))
    for word in ("4711", "1961", "female", "a word", "Posterior", "melanoma", "Melanoma"):
        assert word not in events
