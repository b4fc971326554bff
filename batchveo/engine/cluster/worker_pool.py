"""Keeps the wanted number of workers running: a new one replaces each that is lost."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import cast

import anyio
from anyio.abc import TaskGroup

from batchveo.core.errors import ClusterTrouble, DiskTrouble
from batchveo.core.events import Event, Message
from batchveo.core.notices import WorkerLost, WorkerNotStarted, WorkerSilent
from batchveo.engine.cluster.coordinator_actor import CoordinatorClient
from batchveo.engine.cluster.protocol import Actor, ActorBackend, ActorLost
from batchveo.engine.cluster.shared_folder import Marker
from batchveo.engine.cluster.worker_actor import WorkerEnd

START_SECONDS = 60.0
"""How long a worker may take to start."""
PATIENCE_SECONDS = 180.0
"""Seconds without a worker that can be started, after which the run ends."""
AGAIN_SECONDS = 1.0


def make_tag(state: Path) -> str:
    """The first part of the names of all workers over the database ``state``."""
    return hashlib.sha256(os.fsencode(state.absolute())).hexdigest()[:8]


class WorkerPool:
    """Starts workers whose names begin with ``tag``, and gives up those that are lost.

    A name is used once, since the coordinator refuses the writes of a worker that was given up. ``marker``: a file
    that each worker has to see.
    """

    def __init__(
        self,
        backend: ActorBackend,
        coordinator: CoordinatorClient,
        *,
        marker: Marker | None,
        tag: str,
        report: Callable[[Event], None],
    ) -> None:
        self._backend = backend
        self._coordinator = coordinator
        self._marker = marker
        self._tag = tag
        self._report = report
        self._started: list[Actor] = []
        self._alive: set[Actor] = set()
        self._at_work: dict[str, Actor] = {}
        self._unable_since: float | None = None

    async def start_workers(self, count: int) -> int:
        """Start ``count`` workers before any works; returns how many have started.

        Raises ``DiskTrouble`` if one does not see the marker.
        """
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(self._start_one)
        return len(self._started)

    async def _start_one(self) -> None:
        worker = await self._start_worker()
        if worker is not None:
            self._started.append(worker)

    async def keep_worker(self) -> None:
        """Keep one worker running until the run is over."""
        async with anyio.create_task_group() as lingering:
            over = False
            while not over:
                over = await self._run_worker(lingering)
                await anyio.sleep(0.0 if over else AGAIN_SECONDS)

    @property
    def at_work(self) -> tuple[str, ...]:
        """The names of the workers that should call the coordinator."""
        return tuple(self._at_work)

    async def remove_silent(self, name: str) -> None:
        """Give up the worker called ``name``, which is silent, dead or not."""
        worker = self._at_work.pop(name, None)
        if worker is not None:
            self._report(WorkerSilent(worker=name))
            self._kill_worker(worker)
        await self._coordinator.remove_worker(name)

    def kill_all(self) -> None:
        """End all workers at once."""
        for worker in list(self._alive):
            self._kill_worker(worker)

    async def _run_worker(self, lingering: TaskGroup) -> bool:
        """Run a worker until it has ended or was given up; returns whether the run is over."""
        try:
            worker = self._started.pop() if self._started else await self._start_worker()
        except DiskTrouble as error:
            await self._coordinator.stop(error)
            return False
        if worker is None:
            return False
        name = f"{self._tag}-{secrets.token_hex(4)}"
        self._at_work[name] = worker
        over = await self._run_until_fenced(name, worker, lingering)
        self._at_work.pop(name, None)
        await self._coordinator.remove_worker(name)
        return over

    async def _run_until_fenced(self, name: str, worker: Actor, lingering: TaskGroup) -> bool:
        """Run ``worker`` until it ends or is fenced; a fenced one may still wait for answers beside the next one."""
        stepped_down = anyio.Event()
        over = False

        async def work() -> None:
            nonlocal over
            over = await self._run_to_end(name, worker)
            stepped_down.set()

        async def look() -> None:
            try:
                await worker.call_method("wait_fenced")
            except ActorLost:
                return
            stepped_down.set()

        lingering.start_soon(work)
        async with anyio.create_task_group() as looking:
            looking.start_soon(look)
            await stepped_down.wait()
            looking.cancel_scope.cancel()
        return over

    async def _run_to_end(self, name: str, worker: Actor) -> bool:
        try:
            end = cast("WorkerEnd", await worker.call_method("run", name, self._coordinator.actor))
        except ActorLost as error:
            if worker in self._alive:
                self._report(WorkerLost(worker=name, error=str(error)))
            return False
        finally:
            self._kill_worker(worker)
        for text in end.warnings:
            self._report(Message(text=text, warning=True))
        return end.over

    async def _start_worker(self) -> Actor | None:
        """Start a worker that sees the marker; ``None`` if none can be started now."""
        try:
            worker = self._backend.start_worker()
        except ActorLost as error:
            await self._handle_start_failure(str(error))
            return None
        self._alive.add(worker)
        try:
            with anyio.fail_after(START_SECONDS):
                await worker.call_method("check_folder", self._marker)
        except (ActorLost, TimeoutError) as error:
            self._kill_worker(worker)
            await self._handle_start_failure(str(error) or f"none in {START_SECONDS:.0f} s")
            return None
        self._unable_since = None
        return worker

    async def _handle_start_failure(self, reason: str) -> None:
        now = anyio.current_time()
        self._unable_since = self._unable_since or now
        if self._at_work:
            return
        if now - self._unable_since > PATIENCE_SECONDS:
            await self._coordinator.stop(ClusterTrouble(f"no worker can be started: {reason}"))
        else:
            self._report(WorkerNotStarted(reason=reason))

    def _kill_worker(self, worker: Actor) -> None:
        if worker in self._alive:
            self._alive.discard(worker)
            worker.kill()
