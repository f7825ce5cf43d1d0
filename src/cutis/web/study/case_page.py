"""What the templates of a case and its feedback need, in words. It adds nothing that the store did not give."""

from typing import NamedTuple

from cutis.study import Answer, Question, options
from cutis.study.store import ShownAid
from cutis.taxonomy import GRADES, OTHER
from cutis.web.strings import Strings

_KEYS = "1234567890abcdefghijklmnopqrstuvwxyz"


class Choice(NamedTuple):
    """An option as the page shows it; ``key`` on the keyboard chooses it."""

    id: str
    name: str
    key: str


class Likely(NamedTuple):
    """A diagnosis of the AI's list; ``percent`` is whole."""

    name: str
    percent: int


def choices_of(question: Question, t: Strings) -> list[Choice]:
    """The options with their keys; the keyboard has none for those after the 36th."""
    keys = [*_KEYS, *[""] * 1000]
    named = names_of(question, t)
    return [Choice(each, name, key) for (each, name), key in zip(named.items(), keys, strict=False)]


def names_of(question: Question, t: Strings) -> dict[str, str]:
    """The options by their ids: diagnoses as the tree names them, all others in the page's language."""
    if question.kind in ("diagnosis", "ranked"):
        return {each.id: t("aid.other") if each.id == OTHER else each.name for each in options(question)}
    return {each.id: t(f"option.{each.id}") for each in options(question)}


def asked(question: Question, t: Strings) -> str:
    """The question in words: the design's own, or those of its kind."""
    return question.text or t(f"question.{question.kind}")


def differential_of(aid: ShownAid, t: Strings) -> list[Likely]:
    """The AI's list in words."""
    return [
        Likely(t("aid.other") if each.id == OTHER else each.name, round(100 * each.probability))
        for each in aid.differential or ()
    ]


def grades_of(aid: ShownAid, t: Strings) -> list[Likely]:
    """The probabilities of the three risk grades, in words; empty where they are not known."""
    return [
        Likely(t(f"aid.risk-{grade}"), round(100 * share))
        for grade, share in zip(GRADES, aid.risk_probabilities or (), strict=False)
    ]


def answer_in_words(question: Question, answer: Answer | None, t: Strings) -> str:
    """An answer as its reader reads it."""
    if answer is None:
        return t("case.no-answer")
    known = names_of(question, t)
    names = ", ".join(known[each] for each in answer.choices)
    if answer.confidence is None:
        return names
    sure = t("case.percent", number=answer.confidence) if isinstance(answer.confidence, int) else answer.confidence
    return t("case.answer-and-confidence", answer=names, confidence=sure)
