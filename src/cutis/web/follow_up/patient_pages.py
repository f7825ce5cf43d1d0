"""Patients: the list with its search, one patient with the body drawing, and their record for them."""

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from cutis.data import FITZPATRICK_SKIN_TYPES
from cutis.follow_up import (
    PatientFacts,
    add_patient,
    change_patient,
    checked_facts,
    find_patients,
    lesions_of,
    patient_history,
    patient_of,
    patient_zip,
)
from cutis.web.follow_up.sites import site_name
from cutis.web.follow_up.visit import HOME, Posted, Problem, Seen, TellingRoute, Visit, go, problems_told

patient_router = APIRouter(prefix=HOME, route_class=TellingRoute)


@patient_router.get("")
def patients_page(visit: Seen, number: str = Query("", max_length=60)) -> Response:
    """The patients whose number holds what was typed."""
    with problems_told():
        patients, total = find_patients(visit.store, number)
    if number and total == 1 and patients[0].number.casefold() == number.strip().casefold():
        return go(f"{HOME}/patients/{patients[0].uid}")
    return visit.page("patients", patients=patients, total=total, number=number)


@patient_router.get("/patients/new")
def new_patient_page(visit: Seen, number: str = Query("", max_length=60)) -> Response:
    """The form of a new patient."""
    facts = PatientFacts.model_construct(number=number)
    return visit.page(
        "patient_form", patient=None, facts=facts, skin_types=[(each, each) for each in FITZPATRICK_SKIN_TYPES]
    )


@patient_router.post("/patients")
def new_patient(visit: Posted) -> Response:
    """Add a patient."""
    with problems_told(f"{HOME}/patients/new"):
        uid = add_patient(visit.store, _facts(visit), visit.now, visit.person.name)
    return go(f"{HOME}/patients/{uid}")


@patient_router.get("/patients/{uid}")
def patient_page(visit: Seen, uid: str) -> Response:
    """A patient with lesions and history."""
    with problems_told():
        patient = patient_of(visit.store, uid)
        lesions = lesions_of(visit.store, uid)
        history = patient_history(visit.store, uid)
    sites = {each.uid: site_name(each.facts.site) for each in lesions}
    return visit.page("patient", patient=patient, lesions=lesions, sites=sites, history=history)


@patient_router.get("/patients/{uid}/edit")
def edit_patient_page(visit: Seen, uid: str) -> Response:
    """The form of a patient."""
    with problems_told():
        patient = patient_of(visit.store, uid)
    return visit.page(
        "patient_form",
        patient=patient,
        facts=patient.facts,
        skin_types=[(each, each) for each in FITZPATRICK_SKIN_TYPES],
    )


@patient_router.post("/patients/{uid}/edit")
def edit_patient(visit: Posted, uid: str) -> Response:
    """Change a patient."""
    with problems_told(f"{HOME}/patients/{uid}/edit"):
        change_patient(visit.store, uid, _facts(visit), visit.now, version=version_of(visit), by=visit.person.name)
    return go(f"{HOME}/patients/{uid}")


@patient_router.post("/patients/{uid}/record")
def record(visit: Posted, uid: str) -> Response:
    """All that is kept of a patient, as a zip file."""
    with problems_told(f"{HOME}/patients/{uid}"):
        pieces = patient_zip(visit.store, uid, visit.now, visit.person.name)
    name = f"record_{uid[:8]}_{visit.now:%Y-%m-%d}.zip"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(pieces, media_type="application/zip", headers=headers)


def version_of(visit: Visit) -> int:
    """The version that the form was made from.

    Raises:
        Problem: the form names none.
    """
    version = visit.text("version")
    if not version.isdecimal() or len(version) > 9:
        raise Problem("The form was not whole. Nothing was changed. Open the page again.")
    return int(version)


def _facts(visit: Visit) -> PatientFacts:
    given = {name: visit.text(name) or None for name in ("birth_year", "sex", "skin_type")}
    return checked_facts(
        PatientFacts, {**given, "number": visit.text("number"), "research": visit.text("research") == "yes"}
    )
