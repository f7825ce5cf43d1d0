"""Asking the server's model about a photograph, and what is kept with its answer."""

from datetime import date
from typing import NamedTuple

from cutis.clinic import Answer, Patient, Photograph
from cutis.follow_up import Given, LesionFacts, ModelFacts, PatientFacts
from cutis.models import BundleFacts
from cutis.web.clinic.answer_page import learnt_from
from cutis.web.clinic.crop import Box, cropped
from cutis.web.clinic.engine import Engine


class Asked(NamedTuple):
    """An answer with the model that gave it and what it was given."""

    model: ModelFacts
    given: Given
    answer: Answer


def model_facts(bundle: BundleFacts) -> ModelFacts:
    """Which model answers."""
    return ModelFacts(bundle.name, str(bundle.about["weights_sha256"]), learnt_from(bundle), bundle.calibration.prior)


async def asked(
    engine: Engine, photograph: Photograph, box: Box, patient: PatientFacts, lesion: LesionFacts, taken_on: date
) -> Asked:
    """What the model says of the part of a photograph in a box.

    Args:
        engine: the server's.
        photograph: whole, its pixels those that are kept.
        box: what the model is shown.
        patient: age is that of the day when the photograph was taken, sex and skin type as known.
        lesion: for its place on the body.
        taken_on: the day.

    Raises:
        Refusal: the server has no time for it.
    """
    age = None if patient.birth_year is None else min(120, max(0, taken_on.year - patient.birth_year))
    known = Patient(age=age, sex=patient.sex, site=lesion.site, skin_type=patient.skin_type)
    shown = photograph if box.whole else cropped(photograph, box)
    answer = await engine.answer(shown, known, quality=True)
    given = Given((box.left, box.top, box.width, box.height), known.age, known.sex, known.site, known.skin_type)
    return Asked(model_facts(engine.bundle), given, answer)
