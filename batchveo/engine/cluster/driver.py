"""A run over a state, spread over a cluster: this process starts the others, and watches over them."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import anyio

from batchveo.core.errors import ClusterTrouble, StateLocked, StoppedEarly
from batchveo.core.events import Event, Message, Reporter, RunFinished, RunStarted, ignore_event
from batchveo.core.settings import Cluster, RunSettings
from batchveo.core.shutdown import ShutdownBudget
from batchveo.engine.cluster.backend import ActorBackend, ActorLost
from batchveo.engine.cluster.coordinator_client import CoordinatorClient
from batchveo.engine.cluster.process_spec import ProcessSpec
from batchveo.engine.cluster.protocol import LONG_POLL_SECONDS
from batchveo.engine.cluster.shared_folder import marked
from batchveo.engine.cluster.worker_pool import WorkerPool, tag_of
from batchveo.engine.lifecycle import single_error
from batchveo.engine.result import RunResult
from batchveo.engine.run_lock import hold
from batchveo.engine.signals import stop_signals
from batchveo.engine.spec import RunSpec
from batchveo.storage.video_file import remove_parts
from batchveo.store import Store

AGAIN_SECONDS = 1.0
"""After which a coordinator that was lost is asked again."""
LOSSES_BORNE = 10
"""How often in a row a coordinator may be lost within ``SHORT_LIFE_SECONDS`` of its start."""
SHORT_LIFE_SECONDS = 60.0
LAST_NEWS_SECONDS = 2.0
NEWS_GAP_SECONDS = 0.1
"""For which news gathers: a call to the coordinator costs it more than what it carries."""
RELEASE_SECONDS = 5.0
"""How long the state may take to be free, once the coordinator has ended."""
SLOW_COORDINATOR = 2.0
"""How many times the silence that a worker may keep, the coordinator may."""


class ClusterRun:
    """The run of ``spec`` over an open, locked ``store``. Call ``execute`` once.

    The lock goes to the coordinator's process, and comes back. Deaths of workers, nodes and the coordinator cost
    time and nothing else; what dies with this process is found again by the next run.
    """

    def __init__(
        self,
        store: Store,
        spec: RunSpec,
        engine: ActorBackend,
        cluster: Cluster,
        *,
        reporter: Reporter = ignore_event,
    ) -> None:
        self._store = store
        self._engine = engine
        self._silence = cluster.silence
        self._workers = cluster.workers_on(engine.nodes)
        self._output = _folder(spec.settings)
        self._assignment = ProcessSpec(
            state=store.path.absolute(),
            spec=spec,
            brief=replace(spec, settings=_share(spec.settings, self._workers)),
            workers=self._workers,
            hold=min(LONG_POLL_SECONDS, cluster.silence / 3),
        )
        self._reporter = reporter
        self._begun_at = anyio.current_time()
        self._began = False
        self._ended = anyio.Event()
        self._interrupted: signal.Signals | None = None
        self._lost: ClusterTrouble | None = None
        self._working = anyio.CancelScope()
        self._shutdown: ShutdownBudget | None = None

    async def execute(self) -> RunResult:
        """Run to the end; raises for bugs, ``StateLocked``, and ``StoppedEarly`` where nothing could begin."""
        tag = tag_of(self._store.path)
        self._store.runs.release_lock()
        with stop_signals() as signals, single_error():
            result = await self._executed(signals, tag)
        with suppress(StateLocked):  # else there is a run already that does the rest
            await hold(self._store, patience=self._release_seconds())
            if self._output is not None:
                remove_parts(self._output, f"{tag}-")
        return result

    async def _executed(self, signals: AsyncIterator[signal.Signals] | None, tag: str) -> RunResult:
        coordinator = CoordinatorClient(await self._engine.coordinator())
        with marked(self._output, tag) if self._output is not None else nullcontext() as marker:
            pool = WorkerPool(self._engine, coordinator, marker=marker, tag=tag, report=self._report)
            try:
                return await self._watched(signals, coordinator, pool)
            finally:
                if self._lost is None:  # else nobody is left who could do it, and they end by themselves
                    pool.kill_all()
                    coordinator.actor.kill()

    async def _watched(
        self, signals: AsyncIterator[signal.Signals] | None, coordinator: CoordinatorClient, pool: WorkerPool
    ) -> RunResult:
        result: RunResult | None = None
        async with anyio.create_task_group() as tasks:
            if signals is not None:
                tasks.start_soon(self._listen, signals, coordinator)
            tasks.start_soon(self._mind, coordinator)
            with self._working:
                self._say_who_works(await pool.open(self._workers))
                tasks.start_soon(self._relay, coordinator)
                tasks.start_soon(self._watch, coordinator, pool)
                for _ in range(self._workers):
                    tasks.start_soon(pool.keep)
                result = await self._coordinated(coordinator)
                with anyio.move_on_after(LAST_NEWS_SECONDS):
                    await self._ended.wait()
            tasks.cancel_scope.cancel()
        return result or self._cut_off(self._lost)

    def _say_who_works(self, started: int) -> None:
        machines = self._engine.nodes
        of = "" if started == self._workers else f" of {self._workers}"
        places = "1 machine" if machines == 1 else f"{machines} machines"
        self._report(Message(text=f"{started}{of} workers have started, on {places}", warning=bool(of)))

    # -- the coordinator

    async def _coordinated(self, coordinator: CoordinatorClient) -> RunResult | None:
        """The result of a coordinator that lives long enough to have one; ``None`` for a run cut off."""
        losses = 0
        while True:
            begun = anyio.current_time()
            try:
                return await coordinator.run(self._assignment)
            except ActorLost as error:
                if self._interrupted is not None or self._lost is not None:
                    return None
                losses = losses + 1 if anyio.current_time() - begun < SHORT_LIFE_SECONDS else 1
                if losses > LOSSES_BORNE:
                    return self._cut_off(ClusterTrouble(f"the coordinator is lost again and again: {error}"))
                self._report(Message(text=f"the coordinator was lost, and starts again: {error}", warning=True))
                await anyio.sleep(AGAIN_SECONDS)

    async def _watch(self, coordinator: CoordinatorClient, pool: WorkerPool) -> None:
        """Give up who is silent: a process that hangs or is frozen is not noticed by anyone else."""
        while True:
            await anyio.sleep(self._silence / 4)
            names = []
            try:
                with anyio.fail_after(self._silence * SLOW_COORDINATOR):
                    names = list(await coordinator.silent(pool.at_work, self._silence))
            except TimeoutError:
                self._report(Message(text="the coordinator is silent; it is started again", warning=True))
                coordinator.actor.kill(again=True)
            except ActorLost:
                continue
            for name in names:
                await pool.give_up(name)

    async def _mind(self, coordinator: CoordinatorClient) -> None:
        """End the run where the engine is lost; that would end this process by and by, without a word of ours."""
        self._lost = ClusterTrouble(await self._engine.gone())
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

    def _cut_off(self, why: StoppedEarly | None) -> RunResult:
        """How a run stands whose coordinator can tell nothing more; its state holds all that counts."""
        status = why.exit_status if why else 128 + (self._interrupted or signal.SIGINT)
        run = self._assignment.spec.run
        seconds = anyio.current_time() - self._begun_at
        if not self._ended.is_set():
            self._report(
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

    async def _listen(self, signals: AsyncIterator[signal.Signals], coordinator: CoordinatorClient) -> None:
        async with anyio.create_task_group() as tasks:
            async for received in signals:
                if self._interrupted is not None:
                    self._working.cancel()
                    return
                self._interrupted = received
                self._begin_shutdown()
                tasks.start_soon(coordinator.interrupt, received)

    async def _relay(self, coordinator: CoordinatorClient) -> None:
        """Hand on what the coordinator tells, each event once."""
        edition, number = "", 0
        while not self._ended.is_set():
            bulletin = await coordinator.news(edition, number)
            missed = bulletin.first - (number if bulletin.edition == edition else 0)
            if missed:
                self._report(Message(text=f"{missed:,} events came too fast to be shown"))
            for event in bulletin.events:
                self._report(event)
            edition, number = bulletin.edition, bulletin.first + len(bulletin.events)
            await anyio.sleep(NEWS_GAP_SECONDS)

    def _report(self, event: Event) -> None:
        if isinstance(event, RunStarted):  # a coordinator that started anew says it once more
            if self._began:
                return
            self._began = True
        with suppress(Exception):  # the troubles of those who watch are theirs
            self._reporter(event)
        if isinstance(event, RunFinished):
            self._ended.set()


def _share(settings: RunSettings, workers: int) -> RunSettings:
    """What one worker of so many may do of the polls; its folder is the same wherever it runs."""
    share = None if settings.poll_interval else settings.polls_per_second / workers
    return replace(settings, output=_folder(settings) or settings.output, poll_rate=share)


def _folder(settings: RunSettings) -> Path | None:
    """The folder that all workers have to see; ``None`` where there is none."""
    return settings.output.absolute() if isinstance(settings.output, Path) else None
