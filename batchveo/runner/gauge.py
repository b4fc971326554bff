"""What sets the pace of a run's submits, told whenever it changes."""

from __future__ import annotations

from batchveo.events import Brake, Paced
from batchveo.pacing import AdaptiveLimit
from batchveo.runner.desk import Desk


class Gauge:
    """Looks at the in-flight limit and at what the submits wait for. Cheap enough to be asked at every turn."""

    def __init__(self, desk: Desk, limit: AdaptiveLimit) -> None:
        self._desk = desk
        self._limit = limit
        self._said: Paced | None = None
        self._lowered_at: float | None = None

    def lowered(self) -> None:
        """A 429 has lowered the limit just now."""
        self._lowered_at = self._desk.now()
        if self._said is not None:
            self.tell(self._said.brake, self._said.until)

    def tell(self, brake: Brake, until: float | None = None) -> None:
        """Say that ``brake`` holds the submits, at the longest until ``until``, where that is news."""
        limit, said = self._limit.value, self._said
        if said is not None and (brake, limit, until) == (said.brake, said.limit, said.until):
            return
        if limit == self._limit.ceiling:
            self._lowered_at = None
        self._said = Paced(
            brake=brake,
            limit=limit,
            was=said.limit if said else limit,
            ceiling=self._limit.ceiling,
            lowered_at=self._lowered_at,
            until=until,
        )
        self._desk.tell(self._said)
