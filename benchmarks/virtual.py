"""A whole night in virtual time: exact seconds, whatever this machine is busy with.

batchveo's own run against the sandbox's logic in one process, on a clock that jumps from one deadline to the
next. Calls take no time, so what is measured is the schedule alone. Prints JSON.

    python -m benchmarks.virtual --jobs 200 --in-flight 10 --poll-rate 4
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import anyio
from trio.testing import MockClock

from batchveo.sandbox import Request, Response, Service, Settings
from benchmarks.schedule import busiest_rate, ideal_makespan
from tests.helpers.virtual_run import Night, specs

RATE_WINDOW = 10.0
"""Seconds over which the busiest rate of polls is taken."""
PLAY_MONEY = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How a night went. Times are seconds; delays run from a generation's completion to the poll that saw it.

    ``makespan``: from the first submit to the last download; ``ideal``: that of a scheduler without overhead.
    ``busiest``: the most polls a second in any ten seconds.
    """

    jobs: int
    makespan: float
    ideal: float
    polls: int
    mean_delay: float
    longest_delay: float
    busiest: float


class WatchedService(Service):
    """A sandbox that notes when it was polled, and when each finished generation was first seen."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float]) -> None:
        super().__init__(settings, clock=clock)
        self._now = clock
        self.polled: list[float] = []
        self.noticed: dict[str, float] = {}
        self.last_download = 0.0

    def handle(self, request: Request) -> Response:
        answer = super().handle(request)
        if request.path.startswith("/files/"):
            self.last_download = self._now()
        elif request.method == "GET" and request.path == "/v2/video/generations":
            self.polled.append(self._now())
            if answer.json().get("status") == "completed":
                (generation,) = request.values("generation_id")
                self.noticed.setdefault(generation, self._now())
        return answer

    def schedule(self, places: int) -> Schedule:
        """What came of it."""
        made = self.generations
        delays = [self.noticed[one.id] - one.ready_at for one in made]
        return Schedule(
            jobs=len(made),
            makespan=self.last_download - made[0].submitted_at,
            ideal=ideal_makespan([one.ready_at - one.submitted_at for one in made], places),
            polls=len(self.polled),
            mean_delay=fmean(delays),
            longest_delay=max(delays),
            busiest=busiest_rate(self.polled, RATE_WINDOW),
        )


async def _night(jobs: int, in_flight: int, settings: Settings, polling: Mapping[str, float]) -> Schedule:
    with tempfile.TemporaryDirectory(prefix="batchveo-benchmark-") as folder:
        night = Night(Path(folder), settings)
        service = night.service = WatchedService(settings, clock=night.clock.now)
        result = await night.run(specs(jobs), concurrency=in_flight, downloads=16, **polling)
        if result.exit_status != 0 or len(service.generations) != jobs:
            raise RuntimeError(f"the night ended with status {result.exit_status}")
        return service.schedule(in_flight)


def main() -> None:
    """Read the options, live the night, print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--in-flight", type=int, default=10)
    parser.add_argument("--median", type=float, default=90.0)
    parser.add_argument("--sigma", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--poll-rate", type=float)
    parser.add_argument("--poll-interval", type=float)
    options = parser.parse_args()
    settings = Settings(
        generation_median=options.median, generation_sigma=options.sigma, seed=options.seed, balance=PLAY_MONEY
    )
    chosen = {"poll_rate": options.poll_rate, "poll_interval": options.poll_interval}
    polling = {name: value for name, value in chosen.items() if value is not None}
    clock: dict[str, Any] = {"clock": MockClock(autojump_threshold=0)}
    schedule = anyio.run(
        _night, options.jobs, options.in_flight, settings, polling, backend="trio", backend_options=clock
    )
    print(json.dumps(asdict(schedule)))


if __name__ == "__main__":
    main()
