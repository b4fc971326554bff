"""The five seconds between a stop signal and the end of the process, and who may use which part of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class ShutdownBudget:
    """Deadlines of a shutdown that began at ``begun``: seconds, on any clock that never jumps.

    The shares are seconds since ``begun``, each a little later than the one that it waits for.
    """

    CALLS: ClassVar[float] = 4.0
    """Calls to the service may end until then: their answers may be generation ids."""
    CLEANUP: ClassVar[float] = 4.5
    """What was cut off may be given up until then: an upload, a connection, a worker on a cluster."""
    EXIT: ClassVar[float] = 4.7
    """Messages may leave, and the display may catch up; the rest is for the lock and the interpreter."""

    ALL: ClassVar[float] = 5.0
    """The process has ended."""

    begun: float

    def find_deadline(self, share: float) -> float:
        """When ``share`` ends, on the clock of ``begun``."""
        return self.begun + share

    def count_seconds(self, share: float, *, now: float) -> float:
        """Seconds that are left of ``share``, at least 0."""
        return max(0.0, self.begun + share - now)


CLEANUP_SECONDS = ShutdownBudget.CLEANUP - ShutdownBudget.CALLS
"""How long one shielded clean-up may take once its call was cut off."""
