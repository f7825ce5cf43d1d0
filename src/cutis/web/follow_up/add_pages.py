"""Adding a photograph: chosen, framed, answered and kept."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from cutis.audit import photograph_quality
from cutis.clinic import Photograph
from cutis.follow_up import (
    IMAGE_TYPES,
    PhotographFacts,
    add_photograph,
    checked_facts,
    kept_picture,
    lesion_of,
    patient_of,
)
from cutis.web.clinic.answer_page import notes_in_words, unfit_in_words
from cutis.web.clinic.crop import WHOLE, Box, cropped, suggested_box
from cutis.web.clinic.words import clinic_words
from cutis.web.follow_up.asking import asked
from cutis.web.follow_up.visit import HOME, Problem, Seen, TellingRoute, Uploaded, Visit, go, problems_told
from cutis.web.strings import ENGLISH

add_router = APIRouter(prefix=HOME, route_class=TellingRoute)


@add_router.get("/lesions/{uid}/add")
def add_page(visit: Seen, uid: str) -> Response:
    """The form."""
    with problems_told():
        lesion = lesion_of(visit.store, uid)
        patient = patient_of(visit.store, lesion.patient)
    w = clinic_words(ENGLISH)
    return visit.page(
        "add",
        lesion=lesion,
        patient=patient,
        today=visit.now.date(),
        image_types=IMAGE_TYPES,
        aspect=_aspect(visit),
        model=visit.engine.bundle.name,
        script_words={key.removeprefix("script."): text for key, text in w.words.items() if key.startswith("script.")},
    )


@add_router.post("/look")
async def look(visit: Uploaded) -> Response:
    """A first look at a photograph, for the script: the suggested box, and whether it is fit. Nothing is kept."""
    photograph = await _photograph(visit, HOME)
    box, judged = await run_in_threadpool(_looked_at, photograph, _aspect(visit))
    w = clinic_words(ENGLISH)
    told = {
        "box": None if box is None else box.model_dump(),
        "whole": box is not None and box.whole,
        "unfit": unfit_in_words(judged[0], w),
        "notes": notes_in_words(judged[1], w),
    }
    return JSONResponse(told)


@add_router.post("/lesions/{uid}/photographs")
async def add(visit: Uploaded, uid: str) -> Response:
    """Answer a photograph and keep both."""
    back = f"{HOME}/lesions/{uid}/add"
    with problems_told(back):
        facts = checked_facts(
            PhotographFacts, {"taken_on": visit.text("taken_on"), "image_type": visit.text("image_type")}
        )
        box = _box(visit, back)
        lesion = await run_in_threadpool(lesion_of, visit.store, uid)
        patient = await run_in_threadpool(patient_of, visit.store, lesion.patient)
        sent = await _photograph(visit, back)
        picture = await run_in_threadpool(kept_picture, sent.pixels)
        # The model sees what is kept, under the key of the file that was sent: a training image is then recognised.
        kept = Photograph(f"{lesion.facts.label}, {facts.taken_on:%Y-%m-%d}", picture.pixels, sent.key)
        found = await asked(visit.engine, kept, box, patient.facts, lesion.facts, facts.taken_on)
        made = await run_in_threadpool(
            add_photograph, visit.store, uid, facts, picture, visit.now, by=visit.person.name, **found._asdict()
        )
    return go(f"{HOME}/photographs/{made}")


def _looked_at(whole: Photograph, aspect: float) -> tuple[Box | None, tuple[tuple[str, ...], tuple[str, ...]]]:
    box = suggested_box(whole.pixels, aspect)
    judged = photograph_quality(cropped(whole, box or WHOLE).pixels)
    return box, (judged.reasons, judged.notes)


async def _photograph(visit: Visit, back: str) -> Photograph:
    files = [each for each in visit.form.getlist("photograph") if isinstance(each, UploadFile) and each.filename]
    most = visit.engine.limits.file_bytes
    if not files:
        raise Problem("No photograph was chosen. Nothing was added.", back=back)
    if (files[0].size or 0) > most:
        raise Problem(f"The photograph has more than {most // 1_000_000} MB. Nothing was added.", back=back)
    with problems_told(back):
        return await visit.engine.photograph(await files[0].read(), "photograph")  # type: ignore[no-any-return]


def _box(visit: Visit, back: str) -> Box:
    sides = {name: visit.text(name) for name in ("left", "top", "width", "height")}
    if not any(sides.values()):
        return WHOLE
    try:
        return Box.model_validate(sides)
    except ValidationError as error:
        raise Problem("The box lies outside of the photograph. Nothing was added.", back=back) from error


def _aspect(visit: Visit) -> float:
    height, width = visit.engine.bundle.image.decoded
    return float(width / height)
