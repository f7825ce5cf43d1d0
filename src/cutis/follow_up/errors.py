"""What the follow-up refuses."""

from cutis.errors import CutisError


class FollowUpError(CutisError):
    """A record, a photograph or the folder does not hold what it should."""


class StoreError(FollowUpError):
    """The database cannot be opened, is busy, or is of another version."""


class AccessError(FollowUpError):
    """A link or a session is not valid, or what was asked for is not there, or not for this person."""


class ConflictError(FollowUpError):
    """Somebody has saved since this was looked at. Nothing was changed."""


class ChainError(FollowUpError):
    """The history has been changed, or does not fit what is kept."""
