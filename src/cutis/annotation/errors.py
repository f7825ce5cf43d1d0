"""What the annotation library refuses."""

from cutis.errors import CutisError


class AnnotationError(CutisError):
    """An annotation, a library or a file with annotations does not hold what it should."""


class LibraryError(AnnotationError):
    """The library's database cannot be opened, is busy, or is of another version."""


class AccessError(AnnotationError):
    """A link or a session is not valid, or what was asked for is not for this person."""


class ConflictError(AnnotationError):
    """Somebody, perhaps the same person in another tab, has saved since this was looked at. Nothing was changed.

    ``version`` is the version of the person's own annotation that stands now.
    """

    def __init__(self, problem: str, *, where: str = "", fix: str = "", version: int = 0) -> None:
        super().__init__(problem, where=where, fix=fix)
        self.version = version


class ChainError(AnnotationError):
    """The history has been changed, or does not fit what is kept."""
