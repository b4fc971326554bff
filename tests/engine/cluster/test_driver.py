"""The driver on virtual time: what it does about workers and coordinators that die, hang or are refused."""

from __future__ import annotations

import itertools
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from batchveo.core.errors import ClusterTrouble, DiskTrouble, StateLocked
from batchveo.core.events import JobStateChanged, Message, RunFinished, RunStarted
from batchveo.core.hooks import Hooks
from batchveo.core.models import JobSpec, JobState
from batchveo.core.settings import Cluster, RunSettings
from batchveo.engine import coordinator
from batchveo.engine.cluster import ClusterRun
from batchveo.engine.cluster.coordinator_actor import CoordinatorActor, EventBatch
from batchveo.engine.cluster.shared_folder import check_marker
from batchveo.engine.result import RunResult
from batchveo.engine.run_context import RunSpec
from batchveo.operations.clip_rows import describe_job
from batchveo.provider import ApiKey
from batchveo.provider.service import Service
from batchveo.sandbox import Settings
from batchveo.store import Store
from tests.helpers.fake_backend import FakeBackend
from tests.helpers.fake_clips import FakeClips
from tests.helpers.virtual_run import BASE_URL, Night, specs
from tests.simulation.chains import BY_URL, SHAPES, check_sent, make_chains

pytestmark = pytest.mark.anyio
Execute = Callable[[], Awaitable[RunResult]]
JOBS = 40


class ClusterNight(Night):
    """A ``Night`` whose runs use a cluster in this process."""

    @asynccontextmanager
    async def spread(
        self, jobs: Sequence[JobSpec] = (), **settings: Any
    ) -> AsyncIterator[tuple[FakeBackend, Callable[[], Awaitable[RunResult]]]]:
        """The engine of a run, and the run itself; ``jobs`` are single ones if none are given."""
        output = self.folder / "videos"
        output.mkdir(exist_ok=True)
        chosen = RunSettings(output=output, **{"poll_rate": self.poll_rate, **settings})
        async with anyio.create_task_group() as tasks:
            engine = FakeBackend(self.service, self.clock, tasks)
            with self.store() as store:
                store.runs.acquire_lock()
                number = store.runs.begin_run(command="run", service=BASE_URL, now=self.clock.now())
                store.imports.add_jobs(jobs or specs(JOBS), run=number, now=self.clock.now())
                using = Service(base_url=BASE_URL, key=ApiKey("a-secret-key"))
                store.deliveries.set_hooks(self.hooks.kinds)
                spec = RunSpec(
                    run=number,
                    begun=self.clock.now(),
                    settings=chosen,
                    service=using,
                    hooks=self.hooks,
                    describe_job=describe_job,
                )
                yield engine, ClusterRun(store, spec, engine, Cluster(), reporter=self.events.append).execute
            tasks.cancel_scope.cancel()

    async def struck(
        self, strike: Callable[[FakeBackend], None], jobs: Sequence[JobSpec] = (), **settings: Any
    ) -> RunResult:
        """A run in whose middle ``strike`` is called."""
        result: list[RunResult] = []
        async with self.spread(jobs, settle=300.0, **settings) as (engine, execute), anyio.create_task_group() as tasks:

            async def wait_and_strike() -> None:
                await anyio.sleep(60.0)
                strike(engine)

            tasks.start_soon(wait_and_strike)
            begun = anyio.current_time()
            result.append(await execute())
            self.took = anyio.current_time() - begun
        return result[0]

    took = 0.0

    @property
    def said(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, Message))

    def assert_whole(self) -> None:
        """Each job is there, and was bought once."""
        assert [job.state for job in self.jobs()] == [JobState.SUCCEEDED] * JOBS
        bought = [str(g.client_request_id).split(".")[1] for g in self.service.generations]
        assert sorted(bought) == sorted(job.id for job in self.jobs())
        assert len(list((self.folder / "videos").iterdir())) == 2 * JOBS


@pytest.fixture
def night(tmp_path: Path) -> Callable[..., ClusterNight]:
    """To be made inside the event loop."""
    return lambda **settings: ClusterNight(
        tmp_path, Settings(**{"generation_median": 30.0, "log_lag": 5.0, **settings})
    )


async def test_news_travels_in_bulk(night: Callable[..., ClusterNight], monkeypatch: pytest.MonkeyPatch) -> None:
    """At most ten calls a second ask for it, however much happens."""
    asked: list[float] = []
    news = CoordinatorActor.read_events

    async def counted(self: CoordinatorActor, edition: str, number: int) -> EventBatch:
        asked.append(anyio.current_time())
        return await news(self, edition, number)

    monkeypatch.setattr(CoordinatorActor, "read_events", counted)
    n = night(generation_median=0.05)
    async with n.spread(concurrency=6, poll_interval=0.01) as (_, execute):
        await execute()
    gaps = [later - before for before, later in itertools.pairwise(asked)]
    assert len(gaps) > 1
    assert min(gaps) > 0.099
    assert len([event for event in n.events if isinstance(event, JobStateChanged)]) > 3 * len(asked)


async def test_a_quiet_run(night: Callable[..., ClusterNight]) -> None:
    """Both workers have their share; limits hold over them; every event comes once, in order."""
    n = night()
    async with n.spread(concurrency=6) as (engine, execute):
        result = await execute()
        assert len(engine.workers) == 2
        assert not engine.alive
    assert result.exit_status == 0
    assert n.service.peak_in_flight == 6
    n.assert_whole()
    assert [type(event) for event in n.events].count(RunStarted) == 1
    assert isinstance(n.events[-1], RunFinished)
    assert sum(isinstance(e, JobStateChanged) and e.job.state is JobState.SUCCEEDED for e in n.events) == JOBS


async def test_a_worker_that_dies_is_followed_by_another(night: Callable[..., ClusterNight]) -> None:
    """Whatever it was doing; nothing is bought twice."""
    n = night(latency=2.0)
    assert (await n.struck(lambda engine: engine.alive[0].kill())).exit_status == 0
    assert "was lost" in n.said
    n.assert_whole()


async def test_a_frozen_worker_is_given_up(night: Callable[..., ClusterNight]) -> None:
    """By its silence; nobody else notices. Frozen here: its calls reach nobody any more."""
    n = night()

    def freeze(engine: FakeBackend) -> None:
        worker, coordinator = engine.alive[0], engine.coordinators[0]
        real = coordinator.call_method

        async def call_method(method: str, *arguments: Any) -> object:
            if method == "answer_calls" and arguments[0][0].worker == mute:
                await anyio.sleep_forever()
            return await real(method, *arguments)

        mute = next(iter(coordinator.object._coordinator._assignments._held))
        coordinator.call_method = call_method  # type: ignore[method-assign]
        assert worker is not None

    assert (await n.struck(freeze)).exit_status == 0
    assert "is silent" in n.said
    n.assert_whole()


async def test_a_worker_frozen_before_the_coordinator_died_is_given_up(night: Callable[..., ClusterNight]) -> None:
    """The new coordinator has never heard of it; both workers of this run would be lost."""
    n = night()

    def strike(engine: FakeBackend) -> None:
        coordinator, mute = engine.coordinators[0], set(engine.coordinators[0].object._coordinator._assignments._held)
        real = coordinator.call_method

        async def call_method(method: str, *arguments: Any) -> object:
            if method == "answer_calls" and arguments[0][0].worker in mute:
                await anyio.sleep_forever()
            return await real(method, *arguments)

        coordinator.call_method = call_method  # type: ignore[method-assign]
        coordinator.kill(again=True)

    assert (await n.struck(strike)).exit_status == 0
    assert n.said.count("is silent") == 2
    n.assert_whole()


async def test_a_coordinator_that_dies_starts_anew(night: Callable[..., ClusterNight]) -> None:
    """Its workers are fenced and begin again; the patience with the run counts on."""
    n = night()
    result = await n.struck(lambda engine: engine.coordinators[0].kill(again=True))
    assert result.exit_status == 0
    assert result.seconds > 61
    assert "the coordinator was lost" in n.said
    n.assert_whole()


@pytest.mark.parametrize("victim", ["worker", "coordinator"])
async def test_workers_send_what_the_coordinator_took_from_videos(
    night: Callable[..., ClusterNight], monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    """Frames, addresses and generation ids of chains, whoever made the parent, and whoever dies."""
    monkeypatch.setattr(coordinator, "StoredClips", lambda sidecars: FakeClips())
    n = night(url_ttl=400.0)
    jobs = make_chains([shape for shape in SHAPES if shape != BY_URL] * 2)  # there is no bucket for inputs here

    def strike(engine: FakeBackend) -> None:
        if victim == "worker":
            engine.alive[0].kill()
        else:
            engine.coordinators[0].kill(again=True)

    result = await n.struck(strike, jobs, concurrency=6)
    assert (result.exit_status, result.blocked) == (0, [])
    assert len(n.service.generations) == len(jobs)
    made = n.jobs()
    good_at = {job.id: job.finished_at or 0.0 for job in made}
    requests = {job.id: job.request for job in jobs}
    check_sent(requests, made, n.service.generations, good_at=good_at, is_good=lambda job: True)


async def test_the_coordinator_runs_the_hooks(
    night: Callable[..., ClusterNight], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each at least once, also if the coordinator dies in between; workers know nothing of them."""
    told: list[str] = []

    async def run_program(arguments: Sequence[str], content: bytes, *, folder: Path | None, **_: object) -> None:
        told.append(arguments[1])

    monkeypatch.setattr("batchveo.engine.hooks.runner.run_program", run_program)
    made = night()
    made.hooks = Hooks(command=("up", "{name}"))
    await made.struck(lambda engine: engine.coordinators[0].kill(again=True))
    assert sorted(set(told)) == sorted(job.name for job in made.jobs(JobState.SUCCEEDED))
    assert len(set(told)) == JOBS


async def test_a_frozen_coordinator_is_started_again(night: Callable[..., ClusterNight]) -> None:
    """The driver notices that it is silent."""
    n = night()

    def freeze(engine: FakeBackend) -> None:
        engine.coordinators[0].frozen = True

    assert (await n.struck(freeze)).exit_status == 0
    assert "the coordinator is silent" in n.said
    n.assert_whole()


async def test_a_coordinator_that_cannot_live_ends_the_run(night: Callable[..., ClusterNight]) -> None:
    """With exit status 3, and the counts of the jobs."""
    n = night()

    async with n.spread() as (engine, execute), anyio.create_task_group() as tasks:

        async def haunt() -> None:
            while True:
                await anyio.sleep(5.0)
                for coordinator in engine.coordinators:
                    coordinator.kill(again=True)

        tasks.start_soon(haunt)
        result = await execute()
        tasks.cancel_scope.cancel()
    assert result.exit_status == 3
    assert isinstance(result.stopped, ClusterTrouble)
    assert result.counts.total == JOBS


async def test_the_workers_are_reported(night: Callable[..., ClusterNight]) -> None:
    """Once all have started, before anything is bought."""
    n = night()
    async with n.spread() as (_, execute):
        await execute()
    assert "workers have started, on " in n.said


async def test_no_worker_to_be_had_ends_the_run(night: Callable[..., ClusterNight]) -> None:
    """After some patience; nothing was bought, nothing is lost."""
    n = night()
    async with n.spread() as (engine, execute):
        engine.unable = 1_000_000
        result = await execute()
    assert result.exit_status == 3
    assert "no worker can be started: it is dead" in str(result.stopped)
    assert not n.service.generations
    assert [job.state for job in n.jobs()] == [JobState.PENDING] * JOBS


async def test_no_machine_left_ends_the_run(night: Callable[..., ClusterNight]) -> None:
    """A cluster that has lost all its machines is no bug of ours."""
    n = night()
    async with n.spread() as (engine, execute):
        engine.nodes_left = 0
        result = await execute()
    assert result.exit_status == 3
    assert "no machine" in str(result.stopped)


@pytest.mark.parametrize("frozen", [False, True])
async def test_the_loss_of_the_engine_ends_the_run(night: Callable[..., ClusterNight], frozen: bool) -> None:
    """With exit status 3, whether the coordinator can still be reached or not; the next run does the rest."""
    n = night()

    def strike(engine: FakeBackend) -> None:
        engine.coordinators[0].frozen = frozen
        engine.is_gone.set()

    result = await n.struck(strike)
    assert result.exit_status == 3
    assert "head of the cluster" in str(result.stopped)


async def test_a_folder_that_is_not_shared_ends_the_run_before_anything_is_bought(
    night: Callable[..., ClusterNight], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second worker sees another folder of that name."""
    n = night()
    looks: list[bool] = []

    def elsewhere(marker: Any) -> None:
        looks.append(True)
        if len(looks) == 2:
            marker.file.write_text("of somebody else")
        check_marker(marker)

    monkeypatch.setattr("batchveo.engine.cluster.worker_actor.check_marker", elsewhere)
    async with n.spread() as (engine, execute):
        with pytest.raises(DiskTrouble, match="does not see the folder"):
            await execute()
        assert not engine.alive
    assert not n.service.generations


async def test_a_state_that_another_process_holds_is_refused(night: Callable[..., ClusterNight]) -> None:
    """The lock goes from the driver to the coordinator; where somebody else took it, that one has it."""
    n = night()
    async with n.spread() as (engine, execute):
        real = engine.start_coordinator

        async def start_coordinator() -> Any:
            other.runs.acquire_lock()
            return await real()

        engine.start_coordinator = start_coordinator  # type: ignore[method-assign]
        with Store(n.state) as other, pytest.raises(StateLocked):
            await execute()
    assert not n.service.generations


async def test_the_first_signal_ends_the_run_within_five_seconds(night: Callable[..., ClusterNight]) -> None:
    """Calls under way may end; the next run goes on with what is there."""
    n = night(latency=1.0)
    result = await n.struck(lambda _: signal.raise_signal(signal.SIGINT))
    assert (result.exit_status, result.interrupted) == (130, signal.SIGINT)
    assert n.took < 65
    assert not any(job.state is JobState.SUBMITTING for job in n.jobs())
    assert sum(isinstance(event, RunFinished) for event in n.events) == 1
    assert (await n.struck(lambda _: None)).exit_status == 0
    n.assert_whole()


async def test_a_signal_ends_a_run_whose_coordinator_answers_nobody(night: Callable[..., ClusterNight]) -> None:
    """It is cut off; the state has all that counts."""
    n = night()

    def freeze(engine: FakeBackend) -> None:
        engine.coordinators[0].frozen = True
        signal.raise_signal(signal.SIGTERM)

    result = await n.struck(freeze)
    assert (result.exit_status, result.interrupted) == (143, signal.SIGTERM)
    assert n.took < 70.5
    assert sum(isinstance(event, RunFinished) for event in n.events) == 1
    assert (await n.struck(lambda _: None)).exit_status == 0
    n.assert_whole()


async def test_the_second_signal_ends_the_run_at_once(night: Callable[..., ClusterNight]) -> None:
    """Submits under way are cut off, and looked up by the next run."""
    n = night(latency=20.0)

    def twice(_: FakeBackend) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)

    result = await n.struck(twice)
    assert result.exit_status in (130, 143)
    assert n.took < 61
    assert (await n.struck(lambda _: None)).exit_status == 0
    n.assert_whole()
