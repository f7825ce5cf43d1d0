"""One photograph: its picture, its answer in the clinic's words, and its day and type to be corrected."""

from dataclasses import replace

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from cutis.clinic import Patient, Photograph
from cutis.follow_up import (
    IMAGE_TYPES,
    KeptAnswer,
    PhotographFacts,
    add_answer,
    change_photograph,
    checked_facts,
    jpeg_of,
    lesion_of,
    patient_of,
    photograph_of,
    pixels_of,
)
from cutis.web.clinic.answer_page import AnswerPage, answer_page
from cutis.web.clinic.crop import Box
from cutis.web.clinic.words import clinic_words
from cutis.web.follow_up.asking import asked, model_facts
from cutis.web.follow_up.chart import told_answer
from cutis.web.follow_up.comparing import shown_jpeg
from cutis.web.follow_up.patient_pages import version_of
from cutis.web.follow_up.sites import site_key
from cutis.web.follow_up.visit import HOME, Posted, Problem, Seen, TellingRoute, Visit, go, problems_told
from cutis.web.strings import ENGLISH

photograph_router = APIRouter(prefix=f"{HOME}/photographs", route_class=TellingRoute)


@photograph_router.get("/{uid}")
def photograph_page(visit: Seen, uid: str) -> Response:
    """A photograph with its newest answer, and those before it in a table."""
    with problems_told():
        photograph = photograph_of(visit.store, uid)
        lesion = lesion_of(visit.store, photograph.lesion)
        patient = patient_of(visit.store, lesion.patient)
    newest = photograph.answers[-1]
    present = model_facts(visit.engine.bundle)
    known = {each.model.weights_sha256 for each in photograph.answers}
    return visit.page(
        "photograph",
        photograph=photograph,
        lesion=lesion,
        patient=patient,
        view=_view(visit, newest),
        told=[(each, told_answer(each)) for each in photograph.answers],
        box=None if newest.given.box[2:] == (1.0, 1.0) else newest.given.box,
        other_model=newest.model.weights_sha256 != present.weights_sha256,
        ask_present=present.weights_sha256 not in known,
        present=present,
        image_types=IMAGE_TYPES,
    )


@photograph_router.post("/{uid}")
def correct(visit: Posted, uid: str) -> Response:
    """Correct day and type."""
    back = f"{HOME}/photographs/{uid}"
    with problems_told(back):
        facts = checked_facts(
            PhotographFacts, {"taken_on": visit.text("taken_on"), "image_type": visit.text("image_type")}
        )
        change_photograph(visit.store, uid, facts, visit.now, version=version_of(visit), by=visit.person.name)
    return go(back)


@photograph_router.post("/{uid}/answer")
async def ask_present_model(visit: Posted, uid: str) -> Response:
    """Have the server's model answer, too, about the same box; the answers before it stay."""
    back = f"{HOME}/photographs/{uid}"
    with problems_told(back):
        photograph = await run_in_threadpool(photograph_of, visit.store, uid)
        present = model_facts(visit.engine.bundle).weights_sha256
        if any(each.model.weights_sha256 == present for each in photograph.answers):
            raise Problem("The server's model has answered already.", back=back)
        lesion = await run_in_threadpool(lesion_of, visit.store, photograph.lesion)
        patient = await run_in_threadpool(patient_of, visit.store, lesion.patient)
        left, top, width, height = photograph.answers[-1].given.box
        box = Box(left=left, top=top, width=width, height=height)
        pixels = await run_in_threadpool(pixels_of, visit.store, uid)
        name = f"{lesion.facts.label}, {photograph.facts.taken_on:%Y-%m-%d}"
        found = await asked(
            visit.engine, Photograph(name, pixels, ""), box, patient.facts, lesion.facts, photograph.facts.taken_on
        )
        await run_in_threadpool(add_answer, visit.store, uid, visit.now, by=visit.person.name, **found._asdict())
    return go(back)


@photograph_router.get("/{uid}/picture")
def picture(visit: Seen, uid: str) -> Response:
    """The photograph as it is kept."""
    with problems_told():
        return _jpeg(jpeg_of(visit.store, uid))


@photograph_router.get("/{uid}/shown")
def shown(visit: Seen, uid: str) -> Response:
    """The photograph as large as a page shows it."""
    with problems_told():
        return _jpeg(shown_jpeg(pixels_of(visit.store, uid)))


@photograph_router.get("/{uid}/small")
def small(visit: Seen, uid: str) -> Response:
    """The small picture for lists."""
    with problems_told():
        return _jpeg(jpeg_of(visit.store, uid, small=True))


def _jpeg(content: bytes) -> Response:
    return Response(content, media_type="image/jpeg")


def _view(visit: Visit, kept: KeptAnswer) -> AnswerPage:
    """The answer as the clinic's page tells it, with what the model that gave it said of itself."""
    given = kept.given
    patient = Patient(age=given.age, sex=given.sex, site=given.site, skin_type=given.skin_type)
    engine = visit.engine
    w = clinic_words(ENGLISH)
    made = answer_page(kept.answer, engine.bundle, engine.rule, patient, site_key(given.site), kept.at, w)
    return replace(made, data=kept.model.data, prior=kept.model.prior)
