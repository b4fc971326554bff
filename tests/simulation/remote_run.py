"""A run whose workers are elsewhere: each of them, the wire and the coordinator may fail without the others."""

from __future__ import annotations

import random
from collections import Counter as Counted
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Any

import anyio
import httpx

from batchveo.core.durations import Durations
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.settings import RunSettings
from batchveo.engine.broker import Fenced
from batchveo.engine.cluster.call_server import CallServer
from batchveo.engine.cluster.protocol import Answer, Call, Method, Unreachable
from batchveo.engine.cluster.remote_broker import RemoteBroker
from batchveo.engine.run_context import RunSpec
from batchveo.engine.worker import Worker
from batchveo.operations.prices import fetch_prices
from batchveo.operations.recovery import recover_videos
from batchveo.provider import ApiClient, ApiKey, NamedKey, VideoClient
from batchveo.provider import service as services
from batchveo.storage.base import at_once
from tests.helpers.faulty_wire import Died, Life, Wire, WireFaults
from tests.helpers.restartable_coordinator import CoordinatorProcess, CoordinatorSetup
from tests.helpers.virtual_run import BASE_URL, Night
from tests.simulation.observer import ACTOR, Crash, Observer, name_state

LONGEST_FREEZE = 200.0
SILENT_SECONDS = 60.0
"""After which a worker of whom nothing is heard is taken for dead."""
STATES_OF_STEPS = {
    JobState.SUBMITTING: "sent",
    JobState.GENERATING: "generating",
    JobState.DOWNLOADING: "downloading",
}
"""The state of a job whose step a worker hands in."""


class Mishap(Enum):
    """What befalls a worker or the coordinator."""

    DEATH = "its process ends; whoever runs the workers hears of it after a while"
    ZOMBIE = "it is taken for dead, and lives"
    FREEZE = "nothing moves in it for a while"
    RESTART = "the coordinator dies, and another takes its place after a while"


@dataclass(frozen=True, kw_only=True)
class Fate:
    """``what`` happens to the worker in ``slot``, for ``seconds``, ``at`` so many seconds into the run.

    Or so many after call number ``nth`` of the kind ``method`` was carried out, to the worker whose call it was: the
    moments that matter are short.
    """

    at: float
    what: Mishap
    slot: int
    seconds: float
    method: Method | None = None
    nth: int = 0


@dataclass(frozen=True, kw_only=True)
class RemotePlan:
    """What the seed decided about workers elsewhere."""

    workers: int
    wire_faults: WireFaults
    fates: tuple[Fate, ...]
    keys: tuple[tuple[str, int], ...]
    """Labels of the API keys, each with how many may be in flight with it."""
    latency: float
    """Of the service, in seconds: how long a submit is under way."""

    def list_keys(self) -> list[NamedKey]:
        """The API keys themselves."""
        return [NamedKey(name=name, key=ApiKey(f"sk-{name}"), concurrency=places) for name, places in self.keys]

    @property
    def longest_freeze(self) -> float:
        return max((fate.seconds for fate in self.fates if fate.what is Mishap.FREEZE), default=0.0)


def far_of(rng: random.Random) -> RemotePlan:
    """Workers elsewhere, and what becomes of them."""
    workers = rng.randint(1, 3)
    rough = rng.choice([0.0, 0.5, 1.0])
    wire_faults = WireFaults(
        lose_call=0.15 * rough,
        lose_answer=0.15 * rough,
        silence=rng.choice([0.0, 0.1, 0.5]),
        repeat=0.3 * rough,
        straggle=rng.choice([1.0, 90.0]),
        delay=rng.choice([0.0, 0.2, 3.0, 9.0]),
    )
    fates = tuple(_fate_of(rng, workers) for _ in range(rng.choice([0, 1, 3, 8])))
    keys = tuple((name, rng.randint(1, 4)) for name in "abc"[: rng.choice([1, 1, 2, 3])])
    latency = rng.choice([0.1, 2.0, 8.0])
    return RemotePlan(workers=workers, wire_faults=wire_faults, fates=fates, keys=keys, latency=latency)


def _fate_of(rng: random.Random, workers: int) -> Fate:
    aimed = rng.random() < 0.7
    return Fate(
        at=rng.choice([0.0, 0.01, 1.0, 3.0] if aimed else [0.0, 0.3, 3.0, 20.0, 60.0, 120.0]),
        what=rng.choice(list(Mishap)),
        slot=rng.randrange(workers),
        seconds=rng.choice([0.0, 1.0, 10.0, 90.0, LONGEST_FREEZE]),
        method=rng.choice([Method.CLAIM, Method.MARK_SENT, Method.MARK_SENT, Method.RECORD]) if aimed else None,
        nth=rng.randint(1, 6),
    )


class RemoteRun:
    """One run. ``calm``: no worker and no coordinator fails any more, whatever the wire does."""

    def __init__(
        self,
        night: Night,
        observer: Observer,
        remote: RemotePlan,
        seed: int,
        settings: RunSettings,
        *,
        calm: bool,
    ) -> None:
        self._night = night
        self._observer = observer
        self._remote = remote
        self._settings = settings
        self._rng = random.Random(seed)
        self._calm = calm
        self._keys = remote.list_keys()
        self._lives: dict[int, tuple[str, Life]] = {}
        self._killed = False
        self._process: CoordinatorProcess | None = None
        self._server: _Guarded | None = None
        self._at_work = remote.workers
        self._all_ended = anyio.Event()
        self._carried_out: Counted[Method] = Counted()

    async def live(
        self,
        jobs: Sequence[JobSpec] | None,
        *,
        kill_after: float | None = None,
        dying: Callable[[], None] = lambda: None,
    ) -> None:
        """Run to the end, or until everything dies at once; ``dying`` is called just before.

        ``jobs`` ``None`` resumes.
        """
        self._observer.is_given_up = self._is_given_up
        async with self._apis(self._night.open_transport()) as apis:
            setup = await self._plans(jobs, apis)
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                self._wire = Wire(tasks, lambda: self._server, self._remote.wire_faults, seed=self._rng.random())
                self._wire.struck = self._note_wire
                for slot in range(self._remote.workers):
                    tasks.start_soon(self._slot, slot)
                if kill_after is not None:
                    tasks.start_soon(self._kill, kill_after, dying)
                if not self._calm:
                    self._wire.watch = self._watched
                    for fate in self._remote.fates:
                        if fate.method is None:
                            tasks.start_soon(self._befall, fate, fate.slot)
                tasks.start_soon(self._watch)
                await self._heads(setup)
                tasks.cancel_scope.cancel()

    @asynccontextmanager
    async def _apis(self, wire: httpx.AsyncBaseTransport) -> AsyncIterator[dict[str, ApiClient]]:
        apis = {key.name: ApiClient(key.key, base_url=BASE_URL, transport=wire) for key in self._keys}
        for api in apis.values():
            await api.__aenter__()
        yield apis

    async def _plans(self, jobs: Sequence[JobSpec] | None, apis: dict[str, ApiClient]) -> CoordinatorSetup:
        night = self._night
        with self._observer.resting(), night.store() as store:
            run = store.runs.begin_run(command="run", service=BASE_URL, now=night.clock.now())
            if jobs is None:
                store.runs.take_on_all(run)
                to_judge = None
            else:
                to_judge = store.imports.add_jobs(jobs, run=run, now=night.clock.now()).to_judge
            output = self._settings.output
            await recover_videos(store, output, run=run, now=night.clock.now(), sandbox=False, disk=at_once)
            models = {*store.queries.list_pending_models(run), *store.queries.list_unreserved_models()}
            prices = await fetch_prices(next(iter(apis.values())), sorted(models))
        return CoordinatorSetup(
            path=night.state,
            spec=RunSpec(
                run=run,
                begun=night.clock.now(),
                settings=self._settings,
                service=services.Service(base_url=BASE_URL, keys=tuple(self._keys)),
                prices=prices,
                to_judge=to_judge,
            ),
            clock=night.clock,
            apis=apis,
            workers=self._remote.workers,
            events=night.events,
            clips=night.clips,
            open_bucket=night.bucket.open,
        )

    # -- the coordinator, and those that take its place

    async def _heads(self, setup: CoordinatorSetup) -> None:
        while True:
            self._observer.begin_process()
            process = self._process = CoordinatorProcess(setup)
            self._server = _Guarded(process)
            try:
                await process.live(self._all_ended.wait)
            except BaseException as error:  # noqa: BLE001 - what is no crash goes on
                only_crashes(error)
                process.kill()
            self._server = None
            if self._killed or not process.dead:
                return
            await anyio.sleep(self._rng.choice([0.0, 2.0, 40.0]))
            if self._killed:
                return

    async def _kill(self, after: float, dying: Callable[[], None]) -> None:
        """Everything dies at once."""
        await anyio.sleep(after)
        dying()
        self._killed = True
        for _, life in self._lives.values():
            life.end()
        if self._process is not None:
            self._process.kill()

    # -- the workers, each in a slot, and those that take their place

    async def _slot(self, slot: int) -> None:
        for number in count():
            name, life = f"{slot}.{number}", Life()
            self._lives[slot] = name, life
            if await self._lived(name, life) or self._killed:
                break
            self._tasks.start_soon(self._noticed, name)
        self._at_work -= 1
        if not self._at_work:
            self._all_ended.set()

    async def _lived(self, name: str, life: Life) -> bool:
        """Live one worker's life; tells whether its work is done."""
        broker = RemoteBroker(name, self._wire.end(life), report_lost=lambda words: None)
        kept = _Kept(life, self._night.open_transport(name))
        acting = ACTOR.set(name)
        try:
            with life.scope:
                await broker.join_run()
                async with self._apis(kept) as apis, VideoClient(loopback=True, transport=kept) as videos:
                    worker = Worker(
                        broker,
                        apis,
                        videos,
                        self._settings,
                        durations=Durations(),
                        disk=at_once,
                        open_bucket=self._night.bucket.open,
                    )
                    await worker.run()
                return not broker.is_fenced
        except Fenced:
            return False
        except BaseException as error:  # noqa: BLE001 - what is no crash goes on
            only_crashes(error)
            life.end()
        finally:
            ACTOR.reset(acting)
        return False

    async def _noticed(self, name: str) -> None:
        await anyio.sleep(self._rng.choice([0.0, 5.0, 60.0]))
        self._give_up(name)

    def _give_up(self, name: str) -> None:
        acting = ACTOR.set("")  # the coordinator acts, whoever the news came from
        if self._server is not None:
            self._server.give_up(name)
        ACTOR.reset(acting)

    def _is_given_up(self, name: str) -> bool:
        """Whether the coordinator, if there is one, does not count on this worker."""
        process = self._process
        return process is None or process.dead or name not in process.coordinator._assignments

    def _note_mishap(self, fault: str, name: str) -> None:
        """``fault`` befalls a worker with all jobs in its hands."""
        if not self._is_given_up(name) and self._process is not None:
            store = self._process.store
            for seq in self._process.coordinator._assignments._held[name]:
                job = store.queries.read_job(seq)
                self._observer.note_fault(fault, job.id, name_state(store.transitions, job))

    def _note_wire(self, fault: str, call: Call) -> None:
        """``fault`` befalls a call, and the job that it is about."""
        if self._is_given_up(call.worker):
            return
        if call.method is Method.CLAIM and fault != "call-lost":
            self._observer.note_fault(fault, "", "pending")
        elif call.method in (Method.MARK_SENT, Method.RECORD):
            job = call.arguments[0]
            assert isinstance(job, Job)
            state = "claimed" if call.method is Method.MARK_SENT else STATES_OF_STEPS.get(job.state)
            if state is not None:
                self._observer.note_fault(fault, job.id, state)

    async def _watch(self) -> None:
        """Take for dead whoever is silent."""
        while True:
            await anyio.sleep(SILENT_SECONDS / 3)
            if self._process is not None and not self._process.dead:
                for name in self._process.coordinator.find_silent(seconds=SILENT_SECONDS):
                    self._give_up(name)

    def _watched(self, call: Call) -> None:
        self._carried_out[call.method] += 1
        for fate in self._remote.fates:
            if (fate.method, fate.nth) == (call.method, self._carried_out[call.method]):
                self._tasks.start_soon(self._befall, fate, int(call.worker.split(".")[0]))

    async def _befall(self, fate: Fate, slot: int) -> None:
        await anyio.sleep(fate.at)
        name, life = self._lives[slot]
        if fate.what is not Mishap.RESTART and not life.dead:
            self._note_mishap(fate.what.name.lower(), name)
        match fate.what:
            case Mishap.DEATH:
                life.end()
            case Mishap.ZOMBIE:
                self._give_up(name)
            case Mishap.FREEZE:
                life.freeze()
                await anyio.sleep(fate.seconds)
                life.thaw()
            case Mishap.RESTART:
                if self._process is not None:
                    self._process.kill()


class _Guarded(CallServer):
    """A process's server; where it crashes, the whole process does."""

    def __init__(self, process: CoordinatorProcess) -> None:
        self._process = process

    async def answer_call(self, call: Call) -> Answer:
        ACTOR.set(call.worker)  # each call arrives in a task of its own
        try:
            return await self._process.server.answer_call(call)
        except BaseException as error:
            if isinstance(error, anyio.get_cancelled_exc_class()):
                raise
            only_crashes(error)
            self._process.kill()
            raise Unreachable from None

    def give_up(self, name: str) -> None:
        try:
            self._process.give_up(name)
        except Crash:
            self._process.kill()


class _Kept(httpx.AsyncBaseTransport):
    """A worker's way to the service: shut while it is frozen."""

    def __init__(self, life: Life, inner: httpx.AsyncBaseTransport) -> None:
        self._life = life
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._life.awake()
        response = await self._inner.handle_async_request(request)
        await self._life.awake()
        return response


def only_crashes(error: BaseException) -> None:
    """Raise what is in ``error`` besides the deaths that were planned."""
    if isinstance(error, BaseExceptionGroup):
        rest: Any = error.split((Crash, Died, anyio.get_cancelled_exc_class()))[1]
        if rest is not None:
            raise rest
    elif not isinstance(error, Crash | Died):
        raise error
