"""A service that no poll reaches: said once, not for each generation."""

from __future__ import annotations

from batchveo.core.outcomes import PollError, PollOutcome

POLLS_SAID = 5
"""Polls in a row, of all generations together, after which a person is told."""


class Outage:
    """Counts the polls that did not reach the service, from one answer to the next."""

    def __init__(self) -> None:
        self._polls = 0

    def heed(self, outcome: PollOutcome) -> str | None:
        """What to tell a person after this poll, if anything."""
        if isinstance(outcome, PollError) and outcome.unreachable:
            self._polls += 1
            return f"{outcome.reason}: polls go on trying" if self._polls == POLLS_SAID else None
        polls, self._polls = self._polls, 0
        return f"polls reach the service again, after {polls:,} in vain" if polls >= POLLS_SAID else None
