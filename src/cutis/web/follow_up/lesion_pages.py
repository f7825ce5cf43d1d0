"""A lesion: its photographs over time, and the form that places it on the body drawing."""

from functools import cache
from typing import Any

from fastapi import APIRouter, Response

from cutis.errors import TaxonomyError
from cutis.follow_up import (
    STATUSES,
    LesionFacts,
    add_lesion,
    change_lesion,
    checked_facts,
    lesion_of,
    lesions_of,
    next_label,
    patient_of,
    photographs_of,
)
from cutis.taxonomy import shipped_taxonomy
from cutis.web.clinic.sent import SITES
from cutis.web.follow_up.chart import chart_of, told_answer
from cutis.web.follow_up.patient_pages import version_of
from cutis.web.follow_up.sites import site_key, site_name
from cutis.web.follow_up.visit import HOME, Posted, Problem, Seen, TellingRoute, Visit, go, problems_told

lesion_router = APIRouter(prefix=HOME, route_class=TellingRoute)


@lesion_router.get("/patients/{uid}/lesions/new")
def new_lesion_page(visit: Seen, uid: str) -> Response:
    """The form of a new lesion."""
    with problems_told():
        patient = patient_of(visit.store, uid)
        lesions = lesions_of(visit.store, uid)
    facts = LesionFacts.model_construct(
        label=next_label(lesions), side="front", across=500, down=300, site="", note="", status="watched", node=None
    )
    return _form_page(visit, facts, patient=patient, lesion=None, others=lesions)


@lesion_router.post("/patients/{uid}/lesions")
def new_lesion(visit: Posted, uid: str) -> Response:
    """Add a lesion."""
    with problems_told(f"{HOME}/patients/{uid}/lesions/new"):
        made = add_lesion(visit.store, uid, _facts(visit), visit.now, visit.person.name)
    return go(f"{HOME}/lesions/{made}")


@lesion_router.get("/lesions/{uid}")
def lesion_page(visit: Seen, uid: str) -> Response:
    """A lesion with its photographs, the newest first."""
    with problems_told():
        lesion = lesion_of(visit.store, uid)
        patient = patient_of(visit.store, lesion.patient)
        photographs = photographs_of(visit.store, uid)
    return visit.page(
        "lesion",
        lesion=lesion,
        patient=patient,
        photographs=photographs,
        site=site_name(lesion.facts.site),
        diagnosis=diagnosis_name(lesion.facts.node),
        told={each.uid: [told_answer(one) for one in each.answers] for each in photographs},
        chart=chart_of(photographs),
    )


@lesion_router.get("/lesions/{uid}/edit")
def edit_lesion_page(visit: Seen, uid: str) -> Response:
    """The form of a lesion."""
    with problems_told():
        lesion = lesion_of(visit.store, uid)
        patient = patient_of(visit.store, lesion.patient)
        others = [each for each in lesions_of(visit.store, lesion.patient) if each.uid != uid]
    return _form_page(visit, lesion.facts, patient=patient, lesion=lesion, others=others)


@lesion_router.post("/lesions/{uid}/edit")
def edit_lesion(visit: Posted, uid: str) -> Response:
    """Change a lesion."""
    with problems_told(f"{HOME}/lesions/{uid}/edit"):
        change_lesion(visit.store, uid, _facts(visit), visit.now, version=version_of(visit), by=visit.person.name)
    return go(f"{HOME}/lesions/{uid}")


def diagnosis_name(node: str | None) -> str:
    """A diagnosis's name; empty for none."""
    taxonomy = shipped_taxonomy()
    return "" if node is None else taxonomy[node].name if node in taxonomy else node


def _form_page(visit: Visit, facts: LesionFacts, **values: Any) -> Response:
    return visit.page(
        "lesion_form",
        facts=facts,
        sites=SITES,
        site=site_key(facts.site),
        statuses=STATUSES,
        diagnosis=diagnosis_name(facts.node),
        diagnoses=_diagnoses(),
        **values,
    )


@cache
def _diagnoses() -> tuple[str, ...]:
    return tuple(sorted({each.name for each in shipped_taxonomy()}))


def _facts(visit: Visit) -> LesionFacts:
    site = SITES.get(visit.text("site"))
    if site is None:
        raise Problem("Choose where on the body the lesion is. Nothing was saved; go back and choose.")
    given: dict[str, object] = {name: visit.text(name) for name in ("label", "side", "note", "status")}
    for name in ("across", "down"):  # the form counts in percent
        share = visit.text(name)
        try:
            given[name] = round(10 * float(share))
        except (ValueError, OverflowError) as error:
            raise Problem(f"The place on the drawing, '{share[:20]}', is no number. Nothing was saved.") from error
    return checked_facts(LesionFacts, {**given, "site": site, "node": _node(visit.text("diagnosis"))})


def _node(diagnosis: str) -> str | None:
    if not diagnosis:
        return None
    try:
        return shipped_taxonomy().find(diagnosis)
    except TaxonomyError as error:
        raise Problem(
            f"No diagnosis is called '{diagnosis[:80]}'. Nothing was saved; go back and choose one."
        ) from error
