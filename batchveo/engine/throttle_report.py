"""What sets the pace of a run's submits, told whenever it changes."""

from __future__ import annotations

from batchveo.core.events import ThrottleChanged, ThrottleReason
from batchveo.engine.event_bus import EventBus
from batchveo.engine.key_limits import KeyThrottles


class ThrottleReporter:
    """Looks at the in-flight limits of all keys together, and at what the submits wait for. Cheap to ask."""

    def __init__(self, bus: EventBus, lines: KeyThrottles) -> None:
        self._bus = bus
        self._lines = lines
        self._said: ThrottleChanged | None = None

    def again(self) -> None:
        """A limit may have changed: say so, where it has."""
        if self._said is not None:
            self.tell(self._said.brake, self._said.until)

    def tell(self, brake: ThrottleReason, until: float | None = None) -> None:
        """Say that ``brake`` holds the submits, at the longest until ``until``, where that is news."""
        limit, said = min(self._lines.ceiling, sum(line.limit.value for line in self._lines)), self._said
        if said is not None and (brake, limit, until) == (said.brake, said.limit, said.until):
            return
        lowered = [line.lowered_at for line in self._lines if line.is_low and line.lowered_at is not None]
        self._said = ThrottleChanged(
            brake=brake,
            limit=limit,
            was=said.limit if said else limit,
            ceiling=min(self._lines.ceiling, sum(line.limit.ceiling for line in self._lines)),
            lowered_at=max(lowered, default=None),
            until=until,
        )
        self._bus.emit(self._said)
