"""A worker in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import cast

import anyio

from batchveo.engine.broker import Fenced
from batchveo.engine.cluster.backend import Actor
from batchveo.engine.cluster.call_batcher import CallBatcher
from batchveo.engine.cluster.protocol import Answer, Call
from batchveo.engine.cluster.remote_broker import RemoteBroker
from batchveo.engine.cluster.shared_folder import Marker, check_marked
from batchveo.engine.per_key import Label
from batchveo.engine.spec import RunSpec
from batchveo.engine.worker import Worker
from batchveo.provider import ApiClient, VideoClient, clients
from batchveo.provider.service import Service
from batchveo.storage.base import Disk, in_thread

Opening = Callable[[Service], AbstractAsyncContextManager[tuple[Mapping[Label, ApiClient], VideoClient]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnd:
    """How a worker ended: ``over`` with the run, or else given up; ``words`` tell of what it could not record."""

    over: bool
    words: tuple[str, ...] = ()


class WorkerActor:
    """Works for one run, under one name."""

    def __init__(self, opening: Opening = clients.open_clients, disk: Disk = in_thread) -> None:
        self._opening = opening
        self._disk = disk
        self._fenced = anyio.Event()
        self._words: list[str] = []

    async def look(self, marker: Marker | None) -> None:
        """Raise ``DiskTrouble`` where the folder of ``marker`` is not seen from here."""
        if marker is not None:
            check_marked(marker)

    async def fenced(self) -> None:
        """Wait until this worker was given up, which may be long before it has ended."""
        await self._fenced.wait()

    async def run(self, name: str, coordinator: Actor) -> WorkerEnd:
        """Work until the run is over, or this worker was given up, and calls under way have ended."""
        brief = cast("RunSpec", await coordinator.ask("brief"))

        async def send(calls: Sequence[Call]) -> Sequence[Answer]:
            return cast("Sequence[Answer]", await coordinator.ask("answer", calls))

        async with self._opening(brief.service) as (apis, videos), anyio.create_task_group() as tasks:
            batches = CallBatcher(send)
            tasks.start_soon(batches.run)
            broker = RemoteBroker(name, batches, despair=self._despair)
            tasks.start_soon(self._watch, broker)
            with suppress(Fenced):
                await broker.join()
                worker = Worker(
                    broker, apis, videos, brief.settings, durations=brief.durations, disk=self._disk, writer=name
                )
                await worker.run()
            tasks.cancel_scope.cancel()
        return WorkerEnd(over=not broker.is_fenced, words=tuple(self._words))

    async def _watch(self, broker: RemoteBroker) -> None:
        await broker.finished()
        if broker.is_fenced:
            self._fenced.set()

    def _despair(self, words: str) -> None:
        """Keep the last trace of a purchase: for the driver, and in this process's log should that be gone."""
        self._words.append(words)
        print(words, file=sys.stderr)  # noqa: T201
