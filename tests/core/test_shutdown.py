"""The five seconds of a shutdown."""

from __future__ import annotations

from batchveo.core.shutdown import ShutdownBudget


def test_each_share_ends_after_what_it_waits_for() -> None:
    """And all of them within the five seconds that are promised."""
    assert 0 < ShutdownBudget.CALLS < ShutdownBudget.CLEANUP < ShutdownBudget.EXIT < ShutdownBudget.ALL == 5.0


def test_what_is_left_of_a_share() -> None:
    """Counted from the beginning, never below nothing."""
    shutdown = ShutdownBudget(100.0)
    assert shutdown.find_deadline(shutdown.EXIT) == 104.7
    assert shutdown.count_seconds(4.0, now=103.0) == 1.0
    assert shutdown.count_seconds(4.0, now=200.0) == 0.0
