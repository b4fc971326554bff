"""How long it takes to read, check and take in manifests of any size, before anything is submitted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from benchmarks.processes import Finished, batchveo_run, run
from benchmarks.rows import Row, at_most
from benchmarks.servers import loopback
from benchmarks.spaces import workspace
from benchmarks.workloads import csv_manifest, yaml_manifest

STOPPED_EARLY = 3
BUY_NOTHING = ("--budget", "0", "--assume-price", "1")
"""A run that expands everything and then stops, with status 3, before its first submit."""
MOST_SECONDS, MOST_SECONDS_YAML = 20.0, 20.0
"""Of CSV, the first time and again; of YAML."""
MOST_MEGABYTES = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """A manifest taken into an empty state, and the same again; ``state_bytes`` is the state's size."""

    first: Finished
    again: Finished
    state_bytes: int


def measure(*, quick: bool) -> list[Row]:
    """CSV, the same again, YAML."""
    rows, entries = (10_000, 1_000) if quick else (1_000_000, 100_000)
    table, tree = csv_expanded(rows), _expanded(yaml_manifest, entries)
    return [
        _seconds(f"{rows:,} rows of CSV", table.first, MOST_SECONDS, f"state {table.state_bytes / 1e6:.0f} MB"),
        _memory(f"{rows:,} rows of CSV", table.first),
        _seconds(f"{rows:,} rows of CSV, again", table.again, MOST_SECONDS, "nothing new in them"),
        _memory(f"{rows:,} rows of CSV, again", table.again),
        _seconds(f"{entries:,} jobs of YAML", tree.first, MOST_SECONDS_YAML, f"{tree.first.rss / 1e6:.0f} MB"),
    ]


@cache
def csv_expanded(count: int) -> Expanded:
    """``count`` rows of CSV; measured once in a process, however many ask."""
    return _expanded(csv_manifest, count)


def _expanded(write: Callable[[Path, int], Path], count: int) -> Expanded:
    with workspace() as folder, loopback() as server:
        manifest = write(folder / ("m.csv" if write is csv_manifest else "m.yaml"), count)
        command = batchveo_run(manifest, folder, server.url, *BUY_NOTHING)
        first, again = (run(command, expect=[STOPPED_EARLY]) for _ in range(2))
        return Expanded(first=first, again=again, state_bytes=(folder / "batchveo.db").stat().st_size)


def _seconds(name: str, took: Finished, most: float, details: str) -> Row:
    return Row(
        name=name,
        figure=took.wall,
        unit="s",
        target=at_most(most),
        details=f"{took.cpu:.1f} s of processor; {details}",
    )


def _memory(name: str, took: Finished) -> Row:
    return Row(name=f"{name}: memory", figure=took.rss / 1e6, unit="MB", target=at_most(MOST_MEGABYTES))
