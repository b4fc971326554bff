"""A coordinator that can be killed and started again over the same file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from batchveo.core.clock import Clock
from batchveo.core.events import Event
from batchveo.engine.cluster.call_server import MOST_CLAIMED, CallServer
from batchveo.engine.coordinator import Coordinator
from batchveo.engine.input_addresses import BucketOpener
from batchveo.engine.result import RunResult
from batchveo.engine.run_context import RunSpec
from batchveo.engine.stages.clip_inspector import ClipInspector
from batchveo.provider import ApiClient
from batchveo.storage.objects import open_objects
from batchveo.store import Store


@dataclass
class CoordinatorSetup:
    """What every process of one run has in common."""

    path: Path
    spec: RunSpec
    clock: Clock
    apis: Mapping[str, ApiClient]
    workers: int = 1
    clips: ClipInspector | None = None
    open_bucket: BucketOpener = open_objects
    most: int = MOST_CLAIMED
    """Jobs that one claim may bring."""
    events: list[Event] = field(default_factory=list)


class CoordinatorProcess:
    """One process of a coordinator."""

    def __init__(self, setup: CoordinatorSetup) -> None:
        self.dead = False
        self.result: RunResult | None = None
        self.ended = anyio.Event()
        self._scope = anyio.CancelScope()
        self.store = Store(setup.path)
        self.store.runs.acquire_lock()
        self.coordinator = Coordinator(
            self.store,
            setup.spec,
            setup.apis,
            clock=setup.clock,
            reporter=setup.events.append,
            workers=setup.workers,
            clips=setup.clips,
            open_bucket=setup.open_bucket,
        )
        self.server = CallServer(self.coordinator, setup.clock, most=setup.most)

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
        self.coordinator.remove_worker(worker)
        self.server.forget_worker(worker)
