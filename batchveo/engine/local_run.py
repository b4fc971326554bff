"""One run over a state, on this machine: a coordinator with one worker, which stop signals end well."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Mapping

import anyio

from batchveo.core.clock import Clock
from batchveo.core.events import Reporter, ignore_event
from batchveo.engine.coordinator import Coordinator
from batchveo.engine.lifecycle import single_error
from batchveo.engine.local_broker import LocalBroker
from batchveo.engine.per_key import Label
from batchveo.engine.result import RunResult
from batchveo.engine.signals import stop_signals
from batchveo.engine.spec import RunSpec
from batchveo.engine.worker import Worker
from batchveo.provider import ApiClient, VideoClient
from batchveo.storage.base import Disk, in_thread
from batchveo.store import Store


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
    ) -> None:
        self._coordinator = Coordinator(store, spec, apis, clock=clock, reporter=reporter)
        broker = LocalBroker(self._coordinator, "local", clock)
        self._worker = Worker(broker, apis, videos, spec.settings, durations=spec.durations, disk=disk)

    async def execute(self) -> RunResult:
        """Run to the end; raises only for bugs."""
        with stop_signals() as signals, single_error():
            async with anyio.create_task_group() as watch:
                if signals is not None:
                    watch.start_soon(self._listen, signals)
                result = await self._coordinator.execute(self._worker.run)
                watch.cancel_scope.cancel()
        return result

    async def _listen(self, signals: AsyncIterator[signal.Signals]) -> None:
        interrupted = False
        async for received in signals:
            if interrupted:
                self._worker.cancel()
            else:
                self._coordinator.interrupt(received)
            interrupted = True
