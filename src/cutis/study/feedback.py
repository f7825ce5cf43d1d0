"""What a reader is told after a training case."""

from typing import NamedTuple

from cutis.study.answers import Answer, options, right_choice
from cutis.study.cases import StudyCase
from cutis.study.design import StudyDesign, StudyError
from cutis.taxonomy import shipped_taxonomy


class Feedback(NamedTuple):
    """``right``: whether the answer was, for a ranked question whether the diagnosis is among those named.

    ``answer``: the right option in words; ``diagnosis``: the case's own, in words.
    """

    right: bool
    answer: str
    diagnosis: str


def training_feedback(design: StudyDesign, case: StudyCase, answer: Answer | None) -> Feedback:
    """What to tell; ``answer`` None: time ran out, which is not right.

    Raises:
        StudyError: the case is no training case: the truth of others must not be told.
    """
    if case.part != "training":
        raise StudyError(
            f"'{case.image_id}' is no training case", fix="Tell a reader the truth of training cases only."
        )
    wanted = right_choice(design.question, case.node)
    name = next(each.name for each in options(design.question) if each.id == wanted)
    return Feedback(answer is not None and wanted in answer.choices, name, shipped_taxonomy()[case.node].name)
