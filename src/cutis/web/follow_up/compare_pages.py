"""Two photographs of a lesion compared: side by side, laid over each other, and in figures."""

from fastapi import APIRouter, Query, Response

from cutis.follow_up import (
    AREA_SPREAD,
    LEAST_POINTS,
    KeptPhotograph,
    lesion_of,
    patient_of,
    photograph_of,
    photographs_of,
)
from cutis.web.follow_up.chart import told_answer
from cutis.web.follow_up.visit import HOME, Problem, Seen, TellingRoute, problems_told

compare_router = APIRouter(prefix=HOME, route_class=TellingRoute)


@compare_router.get("/lesions/{uid}/compare")
def compare_page(
    visit: Seen, uid: str, then: str = Query("", max_length=40), now: str = Query("", max_length=40)
) -> Response:
    """Two photographs; without a choice the newest and the one before it of the same type, else the oldest."""
    with problems_told():
        lesion = lesion_of(visit.store, uid)
        patient = patient_of(visit.store, lesion.patient)
        photographs = photographs_of(visit.store, uid)
        if len(photographs) < 2:
            raise Problem("There are no two photographs of this lesion to compare.", back=f"{HOME}/lesions/{uid}")
        by_uid = {each.uid: each for each in photographs}
        later = by_uid.get(now, photographs[0]) if now or then not in by_uid else photographs[0]
        earlier = by_uid.get(then) or _before(later, photographs)
        if earlier.uid == later.uid:
            raise Problem("Choose two different photographs.", back=f"{HOME}/lesions/{uid}/compare")
        if (earlier.facts.taken_on, earlier.added_at) > (later.facts.taken_on, later.added_at):
            earlier, later = later, earlier
        compared = visit.room.comparisons.of(earlier.uid, later.uid)
    return visit.page(
        "compare",
        lesion=lesion,
        patient=patient,
        photographs=photographs,
        earlier=earlier,
        later=later,
        days=(later.facts.taken_on - earlier.facts.taken_on).days,
        alignment=compared.alignment,
        change=compared.change,
        told=(told_answer(earlier.answers[-1]), told_answer(later.answers[-1])),
        same_model=earlier.answers[-1].model.weights_sha256 == later.answers[-1].model.weights_sha256,
        same_type=earlier.facts.image_type == later.facts.image_type,
        least_points=LEAST_POINTS,
        spread=AREA_SPREAD,
    )


@compare_router.get("/aligned/{then}/{now}")
def aligned_picture(visit: Seen, then: str, now: str) -> Response:
    """The earlier photograph as the later one would show it."""
    with problems_told():
        if photograph_of(visit.store, then).lesion != photograph_of(visit.store, now).lesion:
            raise Problem("These are not photographs of one lesion.", status=404)
        found = visit.room.comparisons.aligned_webp(then, now)
    if found is None:
        raise Problem("These two could not be aligned.", status=404)
    return Response(found, media_type="image/webp")


def _before(later: KeptPhotograph, photographs: list[KeptPhotograph]) -> KeptPhotograph:
    others = photographs[photographs.index(later) + 1 :] or [each for each in photographs if each.uid != later.uid]
    alike = [each for each in others if each.facts.image_type == later.facts.image_type]
    return (alike or others)[0]
