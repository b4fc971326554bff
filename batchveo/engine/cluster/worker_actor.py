"""A worker in a process of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import cast

import anyio

from batchveo.engine.broker import Fenced
from batchveo.engine.cluster.protocol import Actor, Answer, Call
from batchveo.engine.cluster.remote_broker import CallBatcher, RemoteBroker
from batchveo.engine.cluster.shared_folder import Marker, check_marker
from batchveo.engine.key_limits import Label
from batchveo.engine.run_context import RunSpec
from batchveo.engine.worker import Worker
from batchveo.provider import ApiClient, VideoClient
from batchveo.provider.service import Service, open_clients
from batchveo.storage.base import Disk, in_thread

ClientOpener = Callable[[Service], AbstractAsyncContextManager[tuple[Mapping[Label, ApiClient], VideoClient]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerEnd:
    """How a worker ended: with the run (``over``) or given up; ``warnings``: unrecorded purchases."""

    over: bool
    warnings: tuple[str, ...] = ()


class WorkerActor:
    """A worker for one run, under one name."""

    def __init__(self, opening: ClientOpener = open_clients, disk: Disk = in_thread) -> None:
        self._opening = opening
        self._disk = disk
        self._fenced = anyio.Event()
        self._warnings: list[str] = []

    async def check_folder(self, marker: Marker | None) -> None:
        """Raise ``DiskTrouble`` if this machine does not see the folder of ``marker``."""
        if marker is not None:
            check_marker(marker)

    async def wait_fenced(self) -> None:
        """Wait until this worker was given up, which may be long before it has ended."""
        await self._fenced.wait()

    async def run(self, name: str, coordinator: Actor) -> WorkerEnd:
        """Work until the run is over or this worker is given up, and its requests in progress have ended."""
        spec = cast("RunSpec", await coordinator.call_method("read_worker_spec"))

        async def send(calls: Sequence[Call]) -> Sequence[Answer]:
            return cast("Sequence[Answer]", await coordinator.call_method("answer_calls", calls))

        async with self._opening(spec.service) as (apis, videos), anyio.create_task_group() as tasks:
            batches = CallBatcher(send)
            tasks.start_soon(batches.run)
            broker = RemoteBroker(name, batches, report_lost=self._report_lost)
            tasks.start_soon(self._watch_fence, broker)
            with suppress(Fenced):
                await broker.join_run()
                worker = Worker(
                    broker,
                    apis,
                    videos,
                    spec.settings,
                    durations=spec.durations,
                    disk=self._disk,
                    writer=name,
                    poll_share=spec.poll_share,
                    catalog=spec.service.catalog,
                )
                await worker.run()
            tasks.cancel_scope.cancel()
        return WorkerEnd(over=not broker.is_fenced, warnings=tuple(self._warnings))

    async def _watch_fence(self, broker: RemoteBroker) -> None:
        await broker.wait_finished()
        if broker.is_fenced:
            self._fenced.set()

    def _report_lost(self, text: str) -> None:
        """Keep the text about a purchase for the driver, and print it in case the driver is gone."""
        self._warnings.append(text)
        print(text, file=sys.stderr)  # noqa: T201
