"""What the store refuses."""

from cutis.study.answers import Answer
from cutis.study.design import StudyError


class StoreError(StudyError):
    """The database cannot be opened, is busy, or is of another version."""


class AccessError(StudyError):
    """A link or a session is not valid, or what was asked for is not this reader's or not before them now."""


class NotNowError(StudyError):
    """The reader is not at this point: consent is missing, the wash-out is not over, the study is closed …"""


class AnswerKeptError(StudyError):
    """The case is answered already, and otherwise; ``kept`` is the answer that stands."""

    def __init__(self, problem: str, *, where: str = "", fix: str = "", kept: Answer | None = None) -> None:
        super().__init__(problem, where=where, fix=fix)
        self.kept = kept


class ChainError(StudyError):
    """The event log has been changed, or does not fit the answers."""


def study_closed() -> NotNowError:
    """What a reader is told after the end of a study."""
    return NotNowError("the study is closed", fix="Ask whoever runs it.")


def not_before_you() -> AccessError:
    """What a reader is told of a step that is not before them."""
    return AccessError("this case is not before you", fix="Go on with the case that is shown.")
