"""A coordinator that can be killed and started again over the same file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from batchveo.api import Api
from batchveo.clock import Clock
from batchveo.coordinator import Coordinator, RunResult
from batchveo.coordinator.dispatcher import Dispatcher
from batchveo.events import Event
from batchveo.runspec import RunSpec
from batchveo.store import Store


@dataclass
class Plans:
    """What every head of one run has in common."""

    path: Path
    spec: RunSpec
    clock: Clock
    apis: Mapping[str, Api]
    workers: int = 1
    events: list[Event] = field(default_factory=list)


class Head:
    """One process of a coordinator."""

    def __init__(self, plans: Plans) -> None:
        self.dead = False
        self.result: RunResult | None = None
        self.ended = anyio.Event()
        self._scope = anyio.CancelScope()
        self.store = Store(plans.path)
        self.store.lock()
        self.coordinator = Coordinator(
            self.store,
            plans.spec,
            plans.apis,
            clock=plans.clock,
            reporter=plans.events.append,
            workers=plans.workers,
        )
        self.dispatcher = Dispatcher(self.coordinator, plans.clock)

    async def live(self, working: Callable[[], Awaitable[object]]) -> None:
        """Carry the run out until it ends, or this process does."""
        try:
            with self._scope:
                self.result = await self.coordinator.execute(working)
        except Exception:
            if not self.dead:  # else it stumbles over its closed file
                raise
        finally:
            self.store.close()
            self.ended.set()

    def kill(self) -> None:
        """End here: what was not flushed is gone, and nobody is told."""
        self.dead = True
        self.store.close()
        self._scope.cancel()

    def give_up(self, worker: str) -> None:
        """Do what whoever runs the workers does about one that is dead, or taken for dead."""
        self.coordinator.dead(worker)
        self.dispatcher.forget(worker)
