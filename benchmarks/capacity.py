"""What an ordinary run takes of the machine: real clips, real times, default settings."""

from __future__ import annotations

import time
from dataclasses import dataclass

from benchmarks.processes import ProgramFailed, batchveo_run, glance, started
from benchmarks.rows import Row, Target, at_most
from benchmarks.servers import Server, loopback
from benchmarks.spaces import workspace
from benchmarks.workloads import csv_manifest

CLIP_BYTES = 8_000_000
SIGMA = 0.3
"""Generation times are log-normal, so that clips that began together do not end together."""
MOST_SHARE_EACH = 0.05
"""Percent of a core for each clip in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a client used over ``seconds``; ``polls`` and ``clips`` came to the server meanwhile."""

    seconds: float
    cpu: float
    peak_rss: int
    polls: int
    clips: int

    @property
    def percent(self) -> float:
        """Processor use, in percent of one core."""
        return 100.0 * self.cpu / self.seconds


def measure(*, quick: bool) -> list[Row]:
    """A run that has become even: after two rounds of clips, over two more."""
    in_flight, middle = (20, 3.0) if quick else (200, 90.0)
    with workspace() as folder, loopback(generation_time=middle, sigma=SIGMA, video_bytes=CLIP_BYTES) as server:
        # more jobs than the window needs: the run is ended by the benchmark
        command = batchveo_run(
            csv_manifest(folder / "m.csv", 10 * in_flight), folder, server.url, "--concurrency", str(in_flight)
        )
        load = _watch(server, command, settling=2 * middle, seconds=2 * middle)
    return _rows(load, in_flight, middle, None if quick else at_most(MOST_SHARE_EACH * in_flight))


def _watch(server: Server, command: list[str], *, settling: float, seconds: float) -> Load:
    with started(command) as client:
        time.sleep(settling)
        seen, before = server.seen(), glance(client.pid)
        time.sleep(seconds)
        if client.poll() is not None:
            raise ProgramFailed(f"ended with status {client.returncode} before the window did: {command}")
        seen_after, after = server.seen(), glance(client.pid)
    return Load(
        seconds=after.at - before.at,
        cpu=after.cpu - before.cpu,
        peak_rss=after.peak_rss,
        polls=seen_after.polls - seen.polls,
        clips=seen_after.videos - seen.videos,
    )


def _rows(load: Load, in_flight: int, middle: float, target: Target | None) -> list[Row]:
    each = load.percent / in_flight
    return [
        Row(
            name=f"{in_flight} in flight, clips of 8 MB: processor",
            figure=load.percent,
            unit="% of a core",
            target=target,
            details=f"clips of about {middle:g} s, default settings, over {load.seconds:.0f} s: "
            f"{load.polls / load.seconds:.1f} polls/s, {load.clips / load.seconds:.2f} clips/s, "
            f"{1e3 * load.cpu / max(1, load.clips):.0f} ms a clip; "
            f"at this rate a core is full at {100 / each:,.0f} in flight",
        ),
        Row(
            name=f"{in_flight} in flight, clips of 8 MB: memory",
            figure=load.peak_rss / 1e6,
            unit="MB",
            details="the largest resident set",
        ),
    ]
