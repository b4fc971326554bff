"""How time and memory grow with the number of jobs: nothing faster than they do, most not at all."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from benchmarks.manifests import csv_expanded
from benchmarks.resume import resumed, status_of
from benchmarks.rows import Row, at_most
from benchmarks.states import state_of

SIZES = (1_000, 10_000, 100_000, 1_000_000)
MOST_OF_LINEAR = 1.15
"""Linear growth is 1; the rest is the noise of one measurement."""
MOST_OF_FLAT = 1.5


def measure(*, quick: bool) -> list[Row]:
    """Expanding, resuming, looking."""
    sizes, times = (SIZES[:2], 1) if quick else (SIZES, 3)
    expanded = [csv_expanded(size).first for size in sizes]
    states = [state_of(size) for size in sizes]
    first = [resumed(state, times) for state in states]
    status = [status_of(state, times) for state in states]
    return [
        _linear("expanding a CSV", sizes, [one.wall for one in expanded], "s"),
        _linear("expanding a CSV, memory", sizes, [one.rss / 1e6 for one in expanded], "MB"),
        _flat("resume, first request", sizes, [one.seconds for one in first], "s"),
        _flat("resume, memory", sizes, [one.rss / 1e6 for one in first], "MB"),
        _flat("status", sizes, [one.wall for one in status], "s"),
        _flat("status, memory", sizes, [one.rss / 1e6 for one in status], "MB"),
    ]


def _linear(name: str, sizes: Sequence[int], figures: Sequence[float], unit: str) -> Row:
    """The steepest step from one size to the next, against growth in proportion."""
    steps = pairwise(zip(sizes, figures, strict=True))
    worst = max((after / before) / (more / fewer) for (fewer, before), (more, after) in steps)
    return Row(
        name=f"growth: {name}",
        figure=worst,
        unit="x linear",
        target=at_most(MOST_OF_LINEAR),
        details=_listed(sizes, figures, unit),
    )


def _flat(name: str, sizes: Sequence[int], figures: Sequence[float], unit: str) -> Row:
    return Row(
        name=f"growth: {name}",
        figure=figures[-1] / figures[0],
        unit="x, most jobs to fewest",
        target=at_most(MOST_OF_FLAT),
        details=_listed(sizes, figures, unit),
    )


def _listed(sizes: Sequence[int], figures: Sequence[float], unit: str) -> str:
    return ", ".join(f"{size:,}: {figure:.3g} {unit}" for size, figure in zip(sizes, figures, strict=True))
