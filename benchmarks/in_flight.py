"""What it costs to watch thousands of generations that are not done yet."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.processes import Glance, ProgramFailed, batchveo_run, glance, program, started
from benchmarks.rows import Row, at_most
from benchmarks.servers import Server, loopback
from benchmarks.spaces import workspace
from benchmarks.workloads import csv_manifest, prompts_file

SETTLING_SECONDS = 3.0
FOR_EVER = 1e9
FILLING_SECONDS = 180.0
MOST_SHARE = 15.0
MOST_MEGABYTES = 200.0
MOST_MILLISECONDS = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A client watched over ``seconds``; ``polls`` came to the server meanwhile."""

    seconds: float
    cpu: float
    rss: int
    polls: int
    filled_in: float

    @property
    def milliseconds(self) -> float:
        """Processor for a poll."""
        return 1e3 * self.cpu / max(1, self.polls)

    @property
    def percent(self) -> float:
        """Processor use, in percent of one core."""
        return 100.0 * self.cpu / self.seconds


def measure(*, quick: bool) -> list[Row]:
    """batchveo and the bare aiohttp peer."""
    # the window is a whole number of gaps: polls come in the bursts that the submits came in
    count, gap, seconds = (200, 5.0, 5.0) if quick else (2000, 10.0, 60.0)
    with workspace() as folder:
        manifest, prompts = csv_manifest(folder / "m.csv", count), prompts_file(folder / "p.txt", count)
        with loopback(generation_time=FOR_EVER) as server:
            pace = ["--concurrency", str(count), "--poll-interval", str(gap)]
            ours = _watched(server, batchveo_run(manifest, folder, server.url, *pace), count, seconds)
        with loopback(generation_time=FOR_EVER) as server:
            pace = ["--in-flight", str(count), "--gap", str(gap)]
            command = program("peers.aiohttp_semaphore", server.url, prompts, folder / "theirs", *pace)
            theirs = _watched(server, command, count, seconds)
    return _rows(ours, theirs, f"{count} in flight, polled each {gap:g} s")


def _watched(server: Server, command: Sequence[str], count: int, seconds: float) -> Window:
    with started(command) as client:
        began = time.monotonic()
        while server.seen().submits < count:
            if client.poll() is not None or time.monotonic() - began > FILLING_SECONDS:
                raise ProgramFailed(f"{server.seen().submits} of {count} were submitted: {command}")
            time.sleep(0.1)
        filled_in = time.monotonic() - began
        time.sleep(SETTLING_SECONDS)
        polls, before = server.seen().polls, glance(client.pid)
        time.sleep(seconds)
        return _window(before, glance(client.pid), server.seen().polls - polls, filled_in)


def _window(before: Glance, after: Glance, polls: int, filled_in: float) -> Window:
    return Window(
        seconds=after.at - before.at,
        cpu=after.cpu - before.cpu,
        rss=after.rss,
        polls=polls,
        filled_in=filled_in,
    )


def _rows(ours: Window, theirs: Window, what: str) -> list[Row]:
    return [
        Row(
            name=f"{what}: processor",
            figure=ours.percent,
            unit="% of a core",
            target=at_most(MOST_SHARE),
            details=f"{_polls(ours)}; all submitted {ours.filled_in:.1f} s after the start",
        ),
        Row(
            name="processor for a poll",
            figure=ours.milliseconds,
            unit="ms",
            target=at_most(MOST_MILLISECONDS),
            details=f"{ours.milliseconds / theirs.milliseconds:.2f} of peer (c), {theirs.milliseconds:.2f} ms",
        ),
        Row(
            name=f"{what}: memory",
            figure=ours.rss / 1e6,
            unit="MB",
            target=at_most(MOST_MEGABYTES),
            details="resident at the end of the window",
        ),
        Row(
            name=f"{what}: peer (c)",
            figure=theirs.percent,
            unit="% of a core",
            details=f"{_polls(theirs)}; {theirs.rss / 1e6:.0f} MB",
        ),
    ]


def _polls(window: Window) -> str:
    rate = window.polls / window.seconds
    return f"{rate:.0f} polls/s over {window.seconds:.0f} s, {window.milliseconds:.2f} ms each"
