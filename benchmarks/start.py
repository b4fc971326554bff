"""How long the command line takes to say something."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from statistics import median

from benchmarks.processes import batchveo, run
from benchmarks.rows import Row, at_most
from benchmarks.states import state_of

MOST_SECONDS_HELP, MOST_SECONDS_STATUS = 0.25, 0.35


def measure(*, quick: bool) -> list[Row]:
    """Beside a Python that does nothing."""
    times = 5 if quick else 21
    bare = _seconds([sys.executable, "-c", "pass"], times)
    return [
        Row(
            name="batchveo --help",
            figure=_seconds(batchveo("--help"), times),
            unit="s",
            target=at_most(MOST_SECONDS_HELP),
            details=f"median of {times}; python -c pass takes {bare:.3f} s",
        ),
        Row(
            name="batchveo status",
            figure=_seconds(batchveo("status", "--state", state_of(1000)), times),
            unit="s",
            target=at_most(MOST_SECONDS_STATUS),
            details="a state of 1,000 jobs",
        ),
    ]


def _seconds(command: Sequence[str], times: int) -> float:
    return median(run(command).wall for _ in range(times))
