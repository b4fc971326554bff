"""The driver of a run on a cluster: starts the coordinator and the workers, and replaces what is lost."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import anyio

from batchveo.core.errors import ClusterTrouble, StateLocked, StoppedEarly
from batchveo.core.events import Event, Reporter, RunFinished, RunStarted, ignore_event
from batchveo.core.hooks import Hooks
from batchveo.core.notices import CoordinatorLost, CoordinatorSilent, EventsMissed, WorkersStarted
from batchveo.core.settings import Cluster, RunSettings
from batchveo.core.shutdown import ShutdownBudget
from batchveo.engine.cluster.coordinator_actor import CoordinatorClient, ProcessSpec
from batchveo.engine.cluster.protocol import LONG_POLL_SECONDS, ActorBackend, ActorLost
from batchveo.engine.cluster.shared_folder import place_marker
from batchveo.engine.cluster.worker_pool import WorkerPool, make_tag
from batchveo.engine.lifecycle import acquire_lock, single_error
from batchveo.engine.result import RunResult
from batchveo.engine.run_context import RunSpec
from batchveo.engine.signals import stop_signals
from batchveo.storage.video_file import remove_parts
from batchveo.store import Store

AGAIN_SECONDS = 1.0
"""Seconds until a coordinator that was lost is called again."""
LOSSES_BORNE = 10
"""How often in a row a coordinator may be lost within ``SHORT_LIFE_SECONDS`` of its start."""
SHORT_LIFE_SECONDS = 60.0
LAST_EVENTS_SECONDS = 2.0
EVENTS_GAP_SECONDS = 0.1
"""Seconds between two calls for events: a call costs the coordinator more than the events in it."""
RELEASE_SECONDS = 5.0
"""Seconds to wait for the run lock after the coordinator has ended."""
SLOW_COORDINATOR = 2.0
"""How many times longer than a worker the coordinator may be silent."""


class ClusterRun:
    """The run of ``spec`` over an open, locked ``store``. Call ``execute`` once.

    The lock goes to the coordinator's process, and comes back. Deaths of workers, nodes and the coordinator cost
    time and nothing else; what dies with this process is found again by the next run.
    """

    def __init__(
        self,
        store: Store,
        spec: RunSpec,
        backend: ActorBackend,
        cluster: Cluster,
        *,
        reporter: Reporter = ignore_event,
    ) -> None:
        self._store = store
        self._backend = backend
        self._silence = cluster.silence
        self._workers = cluster.workers_on(backend.nodes)
        self._output = _find_folder(spec.settings)
        self._process_spec = ProcessSpec(
            state=store.path.absolute(),
            spec=spec,
            worker_spec=replace(
                spec,
                settings=replace(spec.settings, output=_find_folder(spec.settings) or spec.settings.output),
                poll_share=1 / self._workers,
                hooks=Hooks(),  # the coordinator's alone: an address may be secret
            ),
            workers=self._workers,
            hold=min(LONG_POLL_SECONDS, cluster.silence / 3),
        )
        self._reporter = reporter
        self._begun_at = anyio.current_time()
        self._has_begun = False
        self._ended = anyio.Event()
        self._interrupted: signal.Signals | None = None
        self._lost: ClusterTrouble | None = None
        self._working = anyio.CancelScope()
        self._shutdown: ShutdownBudget | None = None

    async def execute(self) -> RunResult:
        """Run to the end; raises ``StateLocked``, ``StoppedEarly`` if nothing could begin, and bugs."""
        tag = make_tag(self._store.path)
        self._store.runs.release_lock()
        with stop_signals() as signals, single_error():
            result = await self._run_processes(signals, tag)
        with suppress(StateLocked):  # else another run has begun, and cleans up at its end
            await acquire_lock(self._store, patience=self._release_seconds())
            if self._output is not None:
                remove_parts(self._output, f"{tag}-")
        return result

    async def _run_processes(self, signals: AsyncIterator[signal.Signals] | None, tag: str) -> RunResult:
        coordinator = CoordinatorClient(await self._backend.start_coordinator())
        with place_marker(self._output, tag) if self._output is not None else nullcontext() as marker:
            pool = WorkerPool(self._backend, coordinator, marker=marker, tag=tag, report=self._report_event)
            try:
                return await self._run_workers(signals, coordinator, pool)
            finally:
                if self._lost is None:  # else the cluster is gone, and they end by themselves
                    pool.kill_all()
                    coordinator.actor.kill()

    async def _run_workers(
        self, signals: AsyncIterator[signal.Signals] | None, coordinator: CoordinatorClient, pool: WorkerPool
    ) -> RunResult:
        result: RunResult | None = None
        async with anyio.create_task_group() as tasks:
            if signals is not None:
                tasks.start_soon(self._handle_signals, signals, coordinator)
            tasks.start_soon(self._watch_backend, coordinator)
            with self._working:
                self._report_workers(await pool.start_workers(self._workers))
                tasks.start_soon(self._relay_events, coordinator)
                tasks.start_soon(self._watch_workers, coordinator, pool)
                for _ in range(self._workers):
                    tasks.start_soon(pool.keep_worker)
                result = await self._run_coordinator(coordinator)
                with anyio.move_on_after(LAST_EVENTS_SECONDS):
                    await self._ended.wait()
            tasks.cancel_scope.cancel()
        return result or self._make_result(self._lost)

    def _report_workers(self, started: int) -> None:
        is_short = started != self._workers
        self._report_event(
            WorkersStarted(started=started, wanted=self._workers, machines=self._backend.nodes, warning=is_short)
        )

    # -- the coordinator

    async def _run_coordinator(self, coordinator: CoordinatorClient) -> RunResult | None:
        """Run the coordinator, again if it is lost; ``None`` if the run is cut off."""
        losses = 0
        while True:
            begun = anyio.current_time()
            try:
                return await coordinator.run(self._process_spec)
            except ActorLost as error:
                if self._interrupted is not None or self._lost is not None:
                    return None
                losses = losses + 1 if anyio.current_time() - begun < SHORT_LIFE_SECONDS else 1
                if losses > LOSSES_BORNE:
                    return self._make_result(ClusterTrouble(f"the coordinator is lost again and again: {error}"))
                self._report_event(CoordinatorLost(error=str(error)))
                await anyio.sleep(AGAIN_SECONDS)

    async def _watch_workers(self, coordinator: CoordinatorClient, pool: WorkerPool) -> None:
        """Give up silent workers: Ray does not notice a process that hangs or is frozen."""
        while True:
            await anyio.sleep(self._silence / 4)
            names = []
            try:
                with anyio.fail_after(self._silence * SLOW_COORDINATOR):
                    names = list(await coordinator.find_silent(pool.at_work, self._silence))
            except TimeoutError:
                self._report_event(CoordinatorSilent())
                coordinator.actor.kill(again=True)
            except ActorLost:
                continue
            for name in names:
                await pool.remove_silent(name)

    async def _watch_backend(self, coordinator: CoordinatorClient) -> None:
        """End the run if the cluster is lost; Ray would end this process later, without a message."""
        self._lost = ClusterTrouble(await self._backend.wait_lost())
        self._begin_shutdown()
        await coordinator.stop(self._lost)  # the coordinator may be there yet

    def _begin_shutdown(self) -> None:
        """Give the run until the end of the shutdown that begins now, unless it had less already."""
        shutdown = self._shutdown = self._shutdown or ShutdownBudget(anyio.current_time())
        self._working.deadline = min(self._working.deadline, shutdown.find_deadline(shutdown.EXIT))

    def _release_seconds(self) -> float:
        """How long to wait for the lock; after a stop signal no longer than is left."""
        if self._interrupted is None or self._shutdown is None:
            return RELEASE_SECONDS
        return min(RELEASE_SECONDS, self._shutdown.count_seconds(ShutdownBudget.ALL, now=anyio.current_time()))

    def _make_result(self, why: StoppedEarly | None) -> RunResult:
        """The result of a run whose coordinator no longer answers, by the database."""
        status = why.exit_status if why else 128 + (self._interrupted or signal.SIGINT)
        run = self._process_spec.spec.run
        seconds = anyio.current_time() - self._begun_at
        if not self._ended.is_set():
            self._report_event(
                RunFinished(run=run, exit_status=status, seconds=seconds, stopped=None if why is None else str(why))
            )
        return RunResult(
            run=run,
            counts=self._store.counts(run=run),
            exit_status=status,
            stopped=why,
            interrupted=self._interrupted,
            seconds=seconds,
        )

    # -- signals and news

    async def _handle_signals(self, signals: AsyncIterator[signal.Signals], coordinator: CoordinatorClient) -> None:
        async with anyio.create_task_group() as tasks:
            async for received in signals:
                if self._interrupted is not None:
                    self._working.cancel()
                    return
                self._interrupted = received
                self._begin_shutdown()
                tasks.start_soon(coordinator.interrupt, received)

    async def _relay_events(self, coordinator: CoordinatorClient) -> None:
        """Report the coordinator's events, each once."""
        edition, number = "", 0
        while not self._ended.is_set():
            batch = await coordinator.read_events(edition, number)
            missed = batch.first - (number if batch.edition == edition else 0)
            if missed:
                self._report_event(EventsMissed(events=missed))
            for event in batch.events:
                self._report_event(event)
            edition, number = batch.edition, batch.first + len(batch.events)
            await anyio.sleep(EVENTS_GAP_SECONDS)

    def _report_event(self, event: Event) -> None:
        if isinstance(event, RunStarted):  # a coordinator that restarted emits it again
            if self._has_begun:
                return
            self._has_begun = True
        with suppress(Exception):  # an error of the reporter never ends the run
            self._reporter(event)
        if isinstance(event, RunFinished):
            self._ended.set()


def _find_folder(settings: RunSettings) -> Path | None:
    """The folder that all workers have to see; ``None`` for a bucket."""
    return settings.output.absolute() if isinstance(settings.output, Path) else None
