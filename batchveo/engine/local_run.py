"""A run on this machine: a coordinator with one worker in the same process."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Mapping, Sequence

import anyio

from batchveo.core.clock import Clock
from batchveo.core.events import Event, Reporter, ignore_event
from batchveo.core.models import Job
from batchveo.core.outcomes import Outcome
from batchveo.core.shutdown import ShutdownBudget
from batchveo.engine.coordinator import Coordinator
from batchveo.engine.input_addresses import BucketOpener
from batchveo.engine.key_limits import Label
from batchveo.engine.lifecycle import single_error
from batchveo.engine.result import RunResult
from batchveo.engine.run_context import RunSpec
from batchveo.engine.signals import stop_signals
from batchveo.engine.stages.clip_inspector import ClipInspector
from batchveo.engine.worker import Worker
from batchveo.provider import ApiClient, VideoClient
from batchveo.storage.base import Disk, in_thread
from batchveo.storage.objects import open_objects
from batchveo.store import Store


class LocalBroker:
    """A ``Broker`` in the coordinator's process: no call is ever lost."""

    def __init__(self, coordinator: Coordinator, worker: str, clock: Clock) -> None:
        self._coordinator = coordinator
        self._worker = worker
        self.clock = clock
        coordinator.add_worker(worker)

    async def claim(self) -> Job:
        """See ``Broker``."""
        (job,) = await self._coordinator.claim(self._worker)
        return job

    async def mark_sent(self, job: Job) -> None:
        """See ``Broker``."""
        await self._coordinator.mark_sent(self._worker, job)

    async def record_outcome(self, job: Job, outcome: Outcome, *, aside: bool = False) -> Job:
        """See ``Broker``."""
        return await self._coordinator.record_outcome(self._worker, job, outcome, aside=aside)

    async def take_over(self) -> Sequence[Job]:
        """See ``Broker``."""
        return await self._coordinator.take_over(self._worker)

    async def read_input_file(self, sha256: str) -> tuple[str, bytes]:
        """See ``Broker``."""
        return await self._coordinator.read_input_file(self._worker, sha256)

    async def begin_upload(self, job: Job, sha256: str) -> str:
        """See ``Broker``."""
        return await self._coordinator.begin_upload(self._worker, job, sha256)

    async def wait_finished(self) -> float:
        """See ``Broker``."""
        await self._coordinator.finished.wait()
        return ShutdownBudget.CALLS

    def send_event(self, event: Event) -> None:
        """See ``Broker``."""
        self._coordinator.send_event(event)


class Run:
    """The run of ``spec`` over an open, locked ``store``. Call ``execute`` once."""

    def __init__(
        self,
        store: Store,
        spec: RunSpec,
        apis: Mapping[Label, ApiClient],
        videos: VideoClient,
        *,
        clock: Clock,
        reporter: Reporter = ignore_event,
        disk: Disk = in_thread,
        clips: ClipInspector | None = None,
        open_bucket: BucketOpener = open_objects,
    ) -> None:
        self._coordinator = Coordinator(
            store, spec, apis, clock=clock, reporter=reporter, clips=clips, open_bucket=open_bucket
        )
        broker = LocalBroker(self._coordinator, "local", clock)
        self._worker = Worker(
            broker,
            apis,
            videos,
            spec.settings,
            durations=spec.durations,
            disk=disk,
            catalog=spec.service.catalog,
            open_bucket=open_bucket,
        )

    async def execute(self) -> RunResult:
        """Run to the end; raises only for bugs."""
        with stop_signals() as signals, single_error():
            async with anyio.create_task_group() as watch:
                if signals is not None:
                    watch.start_soon(self._handle_signals, signals)
                result = await self._coordinator.execute(self._worker.run)
                watch.cancel_scope.cancel()
        return result

    async def _handle_signals(self, signals: AsyncIterator[signal.Signals]) -> None:
        interrupted = False
        async for received in signals:
            if interrupted:
                self._worker.cancel()
            else:
                self._coordinator.interrupt(received)
            interrupted = True
