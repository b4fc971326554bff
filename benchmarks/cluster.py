"""A run spread over workers on this machine, the pace of the state that they share, and the engine's part."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from benchmarks.instant_workers import MOVES
from benchmarks.processes import batchveo_run, program
from benchmarks.rows import Row
from benchmarks.servers import loopback
from benchmarks.sessions import Session, watched
from benchmarks.spaces import workspace
from benchmarks.workloads import csv_manifest

IN_FLIGHT = 200
GAP = 0.05
"""Seconds between polls, as in ``throughput``."""
DOWNLOADS = 32
"""Videos fetched at once, over all workers."""
WORKERS = 2
"""Workers with remote brokers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """What some jobs took, from the first claim to the last video.

    ``ready``: seconds from the program's start to the first claim. ``cpu``: processor seconds by kind of process.
    ``calls``, ``messages``: of workers with remote brokers. ``size``: bytes of the state.
    """

    jobs: int
    ready: float
    wall: float
    cpu: dict[str, float]
    size: int
    calls: int = 0
    messages: int = 0

    @property
    def per_second(self) -> float:
        return self.jobs / self.wall

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of processor that a job took, over all processes."""
        return 1e3 * sum(self.cpu.values()) / self.jobs

    @property
    def shares(self) -> str:
        """What each kind of process took of a core."""
        return ", ".join(f"{kind} at {seconds / self.wall:.0%}" for kind, seconds in self.cpu.items() if seconds)


def measure(*, quick: bool) -> list[Row]:
    """Runs with and without Ray in turns, then the three kinds of broker in turns."""
    has_ray = find_spec("ray") is not None
    if not has_ray:
        print("  Ray is not installed (pip install 'batchveo[ray]'): its rows are left out", file=sys.stderr)
    jobs, rounds = (200, 1) if quick else (2000, 3)
    workers = [0, *((2,) if quick else (1, 2, 4))] if has_ray else [0]
    runs: dict[int, list[Spell]] = {number: [] for number in workers}
    kinds = ["local", "remote", *(["ray"] if has_ray else [])]
    brokers: dict[str, list[Spell]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for number, spells in runs.items():
            spells.append(_run(jobs, number))
        for broker, spells in brokers.items():
            spells.append(_measure_broker(2 * jobs, broker))
    return [*_run_rows(runs), *_ceiling_rows(brokers), *_engine_rows(brokers, runs)]


def _run(jobs: int, workers: int) -> Spell:
    """A whole run against the loopback server; without ``workers`` without Ray."""
    with loopback() as server, workspace() as folder:
        manifest = csv_manifest(folder / "m.csv", jobs)
        pace = ["--concurrency", str(IN_FLIGHT), "--poll-interval", str(GAP)]
        pace += ["--downloads", str(DOWNLOADS // max(1, workers))]
        spread = ["--ray", "local", "--workers", str(workers)] if workers else []
        session, _ = watched(batchveo_run(manifest, folder, server.url, *pace, *spread))
        return _spell(jobs, session, folder / "batchveo.db")


def _measure_broker(jobs: int, broker: str) -> Spell:
    with workspace() as folder:
        state = folder / "batchveo.db"
        options = ("--broker", broker, "--jobs", str(jobs), "--workers", str(WORKERS), "--state", state)
        session, out = watched(program("brokers", *options))
        return _spell(jobs, session, state, **json.loads(out))


def _spell(jobs: int, session: Session, state: Path, *, calls: int = 0, messages: int = 0) -> Spell:
    with closing(sqlite3.connect(state)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        first, last, done = opened.execute(
            "SELECT min(submitted_at), max(finished_at), sum(state = 'succeeded') FROM jobs"
        ).fetchone()
    if done != jobs:
        raise RuntimeError(f"{done} of {jobs} jobs succeeded")
    return Spell(
        jobs=jobs,
        ready=first - session.at[0],
        wall=last - first,
        cpu=session.between(first, last),
        size=state.stat().st_size,
        calls=calls,
        messages=messages,
    )


def _run_rows(runs: dict[int, list[Spell]]) -> list[Row]:
    rows: list[Row] = []
    for workers, spells in runs.items():
        name = f"a run over Ray, {_workers(workers)}" if workers else "a run without Ray"
        one = spells[0]
        setting = f"{one.jobs} jobs, {IN_FLIGHT} in flight, loopback server, median of {len(spells)}"
        rows += [
            Row(name=name, figure=_rate(spells), unit="jobs/s", details=f"{setting}; {one.shares}"),
            Row(
                name=f"{name}, per processor second",
                figure=1e3 / _cpu_ms(spells),
                unit="jobs/CPU s",
                details="all processes but the server, from the first claim to the last video",
            ),
            Row(
                name=f"{name}, start",
                figure=median(one.ready for one in spells),
                unit="s",
                details="from the command to the first claim",
            ),
        ]
    return rows


def _ceiling_rows(brokers: dict[str, list[Spell]]) -> list[Row]:
    """Recorded moves a second, every one of them synced with those of its moment."""
    names = {
        "local": "the state's ceiling, local broker",
        "remote": f"the state's ceiling, {WORKERS} remote brokers in one process",
        "ray": f"the state's ceiling, {WORKERS} remote brokers over Ray",
    }
    rows = [
        Row(
            name=names[broker],
            figure=MOVES * _rate(spells),
            unit="moves/s",
            details=f"{MOVES} a job: {spells[0].jobs} jobs at {_rate(spells):.0f}/s, no service and no videos, "
            f"median of {len(spells)}; {spells[0].shares}",
        )
        for broker, spells in brokers.items()
    ]
    size = brokers["local"][0]
    return [
        *rows,
        Row(
            name="the state's size",
            figure=size.size / size.jobs,
            unit="bytes a job",
            details=f"{size.jobs} finished jobs of one attempt, with their history",
        ),
    ]


def _engine_rows(brokers: dict[str, list[Spell]], runs: dict[int, list[Spell]]) -> list[Row]:
    """What a job's records take of the processor, and how much of that is the engine's."""
    cpu = {broker: _cpu_ms(spells) for broker, spells in brokers.items()}
    what = "processor for a job's records"
    rows = [
        Row(name=f"{what}, local broker", figure=cpu["local"], unit="ms"),
        Row(
            name=f"{what}, remote brokers in one process",
            figure=cpu["remote"],
            unit="ms",
            details=f"numbered and pickled calls; {_travel(brokers['remote'][0])}",
        ),
    ]
    if "ray" not in cpu:
        return rows
    alone, spread = _cpu_ms(runs[0]), _cpu_ms(runs[WORKERS])
    return [
        *rows,
        Row(
            name=f"{what}, remote brokers over Ray",
            figure=cpu["ray"],
            unit="ms",
            details=f"{_travel(brokers['ray'][0])}",
        ),
        Row(
            name="the engine's part of a job's records",
            figure=cpu["ray"] - cpu["remote"],
            unit="ms",
            details=f"{1 - cpu['far'] / cpu['ray']:.0%} of them",
        ),
        Row(
            name="what a job takes more over Ray",
            figure=spread - alone,
            unit="ms of processor",
            details=f"{spread:.1f} ms with {_workers(WORKERS)}, {alone:.1f} ms without Ray: whole runs",
        ),
    ]


def _travel(spell: Spell) -> str:
    return f"{spell.calls / spell.jobs:.2f} calls a job in {spell.messages / spell.jobs:.2f} messages"


def _rate(spells: Sequence[Spell]) -> float:
    return median(one.per_second for one in spells)


def _cpu_ms(spells: Sequence[Spell]) -> float:
    return median(one.cpu_ms for one in spells)


def _workers(number: int) -> str:
    return f"{number} worker{'s' if number > 1 else ''}"
