"""Back-off as arithmetic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.backoff import CAP, backoff


def test_it_doubles_up_to_the_cap() -> None:
    """Without jitter: 1, 2, 4, … and never more than the cap."""
    assert [backoff(n, 0.0) for n in range(1, 10)] == [1, 2, 4, 8, 16, 32, 64, 120, 120]


def test_no_trouble_no_wait() -> None:
    """The first try waits for nothing."""
    assert backoff(0, 0.5) == 0


@given(st.integers(1, 10**9), st.floats(0, 0.999))
def test_jitter_takes_at_most_half(troubles: int, jitter: float) -> None:
    """Every wait lies between half of it and the whole, and is finite."""
    whole = backoff(troubles, 0.0)
    assert whole / 2 <= backoff(troubles, jitter) <= whole <= CAP
