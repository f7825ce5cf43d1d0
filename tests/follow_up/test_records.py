"""Patients, lesions and photographs: kept, changed, found, refused."""

import io
from datetime import date, timedelta

import numpy as np
import pytest
from PIL import Image

from cutis.follow_up import (
    AccessError,
    ConflictError,
    FollowUpError,
    LesionFacts,
    PatientFacts,
    PhotographFacts,
    add_answer,
    change_lesion,
    change_patient,
    change_photograph,
    checked_facts,
    find_patients,
    jpeg_of,
    kept_picture,
    lesion_of,
    lesions_of,
    next_label,
    patient_history,
    patient_of,
    photograph_of,
    photographs_of,
    pixels_of,
    verify,
)

from .conftest import GIVEN, MODEL, START, answer, pixels


@pytest.mark.parametrize("kind", ["clinic", "postgresql_clinic"])
def test_what_is_kept_comes_back_and_the_history_tells_of_it(kind, request):
    room = request.getfixturevalue(kind)
    patient = room.patient("P-0017", birth_year=1961, sex="female", skin_type="II", research=True)
    lesion = room.lesion(patient, note="Seen in spring.\nItches.")
    first = room.photograph(lesion, 1, date(2030, 5, 1))
    second = room.photograph(lesion, 2, date(2031, 1, 5), answer=answer(0.75))
    assert patient_of(room.store, patient).facts == PatientFacts(
        number="P-0017", birth_year=1961, sex="female", skin_type="II", research=True
    )
    kept = lesion_of(room.store, lesion)
    assert (kept.facts.site, kept.photographs, kept.newest) == ("Trunk:Posterior trunk", 2, date(2031, 1, 5))
    assert [each.uid for each in photographs_of(room.store, lesion)] == [second, first]
    newest = photographs_of(room.store, lesion)[0]
    assert newest.answers[0].answer == answer(0.75)
    assert (newest.answers[0].model, newest.answers[0].given) == (MODEL, GIVEN)
    facts = lesion_of(room.store, lesion).facts
    changed = checked_facts(LesionFacts, {**facts.model_dump(), "status": "removed", "node": "nevus"})
    change_lesion(room.store, lesion, changed, room.tick(), version=1, by="R2")
    assert lesion_of(room.store, lesion).facts.node == "nevus"
    told = patient_history(room.store, patient)
    assert [each.kind for each in told] == [
        "lesion changed", "photograph added", "photograph added", "lesion added", "patient added",
    ]  # fmt: skip
    assert (told[0].person, told[0].what, told[0].fields) == ("R2", "L1", ("node", "status"))
    assert find_patients(room.store, "0017")[0][0].photographs == 2
    assert find_patients(room.store, "%")[1] == 0
    assert verify(room.store).photographs == 2


def test_a_number_that_looks_like_a_name_and_other_faults_are_refused_together(clinic):
    with pytest.raises(FollowUpError, match="never a name"):
        checked_facts(PatientFacts, {"number": "Anna Smith"})
    with pytest.raises(FollowUpError, match=r"birth year.*sex.*skin type"):
        checked_facts(PatientFacts, {"number": "1", "birth_year": 12, "sex": "x", "skin_type": "IX"})
    place = {"label": "L1", "side": "back", "across": 1, "down": 1, "site": "back"}
    for wrong in (
        {"across": 1001}, {"side": "top"}, {"site": "the moon"}, {"label": "<b>"}, {"note": "\x00"},
        {"note": "a" * 2001}, {"node": "nevus"}, {"status": "removed", "node": "no-such"},
    ):  # fmt: skip
        with pytest.raises(FollowUpError):
            checked_facts(LesionFacts, {**place, **wrong})
    patient = clinic.patient("P-1")
    clinic.lesion(patient, "L1")
    with pytest.raises(FollowUpError, match="already"):
        clinic.patient("p-1")
    with pytest.raises(FollowUpError, match="already"):
        clinic.lesion(patient, "l1")
    with pytest.raises(AccessError):
        clinic.lesion("0" * 32)
    assert find_patients(clinic.store)[1] == 1


def test_two_who_change_the_same_do_not_overwrite_each_other(clinic):
    patient = clinic.patient("P-1")
    change_patient(clinic.store, patient, PatientFacts(number="P-2"), clinic.tick(), version=1)
    with pytest.raises(ConflictError):
        change_patient(clinic.store, patient, PatientFacts(number="P-3"), clinic.tick(), version=1)
    assert patient_of(clinic.store, patient).facts.number == "P-2"
    before = verify(clinic.store).events
    change_patient(clinic.store, patient, PatientFacts(number="P-2"), clinic.tick(), version=2)
    assert verify(clinic.store).events == before  # nothing was other


def test_labels_go_on_and_are_in_their_order(clinic):
    patient = clinic.patient()
    for label in ("L10", "L2", "L1"):
        clinic.lesion(patient, label)
    lesions = lesions_of(clinic.store, patient)
    assert [each.facts.label for each in lesions] == ["L1", "L2", "L10"]
    assert next_label(lesions) == "L3"


def test_a_kept_photograph_is_pixels_and_nothing_else(clinic):
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "SECRET of the camera"
    Image.fromarray(pixels()).save(out, "JPEG", exif=exif)
    with Image.open(out) as sent:
        kept = kept_picture(np.asarray(sent))
    assert b"SECRET" not in kept.jpeg
    with Image.open(io.BytesIO(kept.jpeg)) as image:
        assert not dict(image.getexif())
    large = kept_picture(np.zeros((30, 5000, 3), np.uint8))
    assert large.pixels.shape == (25, 4096, 3)
    uid = clinic.photograph(clinic.lesion(clinic.patient()), 1)
    np.testing.assert_array_equal(pixels_of(clinic.store, uid), kept_picture(pixels(1)).pixels)
    assert len(jpeg_of(clinic.store, uid, small=True)) > 100


def test_a_photograph_is_not_kept_twice_nor_from_the_future_nor_from_before_birth(clinic):
    patient = clinic.patient(birth_year=2000)
    lesion = clinic.lesion(patient)
    uid = clinic.photograph(lesion, 1)
    with pytest.raises(FollowUpError, match="this very photograph already"):
        clinic.photograph(lesion, 1)
    with pytest.raises(FollowUpError, match="future"):
        clinic.photograph(lesion, 2, START.date() + timedelta(days=3))
    with pytest.raises(FollowUpError, match="born"):
        clinic.photograph(lesion, 2, date(1999, 1, 1))
    facts = PhotographFacts(taken_on=date(2030, 7, 7), image_type="clinical: close-up")
    change_photograph(clinic.store, uid, facts, clinic.tick(), version=1, by="R1")
    assert photograph_of(clinic.store, uid).facts == facts
    with pytest.raises(ConflictError):
        change_photograph(clinic.store, uid, facts, clinic.tick(), version=1, by="R1")
    assert verify(clinic.store).photographs == 1


def test_another_models_answer_stands_beside_the_first(clinic):
    uid = clinic.photograph(clinic.lesion(clinic.patient()))
    other = MODEL._replace(weights_sha256="b" * 64)
    add_answer(clinic.store, uid, clinic.tick(), by="R1", model=other, given=GIVEN, answer=answer(0.5))
    kept = photograph_of(clinic.store, uid).answers
    assert [(each.model.weights_sha256[0], each.answer.malignant) for each in kept] == [("a", 0.25), ("b", 0.5)]
    with pytest.raises(AccessError):
        add_answer(clinic.store, "0" * 32, clinic.tick(), by="R1", model=other, given=GIVEN, answer=answer())
    verify(clinic.store)
