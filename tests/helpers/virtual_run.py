"""A whole run on virtual time against the sandbox's logic in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx

from batchveo.core.clock import Clock
from batchveo.core.events import Event
from batchveo.core.hooks import Hooks
from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.settings import RunSettings
from batchveo.engine.local_run import Run
from batchveo.engine.result import RunResult
from batchveo.engine.run_context import RunSpec
from batchveo.engine.stages.clip_inspector import ClipInspector
from batchveo.operations import preflight
from batchveo.operations.clip_rows import describe_job
from batchveo.operations.estimates import known_durations
from batchveo.operations.prices import fetch_prices
from batchveo.operations.recovery import recover_videos
from batchveo.provider import ApiClient, ApiKey, NamedKey, VideoClient
from batchveo.provider import service as services
from batchveo.provider.catalog.price_list import PriceList
from batchveo.sandbox import Service, Settings, transport
from batchveo.storage.base import at_once
from batchveo.store import Store
from tests.helpers.factories import make_spec
from tests.helpers.fake_bucket import FakeBucket
from tests.helpers.fake_clips import FakeClips

BASE_URL = "http://127.0.0.1:8642"
KEY = NamedKey(name="", key=ApiKey("key"))


def specs(count: int) -> list[JobSpec]:
    """``count`` small jobs."""
    return [make_spec(f"job {n}", model="veo2", request={"model": "veo2", "prompt": f"p {n}"}) for n in range(count)]


@dataclass
class Night:
    """One state, one service, as many runs as a test wants."""

    folder: Path
    settings: Settings = field(default_factory=Settings)
    events: list[Event] = field(default_factory=list)
    prices: PriceList | None = None
    key: NamedKey = KEY
    """The only key of the runs that come."""
    hooks: Hooks = field(default_factory=Hooks)
    clips: ClipInspector = field(default_factory=lambda: FakeClips())
    bucket: FakeBucket = field(default_factory=FakeBucket)
    """The bucket for inputs, if ``inputs`` is among the settings of a run."""
    poll_rate: float | None = 0.3
    """The most polls a second, a twentieth of a real run's: they are most of what a run on virtual time costs.
    ``None``: as a real run."""
    clock: Clock = field(init=False)
    service: Service = field(init=False)

    def __post_init__(self) -> None:
        self.clock = Clock(wall=lambda: 1_800_000_000.0)
        self.service = Service(self.settings, clock=self.clock.now)

    def open_transport(self, worker: str = "") -> httpx.AsyncBaseTransport:
        """The way of ``worker`` to the service; without a name, that of the coordinator's process."""
        return transport(self.service)

    def make_api(self) -> ApiClient:
        """A client of the service with the night's key, which is not open yet."""
        return ApiClient(self.key.key, base_url=BASE_URL, transport=self.open_transport())

    def heal(self) -> None:
        """End all faults."""
        self.service._state.faults._chances.clear()

    @property
    def state(self) -> Path:
        return self.folder / "b.db"

    @contextmanager
    def store(self) -> Iterator[Store]:
        with Store(self.state) as store:
            yield store

    def jobs(self, *states: JobState) -> list[Job]:
        with self.store() as store:
            return list(store.jobs(*states))

    async def run(self, jobs: Sequence[JobSpec] | None = None, **settings: Any) -> RunResult:
        """Run once, to its end; ``jobs`` ``None`` resumes."""
        chosen = RunSettings(output=self.folder / "videos", **{"poll_rate": self.poll_rate, **settings})
        with self.store() as store:
            store.runs.acquire_lock()
            number = store.runs.begin_run(command="run", service=BASE_URL, now=self.clock.now())
            store.deliveries.set_hooks(self.hooks.kinds)
            if jobs is None:
                store.runs.take_on_all(number)
                to_judge = None
            else:
                to_judge = store.imports.add_jobs(jobs, run=number, now=self.clock.now()).to_judge
            using = services.Service(base_url=BASE_URL, keys=(self.key,))
            preflight.follow_keys(store, using)
            await recover_videos(store, chosen.output, run=number, now=self.clock.now(), sandbox=False, disk=at_once)
            wire = self.open_transport()
            async with (
                ApiClient(self.key.key, base_url=BASE_URL, transport=wire) as api,
                VideoClient(loopback=True, transport=wire) as videos,
            ):
                models = {*store.queries.list_pending_models(number), *store.queries.list_unreserved_models()}
                prices = self.prices if self.prices is not None else await fetch_prices(api, sorted(models))
                spec = RunSpec(
                    run=number,
                    begun=self.clock.now(),
                    settings=chosen,
                    service=using,
                    prices=prices,
                    durations=known_durations(store, ["veo2"], {}),
                    to_judge=to_judge,
                    hooks=self.hooks,
                    describe_job=describe_job,
                )
                told, apis = self.events.append, {self.key.name: api}
                going = Run(
                    store,
                    spec,
                    apis,
                    videos,
                    clock=self.clock,
                    reporter=told,
                    disk=at_once,
                    clips=self.clips,
                    open_bucket=self.bucket.open,
                )
                return await going.execute()

    async def killed(
        self,
        jobs: Sequence[JobSpec] | None,
        after: float,
        dying: Callable[[], None] = lambda: None,
        **settings: Any,
    ) -> None:
        """Run and drop everything in the middle, as a kill would; ``dying`` is called just before."""

        async def kill() -> None:
            await anyio.sleep(after)
            dying()
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(kill)
            await self.run(jobs, **settings)
            tasks.cancel_scope.cancel()


def assert_whole(night: Night, count: int) -> None:
    """Every job is a video on disk, and as many generations were bought as there are jobs."""
    jobs = night.jobs()
    assert [job.state for job in jobs] == [JobState.SUCCEEDED] * count
    assert len(night.service.generations) == count
    for job in jobs:
        assert (night.folder / "videos" / str(job.file)).stat().st_size == job.bytes
    assert not list((night.folder / "videos").glob("*.part"))
