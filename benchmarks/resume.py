"""How soon a run goes on, and how soon one sees where it stands, with a million jobs in the state."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.processes import Finished, ProgramFailed, batchveo, glance, kill, run, run_reading, started
from benchmarks.rows import Row, at_most
from benchmarks.servers import loopback
from benchmarks.spaces import workspace
from benchmarks.states import state_of

LONGEST_SECONDS = 300.0
MOST_SECONDS, MOST_SECONDS_STATUS = 1.5, 0.5
MOST_MEGABYTES = 100.0
"""Of a listing: it streams, however many jobs it lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """Seconds from the process's start to its first submit or poll, and its largest resident bytes by then."""

    seconds: float
    rss: int


def measure(*, quick: bool) -> list[Row]:
    """First request, status, listings."""
    jobs, times = (10_000, 2) if quick else (1_000_000, 5)
    state = state_of(jobs)
    first = resumed(state, times)
    failed = run_reading(batchveo("jobs", "--state", state, "--state-is", "failed", "--json"))
    every = run_reading(batchveo("jobs", "--state", state, "--json"))
    return [
        Row(
            name=f"resume of {jobs:,} jobs: first request",
            figure=first.seconds,
            unit="s",
            target=at_most(MOST_SECONDS),
            details=f"999 of 1,000 done; from the process's start, median of {times}; {first.rss / 1e6:.0f} MB",
        ),
        _status("status", status_of(state, times), jobs),
        _status("status --json", status_of(state, times, "--json"), jobs),
        *_listing("jobs --state-is failed --json", failed, jobs),
        *_listing("jobs --json", every, jobs),
    ]


def resumed(state: Path, times: int) -> Resumed:
    """Resume a copy of ``state`` so many times, each killed at its first submit or poll; the medians."""
    with workspace() as folder:
        copy = Path(shutil.copyfile(state, folder / "batchveo.db"))
        each = [_first_request(copy) for _ in range(times)]
    return Resumed(
        seconds=median(one.seconds for one in each),
        rss=round(median(one.rss for one in each)),
    )


def _first_request(state: Path) -> Resumed:
    places = ("--state", state, "--output", state.parent / "videos")
    with loopback() as server:
        began = time.time()
        with started(batchveo("resume", *places, "--base-url", server.url, "--quiet")) as client:
            while not (at := server.seen().first_submit_or_poll):
                if client.poll() is not None or time.time() - began > LONGEST_SECONDS:
                    raise ProgramFailed("resume sent nothing")
                time.sleep(0.02)
            rss = glance(client.pid).peak_rss
            kill(client)
            client.wait()
    return Resumed(seconds=at - began, rss=rss)


def status_of(state: Path, times: int, *options: str) -> Finished:
    """``batchveo status``, so many times; the one of median length."""
    runs = [run(batchveo("status", "--state", state, *options)) for _ in range(times)]
    return sorted(runs, key=lambda one: one.wall)[len(runs) // 2]


def _status(name: str, took: Finished, jobs: int) -> Row:
    return Row(
        name=f"{name} of {jobs:,} jobs",
        figure=took.wall,
        unit="s",
        target=at_most(MOST_SECONDS_STATUS),
        details=f"{took.cpu:.2f} s of processor, {took.rss / 1e6:.0f} MB",
    )


def _listing(name: str, took: Finished, jobs: int) -> list[Row]:
    return [
        Row(
            name=f"{name} of {jobs:,} jobs: first line",
            figure=took.first_line - took.began,
            unit="s",
            details=f"the whole listing {took.wall:.1f} s",
        ),
        Row(
            name=f"{name} of {jobs:,} jobs: memory",
            figure=took.rss / 1e6,
            unit="MB",
            target=at_most(MOST_MEGABYTES),
            details="the largest, over the whole listing",
        ),
    ]
