"""How often something may be tried."""

from datetime import UTC, datetime, timedelta

from cutis.web.rate_limit import MOST_KEYS, RateLimit

START = datetime(2031, 3, 1, tzinfo=UTC)


def test_so_many_within_the_time_and_again_afterwards() -> None:
    limit = RateLimit(2, 60)
    seconds = [0, 10, 20, 59, 60, 61, 70, 71]
    allowed = [limit.allows("a", START + timedelta(seconds=each)) for each in seconds]
    assert allowed == [True, True, False, False, True, False, True, False]
    assert limit.allows("b", START)


def test_it_forgets_who_was_not_seen_for_longest() -> None:
    limit = RateLimit(1, 60)
    assert limit.allows("first", START)
    for number in range(MOST_KEYS):
        limit.allows(str(number), START)
    assert limit.allows("first", START)
    assert len(limit._attempts) == MOST_KEYS
