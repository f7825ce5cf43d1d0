"""What a reader is told after a training case."""

from typing import NamedTuple

from cutis.study.answers import Answer, right_choice
from cutis.study.cases import StudyCase
from cutis.study.design import StudyDesign, StudyError
from cutis.taxonomy import shipped_taxonomy


class Feedback(NamedTuple):
    """``right``: whether the answer was, for a ranked question whether the diagnosis is among those named.

    ``choice``: the id of the right option; ``diagnosis``: the case's own, in words.
    """

    right: bool
    choice: str
    diagnosis: str


def training_feedback(design: StudyDesign, case: StudyCase, answer: Answer | None) -> Feedback:
    """What to tell; ``answer`` None: time ran out, which is not right.

    Raises:
        StudyError: the case is no training case: the truth of others must not be told; or no option is right.
    """
    if case.part != "training":
        raise StudyError(
            f"'{case.image_id}' is no training case", fix="Tell a reader the truth of training cases only."
        )
    wanted = right_choice(design.question, case.node)
    if wanted is None:
        raise StudyError(f"no option is right for '{case.image_id}'", fix="Choose the cases by `choose_cases`.")
    return Feedback(answer is not None and wanted in answer.choices, wanted, shipped_taxonomy()[case.node].name)
