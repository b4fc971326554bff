"""Processes that really die, over real sockets and a real state file; the sandbox's ledger is the judge."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from batchveo.core.models import Job, JobState
from batchveo.operations.verify import verify
from batchveo.sandbox import Service, Settings, running
from batchveo.store import Store
from tests.crash.child import CONCURRENCY, MOST_OFTEN, OF_FOLDERS, OF_GATES, POINTS
from tests.helpers.process_server import ServedProcess, start_process
from tests.helpers.samples import sample_cases

pytestmark = pytest.mark.slow
MANIFEST = """
jobs:
  - {model: veo2, prompt: "A fox, {index}", name: "fox-{index}", repeat: 8}
"""


def child(folder: Path, point: str, nth: int, url: str) -> ServedProcess:
    arguments = ["tests.crash.child", point, str(nth), "m.yaml", url]
    return start_process(*arguments, folder=folder, environment=os.environ, seconds=120)


def finished(process: ServedProcess) -> int:
    _, errors = process.communicate()
    assert "Traceback" not in errors, errors
    return process.wait()


def wait_for(process: ServedProcess, condition: Callable[[], bool]) -> None:
    """Poll for what another process does, as long as it lives, and two minutes at the longest."""
    deadline = time.monotonic() + 120
    while not condition() and process.poll() is None:
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)


def kill_after_calls(folder: Path, service: Service, url: str, calls: int) -> None:
    """A run that is killed once the service has had so many more calls."""
    enough = service.calls.total() + calls
    process = child(folder, "none", 0, url)
    wait_for(process, lambda: service.calls.total() >= enough)
    process.send_signal(signal.SIGKILL)
    finished(process)


def jobs_of(folder: Path) -> list[Job]:
    with Store(folder / "state/batchveo.db", writing=False) as store:
        assert all(verdict.problem is None for verdict in verify(store))
        return list(store.jobs())


def assert_nothing_bought_twice_or_lost(folder: Path, service: Service) -> None:
    jobs = {job.id: job for job in jobs_of(folder)}
    bought = [str(generation.client_request_id).split(".")[1] for generation in service.generations]
    assert len(bought) == len(set(bought))
    assert len(service.charges()) == len(bought)
    for job_id in bought:
        assert jobs[job_id].state is JobState.SUCCEEDED
    for job in jobs.values():
        assert job.state is JobState.SUCCEEDED or (job.held and job.id not in bought)


@pytest.mark.parametrize("point", sample_cases(dict.fromkeys([*MOST_OFTEN, *POINTS]), size=len(MOST_OFTEN)))
def test_death_at_a_named_point(tmp_path: Path, point: str) -> None:
    """In the middle of several jobs; then a run to the end."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    service = Service(Settings(generation_median=0.2, log_lag=0.3))
    with running(service) as url:
        assert finished(child(tmp_path, point, 3, url)) == 77
        status = finished(child(tmp_path, "none", 0, url))
    held = [job for job in jobs_of(tmp_path) if job.held]
    assert status == (1 if held else 0)
    # of a request about to leave nobody can know whether it arrived; at other points that may be another job's
    assert len(held) < CONCURRENCY or point == "after-mark"
    assert_nothing_bought_twice_or_lost(tmp_path, service)


@pytest.mark.parametrize("point", sample_cases(OF_FOLDERS, size=2))
def test_death_while_a_video_gets_its_folder(tmp_path: Path, point: str) -> None:
    """Then a run to the end; and with the database lost, the sidecars in the folders are enough."""
    (tmp_path / "m.yaml").write_text(f'filename: "{{model}}/{{repeat}}/{{name}}"\n{MANIFEST}')
    service = Service(Settings(generation_median=0.2, log_lag=0.3))
    with running(service) as url:
        assert finished(child(tmp_path, point, 3, url)) == 77
        status = finished(child(tmp_path, "none", 0, url))
        # the requests of other jobs may have been about to leave
        made = {job.file for job in jobs_of(tmp_path) if not job.held}
        assert status == (0 if len(made) == 8 else 1)
        assert len(made) > 8 - CONCURRENCY
        assert_nothing_bought_twice_or_lost(tmp_path, service)
        assert made <= {f"veo2/{number}/fox-{number}.mp4" for number in range(8)}
        assert not list((tmp_path / "videos").rglob("*.part"))
        for file in (tmp_path / "state").iterdir():
            file.unlink()
        assert finished(child(tmp_path, "none", 0, url)) == 0
    assert_nothing_bought_twice_or_lost(tmp_path, service)


@pytest.mark.parametrize("seed", sample_cases(range(2), size=1))
def test_sigkill_at_random_moments(tmp_path: Path, seed: int) -> None:
    """Four kills, each after so many calls of the service, then a run to the end."""
    rng = random.Random(seed)
    (tmp_path / "m.yaml").write_text(MANIFEST.replace("8", "30"))
    service = Service(Settings(generation_median=0.2, log_lag=0.3, faults={"lose-answer": 0.1, "reset-body": 0.1}))
    with running(service) as url:
        for _ in range(4):
            kill_after_calls(tmp_path, service, url, rng.randint(1, 80))
        assert finished(child(tmp_path, "none", 0, url)) in (0, 1)
    assert_nothing_bought_twice_or_lost(tmp_path, service)


GATED = """
budget: 90
defaults: {model: veo2, tries: 3, gates: [black_seconds < 0.5, frozen_seconds < 1, has_sound == true]}
jobs:
  - {prompt: "A fox, {index}", name: "fox-{index}", repeat: 12}
"""
FLAWS = {"black": 0.3, "frozen": 0.3}


def assert_families_are_whole(folder: Path, service: Service) -> None:
    """Each clip has its verdict, none was made again without need, and the money is that of the ledger, to the cent."""
    with Store(folder / "state/batchveo.db", writing=False) as store:
        for job in store.jobs():
            family = store.takes.list_family(job)
            assert [take.take for take in family] == list(range(1, len(family) + 1))
            assert [take.verdict for take in family[:-1]] == ["rejected"] * (len(family) - 1)
            # a request that was about to leave when its process died may be held
            assert family[-1].verdict == "accepted" or len(family) == 3 or family[-1].held
        charged = sum(charge.credits for charge in service.charges()) / 2_000_000
        assert store.spend() == (pytest.approx(charged, abs=0.005), 0)
        assert charged <= 90


@pytest.mark.parametrize("point", sample_cases(OF_GATES, size=1))
def test_death_while_clips_are_judged(tmp_path: Path, point: str) -> None:
    pytest.importorskip("av", reason="measuring needs the extra media")
    (tmp_path / "m.yaml").write_text(GATED.replace("12", "4"))
    service = Service(Settings(generation_median=0.2, log_lag=0.3, faults=FLAWS, seed=3))
    with running(service) as url:
        assert finished(child(tmp_path, point, 2, url)) == 77
        assert finished(child(tmp_path, "none", 0, url)) in (0, 1)
    assert_nothing_bought_twice_or_lost(tmp_path, service)
    assert_families_are_whole(tmp_path, service)


@pytest.mark.exhaustive
def test_sigkill_of_runs_with_gates_tries_and_budget(tmp_path: Path) -> None:
    """Five kills at random, then a run to the end."""
    pytest.importorskip("av", reason="measuring needs the extra media")
    rng = random.Random(1)
    (tmp_path / "m.yaml").write_text(GATED)
    service = Service(Settings(generation_median=0.2, log_lag=0.3, faults={**FLAWS, "reset-body": 0.1}, seed=1))
    with running(service) as url:
        for _ in range(5):
            kill_after_calls(tmp_path, service, url, rng.randint(10, 60))
        assert finished(child(tmp_path, "none", 0, url)) in (0, 1)
    assert_nothing_bought_twice_or_lost(tmp_path, service)
    assert_families_are_whole(tmp_path, service)
    assert any(job.take > 1 for job in jobs_of(tmp_path))


def test_a_lock_left_by_a_dead_run_is_no_lock(tmp_path: Path) -> None:
    """While the first lives the second is refused with its pid; after its death it is not."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    service = Service(Settings(generation_median=60.0))
    with running(service) as url:
        first = child(tmp_path, "none", 0, url)
        wait_for(first, lambda: service.calls["poll"] > 0)
        environment = {**os.environ, "AIMLAPI_API_KEY": "key"}
        arguments = ["batchveo", "run", "m.yaml", "--base-url", url]
        second = start_process(*arguments, folder=tmp_path, environment=environment, seconds=120)
        _, errors = second.communicate()
        assert second.wait() == 4, errors
        assert f"pid {first.pid}" in errors
        first.kill()
        first.communicate()
        polls = service.calls["poll"]
        third = child(tmp_path, "none", 0, url)
        wait_for(third, lambda: service.calls["poll"] > polls + 4)
        third.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        assert finished(third) == 143
        assert time.monotonic() - begun < 5
