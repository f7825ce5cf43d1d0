"""The server's clock, for what must never seem to have happened before the thing before it."""

from datetime import UTC, datetime, timedelta

from cutis.errors import CutisError

STEP_BACK = timedelta(seconds=5)
"""How far the server's clock may go back (it is corrected now and then): the time then stands still."""


def steady(now: datetime, last: datetime | None, error: type[CutisError]) -> datetime:
    """The time to reckon with: never before the last event, and in UTC.

    Args:
        now: what the clock shows.
        last: when the last event was; None where there is none.
        error: what to raise where the clock is wrong.

    Raises:
        CutisError: of the type ``error``: the server's clock went back by more than ``STEP_BACK``.
        ValueError: ``now`` has no time zone.
    """
    if now.tzinfo is None:
        raise ValueError("the time has no time zone")
    now = now.astimezone(UTC)
    if last is None or now >= last:
        return now
    if last - now > STEP_BACK:
        raise error(
            f"the server's clock ({now:%Y-%m-%d %H:%M:%S} UTC) is behind what it showed before "
            f"({last:%Y-%m-%d %H:%M:%S} UTC)",
            fix="Set the clock; nothing was kept.",
        )
    return last
