"""An answer in the words of its page: what ``clinic/answer.html.jinja`` shows, in the order in which it matters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cutis.clinic import Answer, Diagnosis, Patient
from cutis.models import BundleFacts
from cutis.taxonomy import GRADES, RiskRule
from cutis.web.clinic.words import class_key, class_name, often, percent
from cutis.web.strings import Strings

if TYPE_CHECKING:
    from cutis.web.clinic.similar import SimilarCase

_PARTS = 1000


@dataclass(frozen=True)
class Row:
    """A class on the page.

    Attributes:
        id: of the class.
        name: to read, in ``language``.
        language: of the name.
        plain: what it is in everyday words; empty where there are none.
        malignancy: its key under ``[malignancy]``.
        often: its probability, as people count.
        percent: the same as a percentage.
        meter: the same, of 1000.
        threshold: as a percentage; empty without.
    """

    id: str
    name: str
    language: str
    plain: str
    malignancy: str
    often: str
    percent: str
    meter: int
    threshold: str


@dataclass(frozen=True)
class Risk:
    """The grade on the page: ``grade``, ``title`` and ``text`` of the advice; ``review`` where nobody reviewed it."""

    grade: str
    title: str
    text: str
    review: str
    grades: str


@dataclass(frozen=True)
class AnswerPage:
    """All that the page tells.

    Attributes:
        image: the photograph's name.
        model: the bundle's name.
        data: what the model learnt from, in the bundle's words (English); empty where it does not say.
        when: the moment of the answer, UTC.
        given: what was said of the patient, in words.
        seen: whether the model was trained on this file.
        stranger: 95, 99 or 0.
        unfit: why the photograph should be taken again, in words.
        notes: what else is in it, in words.
        risk: the grade; None where the model gives none.
        reassuring: whether the grade is low, which nobody is told of a photograph stranger than 99 of 100.
        malignant: sum over cancers and precursors, in words; empty where it is not defined.
        rows: every class, the most probable first.
        differential: those above their thresholds, or the nearest.
        above: whether any is; None without thresholds.
        coverage: of the conformal set, as a whole percentage; 0 without sets.
        set: its classes.
        always: names of the classes that are in every set.
        prior: ``uniform`` or ``training``: for which frequencies the probabilities hold.
        cases: how many of known diagnosis there are to compare it with; 0 for none.
    """

    image: str
    model: str
    data: str
    when: datetime
    given: str
    seen: bool
    stranger: int
    unfit: tuple[str, ...]
    notes: str
    risk: Risk | None
    reassuring: bool
    malignant: str
    rows: tuple[Row, ...]
    differential: tuple[Row, ...]
    above: bool | None
    coverage: int
    set: tuple[Row, ...]
    always: str
    prior: str
    cases: int = 0


@dataclass(frozen=True)
class SimilarRow:
    """A case like this one on the page: its picture's address, its diagnosis in ``language``, and where it is from."""

    address: str
    name: str
    language: str
    malignancy: str
    confirmed: str
    origin: str
    similarity: str


def answer_page(
    answer: Answer, bundle: BundleFacts, rule: RiskRule, patient: Patient, site: str, when: datetime, w: Strings
) -> AnswerPage:
    """Put an answer into words.

    Args:
        answer: what the model says.
        bundle: the model.
        rule: for the advice.
        patient: what was said of the patient.
        site: where on the body, as its key under ``[site]``; empty where it was not said.
        when: UTC.
        w: the words.
    """
    rows = {each.id: _row(each, w) for each in answer.diagnoses}
    shown = answer.differential or (answer.diagnoses[0].id,)
    sure = answer.malignant
    return AnswerPage(
        image=answer.image,
        model=answer.model,
        data=learnt_from(bundle),
        when=when,
        given=_given(patient, site, w),
        seen=answer.seen_in_training == "image",
        stranger=answer.stranger_than or 0,
        unfit=unfit_in_words(answer.unfit, w),
        notes=notes_in_words(answer.notes, w),
        risk=_risk(answer, rule, w),
        reassuring=answer.risk == GRADES[0],
        malignant="" if sure is None else w("answer.malignant", words=often(w, sure), percent=percent(w, sure)),
        rows=tuple(rows.values()),
        differential=tuple(rows[each] for each in shown),
        above=answer.above,
        coverage=round(100 * (answer.conformal_coverage or 0)),
        set=tuple(rows[each] for each in answer.conformal_set),
        always=_listed([rows[each].name for each in answer.always_in_set], w),
        prior=bundle.calibration.prior,
    )


def similar_rows(cases: "Sequence[SimilarCase]", w: Strings) -> tuple[SimilarRow, ...]:
    """Cases like this one in words, in their order."""
    told = []
    for each in cases:
        name, language = class_name(w, each.class_id or "", each.name)
        told.append(
            SimilarRow(
                address=f"/similar/{each.case}.jpg",
                name=name,
                language=language,
                malignancy=each.malignancy if f"malignancy.{each.malignancy}" in w.words else "unknown",
                confirmed=w.words.get(f"confirmed.{each.confirmed.replace(' ', '-')}", each.confirmed),
                origin=" ".join(part for part in (each.source, each.image_id) if part),
                similarity=f"{each.similarity:.2f}",
            )
        )
    return tuple(told)


def learnt_from(bundle: BundleFacts) -> str:
    """What a model learnt from, in its own words (English); its data sets' names where it says no more."""
    return str(bundle.about.get("data") or ", ".join(bundle.about.get("sources", ())))


def unfit_in_words(reasons: Sequence[str], w: Strings) -> tuple[str, ...]:
    """Why a photograph should be taken again, and what to do; a clinic's own rule is told as it is named."""
    return tuple(w.words.get(f"quality.{each.replace(' ', '-')}", each) for each in reasons)


def notes_in_words(notes: Sequence[str], w: Strings) -> str:
    """What else is in a photograph, as one sentence; empty where nothing is."""
    told = [w.words.get(f"quality.{each.replace(' ', '-')}", each) for each in notes]
    return w("quality.notes", notes=_listed(told, w)) if told else ""


def _row(each: Diagnosis, w: Strings) -> Row:
    name, language = class_name(w, each.id, each.name)
    malignancy = each.malignancy if f"malignancy.{each.malignancy}" in w.words else "unknown"
    return Row(
        id=each.id,
        name=name,
        language=language,
        plain=w.words.get(f"plain.{class_key(each.id)}", ""),
        malignancy=malignancy,
        often=often(w, each.probability),
        percent=percent(w, each.probability),
        meter=round(_PARTS * each.probability),
        threshold="" if each.threshold is None else percent(w, each.threshold),
    )


def _risk(answer: Answer, rule: RiskRule, w: Strings) -> Risk | None:
    if answer.risk is None or answer.risk_probabilities is None:
        return None
    advice = rule.advice_for(answer.risk, w.language)
    shares = {str(grade): percent(w, share) for grade, share in answer.risk_probabilities.items()}
    return Risk(
        answer.risk, advice.title, advice.text, "" if advice.reviewed else rule.review, w("answer.grades", **shares)
    )


def _given(patient: Patient, site: str, w: Strings) -> str:
    told = [
        f"{w('patient.age')}: {patient.age}" if patient.age is not None else "",
        w(f"patient.{patient.sex}") if patient.sex else "",
        w(f"site.{site}") if site else "",
        f"{w('patient.skin')} {patient.skin_type}" if patient.skin_type else "",
    ]
    return _listed([each for each in told if each], w)


def _listed(words: Sequence[str], w: Strings) -> str:
    return ("、" if w.language == "zh" else ", ").join(words)
