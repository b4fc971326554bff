"""How fast to ask."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.rate_limit import (
    ANSWERED_SECONDS,
    CAP,
    LEAST_RATE_SHARE,
    RATE_DOUBLES_SECONDS,
    AdaptiveLimit,
    AdaptiveRate,
    Pause,
    RateLimit,
    compute_backoff,
)


def test_a_429_lowers_the_limit_by_a_factor() -> None:
    """Multiplicative decrease."""
    limit = AdaptiveLimit(10)
    assert limit.decrease(sent_at=1, now=2, in_flight=10)
    assert limit.value == 7


def test_the_limit_is_what_the_service_allowed_where_that_is_less() -> None:
    """With three running when the fourth was refused, three is the limit."""
    limit = AdaptiveLimit(10)
    limit.decrease(sent_at=1, now=2, in_flight=3)
    assert limit.value == 3


def test_one_episode_lowers_it_once() -> None:
    """A volley of 429s to submits that left together says one thing."""
    limit = AdaptiveLimit(10)
    assert limit.decrease(sent_at=1, now=2, in_flight=10)
    assert not limit.decrease(sent_at=1.5, now=2.5, in_flight=10)
    assert limit.decrease(sent_at=2.1, now=3, in_flight=10)
    assert limit.value == 4


def test_it_feels_its_way_up_again_to_the_ceiling_and_no_further() -> None:
    """Additive increase: about one more place for each limit's worth of accepted submits."""
    limit = AdaptiveLimit(10)
    limit.decrease(sent_at=1, now=2, in_flight=5)
    steps = 0
    while limit.value < 10:
        limit.increase()
        steps += 1
    assert 30 <= steps <= 45  # 5 + 6 + 7 + 8 + 9
    for _ in range(1000):
        limit.increase()
    assert limit.value == 10


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 1000))
def test_the_limit_stays_between_one_and_the_ceiling(throttles: list[bool], ceiling: int) -> None:
    """Whatever comes."""
    limit = AdaptiveLimit(ceiling)
    for now, throttled in enumerate(throttles, start=1):
        if throttled:
            limit.decrease(sent_at=now, now=now + 0.5, in_flight=ceiling)
        else:
            limit.increase()
        assert 1 <= limit.value <= ceiling


def test_pace_spaces_calls_evenly_and_saves_none_up() -> None:
    """60 a minute is one a second, also after a quiet hour."""
    pace = RateLimit(60)
    assert [pace.reserve(0.0) for _ in range(3)] == [0, 1, 2]
    assert [pace.reserve(3600.0) for _ in range(2)] == [3600, 3601]


def test_pace_takes_a_part_of_the_rate() -> None:
    """With a quarter of 60 a minute, the gap is four seconds."""
    pace = RateLimit(60)
    assert [pace.reserve(0.0, share=0.25) for _ in range(3)] == [0, 4, 8]


def test_a_429_halves_the_rate_and_it_doubles_with_time_up_to_the_usual() -> None:
    """Calls that were sent before it was lowered are of one episode."""
    rate = AdaptiveRate()
    assert rate.find_share(0.0) == 1.0
    rate.decrease(sent_at=9.0, now=10.0)
    rate.decrease(sent_at=9.5, now=10.0)
    assert rate.find_share(10.0) == 0.5
    rate.decrease(sent_at=10.1, now=10.1)
    assert rate.find_share(10.1) == pytest.approx(0.25, rel=0.01)
    assert rate.find_share(10.1 + RATE_DOUBLES_SECONDS) == pytest.approx(0.5, rel=0.01)
    assert rate.find_share(10.1 + 2 * RATE_DOUBLES_SECONDS) == 1.0
    assert rate.find_share(1e9) == 1.0


def test_some_of_the_rate_is_left_whatever_comes() -> None:
    """So that a service that recovers is noticed soon."""
    rate = AdaptiveRate()
    for second in range(100):
        rate.decrease(sent_at=second, now=second)
    assert rate.find_share(99.0) == LEAST_RATE_SHARE


def test_no_rate_no_waiting() -> None:
    """Without a rate every place is at once."""
    pace = RateLimit(None)
    assert [pace.reserve(5.0) for _ in range(3)] == [5, 5, 5]


def test_a_pause_is_never_shortened() -> None:
    """The longest wait that was asked for stands."""
    pause = Pause()
    assert pause.extend(10.0)
    assert not pause.extend(5.0)
    assert pause.until == 10.0


def test_a_volley_of_failures_is_one_episode() -> None:
    """Ten calls that left together and failed together do not back off ten times."""
    pause = Pause()
    assert [pause.count_episode(sent_at=1.0, now=2.0 + n / 10) for n in range(10)] == [1] * 10
    assert pause.count_episode(sent_at=2.5, now=4.0) == 2
    pause.clear(5.0)
    assert pause.count_episode(sent_at=5.0, now=6.0) == 1


def test_an_answer_ends_the_pause_of_a_service_that_gave_none() -> None:
    """But not one that the service asked for."""
    pause = Pause()
    pause.extend(600.0, silent=True)
    assert pause.clear(10.0)
    assert pause.until == 10.0 + ANSWERED_SECONDS
    pause.extend(40.0)
    assert not pause.clear(20.0)
    assert pause.until == 40.0


def test_it_doubles_up_to_the_cap() -> None:
    """Without jitter: 1, 2, 4, … and never more than the cap."""
    assert [compute_backoff(n, 0.0) for n in range(1, 10)] == [1, 2, 4, 8, 16, 32, 64, 120, 120]


def test_no_trouble_no_wait() -> None:
    """The first try waits for nothing."""
    assert compute_backoff(0, 0.5) == 0


@given(st.integers(1, 10**9), st.floats(0, 0.999))
def test_jitter_takes_at_most_half(troubles: int, jitter: float) -> None:
    """Every wait lies between half of it and the whole, and is finite."""
    whole = compute_backoff(troubles, 0.0)
    assert whole / 2 <= compute_backoff(troubles, jitter) <= whole <= CAP
