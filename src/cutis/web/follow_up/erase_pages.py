"""Erasing: a curator says what, types its name once more, and it is gone for good."""

from typing import Literal, NamedTuple

from fastapi import APIRouter, Response

from cutis.follow_up import erase, lesion_of, lesions_of, patient_of, photograph_of
from cutis.web.follow_up.visit import HOME, Curator, CuratorPosted, Problem, TellingRoute, Visit, go, problems_told

erase_router = APIRouter(prefix=f"{HOME}/erase", route_class=TellingRoute)

Kind = Literal["patient", "lesion", "photograph"]


class _Doomed(NamedTuple):
    """What is to be erased. ``word``: what has to be typed; ``back``: where it stands; ``after``: where to go then."""

    words: str
    word: str
    back: str
    after: str


@erase_router.get("/{kind}/{uid}")
def erase_page(visit: Curator, kind: Kind, uid: str) -> Response:
    """Asks once more."""
    return visit.page("erase", doomed=_doomed(visit, kind, uid), kind=kind)


@erase_router.post("/{kind}/{uid}")
def erase_it(visit: CuratorPosted, kind: Kind, uid: str) -> Response:
    """Erase it."""
    doomed = _doomed(visit, kind, uid)
    if visit.text("word") != doomed.word:
        raise Problem(f"What you typed is not '{doomed.word}'. Nothing was erased.", back=f"{HOME}/erase/{kind}/{uid}")
    with problems_told(doomed.after):
        erase(visit.store, uid, visit.now, visit.person.name)
    return go(doomed.after)


def _doomed(visit: Visit, kind: Kind, uid: str) -> _Doomed:
    with problems_told():
        if kind == "patient":
            number = patient_of(visit.store, uid).facts.number
            lesions = lesions_of(visit.store, uid)
            photographs = sum(each.photographs for each in lesions)
            words = f"patient {number} with {_count(len(lesions), 'lesion')} and {_count(photographs, 'photograph')}"
            return _Doomed(words, number, f"{HOME}/patients/{uid}", HOME)
        if kind == "lesion":
            lesion = lesion_of(visit.store, uid)
            number = patient_of(visit.store, lesion.patient).facts.number
            words = f"lesion {lesion.facts.label} of patient {number} with {_count(lesion.photographs, 'photograph')}"
            return _Doomed(words, lesion.facts.label, f"{HOME}/lesions/{uid}", f"{HOME}/patients/{lesion.patient}")
        photograph = photograph_of(visit.store, uid)
        lesion = lesion_of(visit.store, photograph.lesion)
        number = patient_of(visit.store, lesion.patient).facts.number
        day = f"{photograph.facts.taken_on:%Y-%m-%d}"
        words = f"the photograph of {day} of lesion {lesion.facts.label} of patient {number}"
        return _Doomed(words, day, f"{HOME}/photographs/{uid}", f"{HOME}/lesions/{lesion.uid}")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
