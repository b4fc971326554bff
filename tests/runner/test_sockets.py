"""A few runs over real sockets, under asyncio, with the client's real transport."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from batchveo.api import Api, ApiKey, Videos
from batchveo.clock import Clock
from batchveo.events import Began, Event, Reporter, silent
from batchveo.models import JobState
from batchveo.runner import Run, RunResult, RunSettings
from batchveo.runspec import RunSpec
from batchveo.sandbox import Service, Settings, running
from batchveo.store import Store
from tests.runner.nights import specs

S = JobState


def signalled(number: signal.Signals, *, after: Sequence[float]) -> Reporter:
    """A reporter that sends this process a signal so many seconds after the run began to listen for it."""

    def report(event: Event) -> None:
        if isinstance(event, Began):
            for seconds in after:
                threading.Timer(seconds, lambda: signal.raise_signal(number)).start()

    return report


def run_once(folder: Path, url: str, count: int, *, reporter: Reporter = silent, **settings: Any) -> RunResult:
    chosen = RunSettings(output=folder / "videos", **{"poll_interval": 0.05, "concurrency": 10, **settings})

    async def call() -> RunResult:
        clock = Clock()
        with Store(folder / "b.db") as store:
            store.lock()
            number = store.begin_run(command="run", service=url, now=clock.now())
            store.add(specs(count), run=number, now=clock.now())
            async with Api(ApiKey("key"), base_url=url) as api, Videos(loopback=True) as videos:
                spec = RunSpec(run=number, begun=clock.now(), settings=chosen)
                return await Run(store, spec, {"": api}, videos, clock=clock, reporter=reporter).execute()

    return anyio.run(call)


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

    result = run_once(tmp_path, url, 3, reporter=signalled(signal.SIGINT, after=[1.0]))
    assert result.exit_status == 130
    with Store(tmp_path / "b.db") as store:
        assert [job.state for job in store.jobs()] == [S.PENDING] * 3


def test_the_second_signal_ends_the_run_at_once(tmp_path: Path) -> None:
    """Calls under way are cut; what they may have bought is looked up by the next run."""
    service = Service(Settings(generation_median=0.2, log_lag=0.1, faults={"late-answer": 1.0}, late_by=60.0))
    with running(service) as url:
        result = run_once(tmp_path, url, 2, reporter=signalled(signal.SIGINT, after=[0.6, 0.85]))
        assert result.exit_status == 130
        assert result.seconds < 3
        with Store(tmp_path / "b.db") as store:
            assert store.counts()[S.SUBMITTING] == 2
        assert run_once(tmp_path, url, 2).exit_status == 0
    assert len(service.generations) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_ends_the_run_within_five_seconds(tmp_path: Path, number: signal.Signals) -> None:
    """Calls under way end, ids are kept, the next run goes on."""
    service = Service(Settings(generation_median=1.5))
    with running(service) as url:
        result = run_once(tmp_path, url, 8, reporter=signalled(number, after=[0.6]), concurrency=4)
        assert (result.exit_status, result.interrupted) == (128 + number, number)
        with Store(tmp_path / "b.db") as store:
            assert store.counts()[S.SUBMITTING] == 0
        assert run_once(tmp_path, url, 8).exit_status == 0
    assert len(service.generations) == 8
