"""What the templates of a case and its feedback need, in words. It adds nothing that the store did not give."""

from typing import NamedTuple

from cutis.study import Answer, Option, Question, options, question_text
from cutis.study.store import ShownAid
from cutis.taxonomy import OTHER, shipped_taxonomy
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


def choices_of(question: Question) -> list[Choice]:
    """The options with their keys; the keyboard has none for those after the 36th."""
    keys = [*_KEYS, *[""] * 1000]
    return [Choice(each.id, each.name, key) for each, key in zip(options(question), keys, strict=False)]


def asked(question: Question) -> str:
    """The question in words."""
    return question_text(question)


def differential_of(aid: ShownAid, t: Strings) -> list[Likely]:
    """The AI's list in words."""
    return [Likely(_diagnosis(node, t), round(100 * share)) for node, share in aid.differential or ()]


def answer_in_words(question: Question, answer: Answer | None, t: Strings) -> str:
    """An answer as its reader reads it."""
    if answer is None:
        return t("case.no-answer")
    known: dict[str, Option] = {each.id: each for each in options(question)}
    names = ", ".join(known[each].name for each in answer.choices)
    if answer.confidence is None:
        return names
    sure = t("case.percent", number=answer.confidence) if isinstance(answer.confidence, int) else answer.confidence
    return t("case.answer-and-confidence", answer=names, confidence=sure)


def _diagnosis(node: str, t: Strings) -> str:
    if node == OTHER:
        return t("aid.other")
    # A class of several nodes, or of none, is told by its own name.
    return shipped_taxonomy()[node].name if node in shipped_taxonomy() else node
