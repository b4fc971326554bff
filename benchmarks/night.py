"""How much longer a night takes than it must."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.processes import Finished, batchveo_run, program, run
from benchmarks.rows import Row, Target, at_most
from benchmarks.schedule import ideal_makespan, packed_makespan
from benchmarks.servers import Server, sandbox
from benchmarks.spaces import workspace
from benchmarks.workloads import csv_manifest, prompts_file

JOBS = 200
IN_FLIGHT = 10
MEDIAN, SIGMA = 90.0, 0.3
"""Generation times: log-normal, seconds before they are sped up."""
POLL_RATE = 4.0
"""Polls a second, at most, before they are sped up."""
FIXED_GAP = 10.0
"""The peers' gap between polls: what the service's documentation shows."""
FACTOR = 30.0
MOST_RATIO = 1.02
GRID_MEDIANS = (35.0, 90.0)
GRID_JOBS = {10: 200, 100: 2000, 1000: 5000}
"""The jobs of a night by the number in flight: fewer rounds of a thousand, to bound the time."""
GRID_JOBS_QUICK = {10: 60, 100: 400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A client; ``command`` makes its command line from the server and a folder, for so many ``jobs``."""

    name: str
    command: Callable[[Server, Path, int], Sequence[str]]
    jobs: int
    target: Target | None = None
    ideal: Callable[[Sequence[float], int], float] = ideal_makespan


def measure(*, quick: bool) -> list[Row]:
    """In virtual time exactly, also by default settings; then sped up, as processes, beside the peers."""
    if quick:
        return [*_virtual(jobs=60, seeds=1), *_by_default(GRID_JOBS_QUICK), *_sped_up(jobs=30, at_once=True)]
    return [*_virtual(jobs=JOBS, seeds=5), *_by_default(GRID_JOBS), *_sped_up(jobs=JOBS, at_once=False)]


def _virtual(*, jobs: int, seeds: int) -> list[Row]:
    adaptive = [_lived(jobs, seed, "--poll-rate", str(POLL_RATE)) for seed in range(seeds)]
    fixed = [_lived(jobs, seed, "--poll-interval", str(FIXED_GAP)) for seed in range(seeds)]
    setting = f"{jobs} jobs, {IN_FLIGHT} in flight, virtual time, median of {seeds} nights"
    return [
        Row(
            name="a night's length",
            figure=median(night["makespan"] / night["ideal"] for night in adaptive),
            unit="x ideal",
            target=at_most(MOST_RATIO),
            details=f"{setting}; at most {POLL_RATE:g} polls/s, {adaptive[0]['polls'] / jobs:.1f} a job",
        ),
        Row(
            name=f"a night's length, polled each {FIXED_GAP:g} s",
            figure=median(night["makespan"] / night["ideal"] for night in fixed),
            unit="x ideal",
            details=f"{fixed[0]['polls'] / jobs:.1f} polls a job",
        ),
    ]


def _by_default(jobs_in_flight: Mapping[int, int]) -> list[Row]:
    """Nights by default settings: some, many and very many in flight, clips that are made soon or late."""
    cells = [(middle, in_flight) for middle in GRID_MEDIANS for in_flight in jobs_in_flight]
    # each is a process of its own, and no time of this machine is measured
    with ThreadPoolExecutor(os.cpu_count()) as beside:
        return list(beside.map(lambda cell: _cell(*cell, jobs=jobs_in_flight[cell[1]]), cells))


def _cell(middle: float, in_flight: int, *, jobs: int) -> Row:
    night = _lived(jobs, 0, in_flight=in_flight, middle=middle)
    return Row(
        name=f"a night by default, {in_flight} in flight, {middle:g} s a clip",
        figure=night["makespan"] / night["ideal"],
        unit="x ideal",
        target=at_most(MOST_RATIO),
        details=f"{jobs} jobs, virtual time; {night['polls'] / jobs:.1f} polls a job, mean delay"
        f" {night['mean_delay']:.2f} s, {night['busiest']:.1f} polls/s in the busiest ten seconds",
    )


def _lived(jobs: int, seed: int, *polling: str, in_flight: int = IN_FLIGHT, middle: float = MEDIAN) -> dict[str, Any]:
    size = ["--jobs", str(jobs), "--in-flight", str(in_flight), "--median", str(middle), "--sigma", str(SIGMA)]
    schedule: dict[str, Any] = json.loads(run(program("virtual", *size, "--seed", str(seed), *polling)).out)
    return schedule


def _sped_up(*, jobs: int, at_once: bool) -> list[Row]:
    contestants = _contestants(jobs)
    # the script one after another is idle nearly always: it runs beside the others in any case
    with ThreadPoolExecutor(1) as beside, ThreadPoolExecutor(len(contestants) if at_once else 1) as others:
        alone = beside.submit(_rated, contestants[-1])
        return [*others.map(_rated, contestants[:-1]), alone.result()]


def _contestants(jobs: int) -> list[Contestant]:
    return [
        Contestant(name="batchveo", command=_batchveo, jobs=jobs, target=at_most(MOST_RATIO)),
        Contestant(name="peer (c), aiohttp", command=_peer("aiohttp_semaphore", "--in-flight"), jobs=jobs),
        Contestant(name="peer (b), threads", command=_peer("threads", "--workers"), jobs=jobs),
        Contestant(
            name="peer (a), one after another",
            command=_peer("script_loop"),
            jobs=jobs // 10,  # it would take all day
            ideal=packed_makespan,
        ),
    ]


def _batchveo(server: Server, folder: Path, jobs: int) -> list[str]:
    manifest = csv_manifest(folder / "m.csv", jobs)
    pace = ["--concurrency", str(IN_FLIGHT), "--poll-rate", str(POLL_RATE * FACTOR)]
    return batchveo_run(manifest, folder, server.url, *pace)


def _peer(name: str, limit: str | None = None) -> Callable[[Server, Path, int], Sequence[str]]:
    def command(server: Server, folder: Path, jobs: int) -> list[str]:
        prompts = prompts_file(folder / "prompts.txt", jobs)
        pace = ["--gap", str(FIXED_GAP / FACTOR), *([limit, str(IN_FLIGHT)] if limit else [])]
        return program(f"peers.{name}", server.url, prompts, folder / "videos", *pace)

    return command


def _rated(contestant: Contestant) -> Row:
    with workspace() as folder:
        journal = folder / "journal.jsonl"
        times = ["--generation-time", str(MEDIAN / FACTOR), "--sigma", str(SIGMA)]
        with sandbox(*times, "--balance", "1e9", "--journal", str(journal)) as server:
            client = run(contestant.command(server, folder, contestant.jobs))
        takes, makespan = _made(journal, client)
    ideal = contestant.ideal(takes, IN_FLIGHT)
    return Row(
        name=f"a night sped up {FACTOR:g} times, {contestant.name}",
        figure=makespan / ideal,
        unit="x ideal",
        target=contestant.target,
        details=f"{contestant.jobs} jobs, {makespan:.1f} s from first submit to exit, ideally {ideal:.1f} s"
        f" at {IN_FLIGHT} in flight; {client.cpu:.1f} s of processor",
    )


def _made(journal: Path, client: Finished) -> tuple[list[float], float]:
    """The generation times that were drawn, and the seconds from the first submit to the client's end."""
    noted = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()[1:]]
    made = [entry["generation"] for entry in noted]
    takes = [one["ready_at"] - one["submitted_at"] for one in made]
    return takes, client.ended - made[0]["submitted_at"]
