"""What every room's database rests on: one way of writing, and a clock that does not go back."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cutis.database import canonical_json, steady
from cutis.database.clock import STEP_BACK
from cutis.errors import CutisError

NOON = datetime(2031, 3, 1, 12, tzinfo=UTC)


class RoomError(CutisError):
    """A room's own."""


def test_canonical_json_is_one_way_of_writing() -> None:
    assert canonical_json({"b": 1.5, "a": "Ä\x00\ud800"}) == '{"a":"\\u00c4\\u0000\\ud800","b":1.5}'
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


def test_time_stands_still_while_the_clock_is_corrected_a_little() -> None:
    assert steady(NOON, None, RoomError) == NOON
    assert steady(NOON, NOON - timedelta(hours=1), RoomError) == NOON
    assert steady(NOON - STEP_BACK, NOON, RoomError) == NOON
    with pytest.raises(RoomError, match=r"11:59:54 UTC\) is behind what it showed before .* 12:00:00 UTC"):
        steady(NOON - STEP_BACK - timedelta(seconds=1), NOON, RoomError)


def test_time_is_reckoned_in_utc() -> None:
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    told = steady(tokyo, None, RoomError)
    assert (told, told.tzinfo) == (NOON, UTC)
    with pytest.raises(ValueError, match="no time zone"):
        steady(NOON.replace(tzinfo=None), None, RoomError)
