"""Runs on a real cluster, whose processes and nodes really die; the sandbox's own ledger is the judge."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import batchveo
from tests.engine.cluster.conftest import MANIFEST, Ledger, Machines, assert_each_bought_once, done, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive, pytest.mark.xdist_group("ray")]
JOBS = 500
FEW = 100
"""Where nothing dies, more would show no more."""


def run(
    folder: Path,
    machines: Machines,
    ledger: Ledger,
    events: list[batchveo.Event],
    *,
    jobs: int = JOBS,
    silence: float = 30.0,
) -> batchveo.RunResult:
    manifest = folder / "m.yaml"
    manifest.write_text(MANIFEST.format(jobs))
    settings = batchveo.RunSettings(
        output=folder / "videos",
        when_in_doubt=batchveo.Doubt.RESUBMIT,
        concurrency=100,
        poll_interval=0.2,
        settle=3.0,
    )
    return batchveo.run(
        [manifest],
        state=folder / "b.db",
        settings=settings,
        using=batchveo.service(base_url=ledger.url, key="key"),
        reporter=events.append,
        cluster=batchveo.Cluster(address=machines.address, workers=2, silence=silence),
    )


def struck(
    folder: Path, machines: Machines, ledger: Ledger, strike: Callable[[], None], *, silence: float = 30.0
) -> list[batchveo.Event]:
    """A run in whose middle ``strike`` is called, from another thread."""

    def wait_and_strike() -> None:
        wait_for(lambda: done(folder) > JOBS // 5)
        strike()

    events: list[batchveo.Event] = []
    thread = threading.Thread(target=wait_and_strike)
    thread.start()
    result = run(folder, machines, ledger, events, silence=silence)
    thread.join()
    assert result.exit_status == 0
    assert_each_bought_once(folder / "b.db", ledger, JOBS)
    return events


def notes(events: list[batchveo.Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, batchveo.Message))


def test_a_quiet_run(tmp_path: Path, machines: Machines, ledger: Ledger, capfd: pytest.CaptureFixture[str]) -> None:
    """Two workers on two nodes share it; nothing is printed that is not ours, no process stays."""
    events: list[batchveo.Event] = []
    assert run(tmp_path, machines, ledger, events, jobs=FEW).exit_status == 0
    assert_each_bought_once(tmp_path / "b.db", ledger, FEW)
    assert [type(e) for e in events].count(batchveo.RunStarted) == 1
    assert isinstance(events[-1], batchveo.RunFinished)
    moved = [e.job.id for e in events if isinstance(e, batchveo.JobStateChanged) and e.job.state == "succeeded"]
    assert len(moved) == len(set(moved)) == FEW
    assert tuple(capfd.readouterr()) == ("", "")
    wait_for(lambda: not machines.actors("WorkerActor") and not machines.actors("CoordinatorActor"))


def test_a_worker_is_killed_and_another_freezes(tmp_path: Path, machines: Machines, ledger: Ledger) -> None:
    """What they were submitting is looked up, what they looked after goes to others."""

    def strike() -> None:
        first, second = machines.actors("WorkerActor")[:2]
        os.kill(first, signal.SIGKILL)
        os.kill(second, signal.SIGSTOP)

    said = notes(struck(tmp_path, machines, ledger, strike, silence=8.0))
    assert "was lost" in said
    assert "is silent" in said


def test_a_node_is_lost(tmp_path: Path, machines: Machines, ledger: Ledger) -> None:
    """With the worker on it; another comes on what is left."""
    far = next(node for node in machines.cluster.list_all_nodes() if not node.head)
    try:
        assert "was lost" in notes(struck(tmp_path, machines, ledger, lambda: machines.kill(far)))
    finally:
        machines.cluster.remove_node(far)
        machines.add()


def test_the_coordinator_and_then_the_driver_are_killed(tmp_path: Path, machines: Machines, ledger: Ledger) -> None:
    """The coordinator comes again by itself, the driver by the same command; a second one is refused meanwhile."""
    (tmp_path / "m.yaml").write_text(MANIFEST.format(JOBS))
    command = [sys.executable, "-m", "batchveo", "run", "m.yaml", "--state", "b.db", "--ray", machines.address]
    options = ["--workers", "2", "--concurrency", "100", "--poll-interval", "0.2", "--settle", "3"]
    more = ["--when-in-doubt", "resubmit", "--base-url", ledger.url, "--plain", "--quiet"]
    environment = {**os.environ, "AIMLAPI_API_KEY": "key-of-nobody-else"}

    def begin() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*command, *options, *more],
            cwd=tmp_path,
            env=environment,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    state = tmp_path / "b.db"
    first = begin()
    wait_for(lambda: done(tmp_path) > JOBS // 6)
    os.kill(machines.actors("CoordinatorActor")[0], signal.SIGKILL)
    wait_for(lambda: done(tmp_path) > JOBS // 3)
    workers = machines.actors("WorkerActor")
    for worker in workers:  # else a slow machine is done before the second run has begun
        os.kill(worker, signal.SIGSTOP)
    second = begin()
    assert second.communicate(timeout=120)[1].startswith("batchveo: another run holds")
    assert second.returncode == 4
    for worker in workers:
        os.kill(worker, signal.SIGCONT)
    first.kill()
    _, errors = first.communicate()
    assert "the coordinator was lost" in errors
    third = begin()
    out, errors = third.communicate(timeout=300)
    assert (third.returncode, out) == (0, ""), errors
    assert machines.mentions("raylet")
    assert not machines.mentions("key-of-nobody-else")
    assert_each_bought_once(state, ledger, JOBS)
