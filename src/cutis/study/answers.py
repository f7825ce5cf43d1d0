"""What a reader may answer to each kind of question, and whether an answer is one."""

from functools import cache
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from cutis.errors import listed
from cutis.study.design import Question, StudyDesign
from cutis.taxonomy import GRADES, node_grades, read_risk_rule, shipped_taxonomy

_QUESTIONS = {
    "diagnosis": "What is the diagnosis?",
    "ranked": "What are the likeliest diagnoses? Name the likeliest first.",
    "biopsy": "Would you biopsy or treat this lesion, or reassure the patient?",
    "malignant": "Is this lesion malignant or benign?",
    "risk": "How dangerous is this lesion?",
}
_OPTIONS = {
    "biopsy": (("reassure", "Reassure the patient"), ("biopsy", "Biopsy or treat")),
    "malignant": (("benign", "Benign"), ("malignant", "Malignant")),
    "risk": tuple((grade, f"{grade.capitalize()} risk" if grade != "dangerous" else "Dangerous") for grade in GRADES),
}


class Option(NamedTuple):
    """One thing that can be chosen: its id, which an answer holds, and its name in words."""

    id: str
    name: str


class Answer(BaseModel):
    """What a reader answered.

    ``choices``: ids of options; one, or for a ranked question up to ``most``, the likeliest first. ``confidence``:
    0–100, or one of the design's words; None where it is not asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    choices: tuple[str, ...]
    confidence: int | str | None = None


def options(question: Question) -> tuple[Option, ...]:
    """What can be chosen, in the order of the design; of two or three grades the least suspect first."""
    if question.kind in ("diagnosis", "ranked"):
        return tuple(Option(each.id, each.name) for each in question.classes.classes)
    return tuple(Option(*each) for each in _OPTIONS[question.kind])


def question_text(question: Question) -> str:
    """The question in words: the design's own, or those of its kind."""
    return question.text or _QUESTIONS[question.kind]


def check_answer(design: StudyDesign, answer: Answer) -> str | None:
    """Why this is no answer to the design's question, in a line; None where it is one."""
    question = design.question
    known = [each.id for each in options(question)]
    most = question.most if question.kind == "ranked" else 1
    if not answer.choices:
        return "nothing is chosen"
    if len(answer.choices) > most:
        return f"{len(answer.choices)} are chosen, {most} may be"
    unknown = [each for each in answer.choices if each not in known]
    if unknown:
        return f"'{unknown[0]}' is no choice; there are {listed(known, 30)}"
    if len(set(answer.choices)) < len(answer.choices):
        return "the same is chosen twice"
    return _confidence_problem(question, answer.confidence)


def right_choice(question: Question, node: str) -> str | None:
    """The id of the option that is right for a diagnosis.

    Premalignant counts as malignant, and as to be treated, as everywhere in cutis. Grades are the tree's.

    Args:
        question: the design's.
        node: of the tree.

    Returns:
        None where no option is: the diagnosis lies outside the choices or above them, can be benign or malignant, or
        has no grade.
    """
    if question.kind in ("diagnosis", "ranked"):
        return question.classes.assign(node)
    if question.kind == "risk":
        return _grades()[node]
    malignancy = shipped_taxonomy()[node].malignancy
    if malignancy not in ("benign", "premalignant", "malignant"):
        return None
    benign, malignant = (each[0] for each in _OPTIONS[question.kind])
    return benign if malignancy == "benign" else malignant


@cache
def _grades() -> dict[str, str | None]:
    return dict(node_grades(shipped_taxonomy(), read_risk_rule()))


def _confidence_problem(question: Question, given: int | str | None) -> str | None:
    if question.confidence == "none":
        return None if given is None else "confidence is not asked"
    if given is None:
        return "confidence is missing"
    if question.confidence == "0-100":
        fits = isinstance(given, int) and 0 <= given <= 100
        return None if fits else f"confidence is '{given}', not a whole number from 0 to 100"
    words = list(question.confidence)
    return None if given in words else f"confidence is '{given}', not one of {listed(words)}"
