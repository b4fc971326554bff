"""A few runs over real sockets, under asyncio, with the client's real transport."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import anyio
import pytest

from batchveo.core import state_machine
from batchveo.core.clock import Clock
from batchveo.core.events import Event, JobStateChanged, Reporter, RunInterrupted, ignore_event
from batchveo.core.models import JobState
from batchveo.core.rate_limit import compute_backoff
from batchveo.core.settings import RunSettings
from batchveo.core.shutdown import ShutdownBudget
from batchveo.engine import key_limits
from batchveo.engine.local_run import Run
from batchveo.engine.result import RunResult
from batchveo.engine.run_context import RunSpec
from batchveo.engine.stages import failures, reconciler
from batchveo.provider import ApiClient, ApiKey, VideoClient
from batchveo.sandbox import Request, Response, Service, Settings, running
from batchveo.store import Store
from tests.helpers.virtual_run import specs

pytestmark = pytest.mark.slow
S = JobState
MOST_SECONDS = 60.0
"""After which a run that does not end has failed."""


class Signalling(Service):
    """Sends this process a signal as soon as it was called so often."""

    def __init__(self, settings: Settings, number: signal.Signals, **calls: int) -> None:
        super().__init__(settings)
        self._number, self._at = number, calls

    def handle(self, request: Request) -> Response:
        answer = super().handle(request)
        if self._at and all(self.calls[name] >= count for name, count in self._at.items()):
            self._at = {}
            signal.raise_signal(self._number)
        return answer


@pytest.fixture
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run would wait for seconds for, since a service that stumbles wants time, it waits a twentieth."""

    def shorter(*args: Any, **settings: Any) -> float:
        return compute_backoff(*args, **settings) / 20

    for module in (state_machine, key_limits, failures):
        monkeypatch.setattr(module, "compute_backoff", shorter)
    monkeypatch.setattr(reconciler, "SHORTEST_GAP", 0.05)


def run_once(folder: Path, url: str, count: int, *, reporter: Reporter = ignore_event, **settings: Any) -> RunResult:
    chosen = RunSettings(output=folder / "videos", **{"poll_interval": 0.05, "concurrency": 10, **settings})

    async def call() -> RunResult:
        clock = Clock()
        with Store(folder / "b.db") as store:
            store.runs.acquire_lock()
            number = store.runs.begin_run(command="run", service=url, now=clock.now())
            store.imports.add_jobs(specs(count), run=number, now=clock.now())
            async with ApiClient(ApiKey("key"), base_url=url) as api, VideoClient(loopback=True) as videos:
                spec = RunSpec(run=number, begun=clock.now(), settings=chosen)
                with anyio.fail_after(MOST_SECONDS):
                    return await Run(store, spec, {"": api}, videos, clock=clock, reporter=reporter).execute()

    return anyio.run(call)


@pytest.mark.usefixtures("_no_long_pauses")
def test_a_night_in_seconds(tmp_path: Path) -> None:
    """Connections lost at every stage; every video arrives, each bought once."""
    faults = {"lose-answer": 0.1, "poll-drop": 0.1, "reset-body": 0.2, "short-body": 0.2, "cdn-503": 0.1}
    service = Service(Settings(generation_median=0.2, log_lag=0.3, faults=faults))
    with running(service) as url:
        result = run_once(tmp_path, url, 15)
    assert result.exit_status == 0
    assert len(service.generations) == 15
    assert len(list((tmp_path / "videos").glob("*.mp4"))) == 15
    assert not service.leaks


def test_a_service_that_is_not_there(tmp_path: Path) -> None:
    """Refused connections are no doubts: the jobs stay pending until it is back."""
    with running(Service()) as url:
        pass

    turned_away: set[int] = set()

    def report(event: Event) -> None:
        if isinstance(event, JobStateChanged):
            turned_away.add(event.job.seq)
            if len(turned_away) == 3:
                signal.raise_signal(signal.SIGINT)

    result = run_once(tmp_path, url, 3, reporter=report)
    assert result.exit_status == 130
    with Store(tmp_path / "b.db") as store:
        assert [job.state for job in store.jobs()] == [S.PENDING] * 3


@pytest.mark.usefixtures("_no_long_pauses")
def test_the_second_signal_ends_the_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls under way are cut, however long they had; what they may have bought stands there, and is looked up."""
    monkeypatch.setattr(ShutdownBudget, "CALLS", 3600.0)
    settings = Settings(generation_median=0.2, log_lag=0.1, faults={"late-answer": 1.0}, late_by=3600.0)
    service = Signalling(settings, signal.SIGINT, submit=2)

    def report(event: Event) -> None:
        if isinstance(event, RunInterrupted):
            signal.raise_signal(signal.SIGINT)

    with running(service) as url:
        assert run_once(tmp_path, url, 2, reporter=report).exit_status == 130
        with Store(tmp_path / "b.db") as store:
            assert [(job.state, job.held) for job in store.jobs()] == [(S.IN_DOUBT, False)] * 2
        assert run_once(tmp_path, url, 2).exit_status == 0
    assert len(service.generations) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_ends_the_run_within_five_seconds(tmp_path: Path, number: signal.Signals) -> None:
    """Calls under way end, ids are kept, the next run goes on."""
    service = Signalling(Settings(generation_median=0.5, latency=0.1), number, submit=4)  # before their answers
    with running(service) as url:
        result = run_once(tmp_path, url, 8, concurrency=4)
        assert (result.exit_status, result.interrupted) == (128 + number, number)
        with Store(tmp_path / "b.db") as store:
            assert store.counts()[S.SUBMITTING] == 0
        assert run_once(tmp_path, url, 8).exit_status == 0
    assert len(service.generations) == 8
