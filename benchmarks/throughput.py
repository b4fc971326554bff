"""Jobs a second through submit, poll, download and every durable commit, where the service takes no time."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.processes import Finished, batchveo_run, program, run
from benchmarks.rows import Row, at_least
from benchmarks.servers import Server, loopback, sandbox
from benchmarks.spaces import RAM_DISK, workspace
from benchmarks.workloads import csv_manifest, prompts_file

IN_FLIGHT = 200
GAP = 0.05
"""Seconds between polls, for every contestant: so that the gap is never what they wait for."""
LEAST_RATE = 250.0
LEAST_SHARE = 0.5
LEAST_BARE_SHARE = 0.3
"""The same on a RAM disk, where only the processor counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """One run of a client; ``server_cpu`` is the server's processor seconds meanwhile.

    ``seconds``: from the first request, if the server notes it, else from the start; always to the client's exit.
    ``single``: what a run of one job takes, mostly start and end.
    """

    jobs: int
    client: Finished
    single: Finished
    server_cpu: float
    seconds: float

    @property
    def per_second(self) -> float:
        return self.jobs / self.seconds

    @property
    def per_cpu_second(self) -> float:
        """Jobs a second of the client's processor time, without that of a run of one job."""
        return (self.jobs - 1) / (self.client.cpu - self.single.cpu)

    @property
    def client_share(self) -> float:
        """The client's processor use, as a part of one core."""
        return self.client.cpu / self.client.wall

    @property
    def server_share(self) -> float:
        """The server's processor use, as a part of one core."""
        return self.server_cpu / self.client.wall


def measure(*, quick: bool) -> list[Row]:
    """batchveo and the bare aiohttp peer, in turns, on the same kind of server."""
    jobs, rounds = (200, 1) if quick else (5000, 3)
    ours, theirs = _in_turns(jobs, rounds)
    with sandbox("--generation-time", "0.001", "--balance", "1e9") as server, workspace() as folder:
        on_sandbox = _batchveo(server, jobs // 5, folder)
    rows = _rows(ours, theirs, on_sandbox)
    return [*rows, _undurable(*_in_turns(jobs, rounds, RAM_DISK))] if RAM_DISK.is_dir() else rows


def _in_turns(jobs: int, rounds: int, parent: Path | None = None) -> tuple[list[Rate], list[Rate]]:
    ours: list[Rate] = []
    theirs: list[Rate] = []
    # one workspace for all: to delete the files of a round is work for the disk that the next one would wait for
    with workspace(parent) as folder:
        for number in range(rounds):
            with loopback() as server:
                ours.append(_batchveo(server, jobs, folder / f"batchveo-{number}"))
            with loopback() as server:
                theirs.append(_peer(server, jobs, folder / f"peer-{number}"))
    return ours, theirs


def _batchveo(server: Server, jobs: int, folder: Path) -> Rate:
    def command(place: Path, count: int) -> list[str]:
        pace = ["--concurrency", str(IN_FLIGHT), "--downloads", "32", "--poll-interval", str(GAP)]
        return batchveo_run(csv_manifest(place / "m.csv", count), place, server.url, *pace)

    return _rated(server, jobs, folder, command)


def _peer(server: Server, jobs: int, folder: Path) -> Rate:
    def command(place: Path, count: int) -> list[str]:
        prompts = prompts_file(place / "prompts.txt", count)
        pace = ["--in-flight", str(IN_FLIGHT), "--gap", str(GAP)]
        return program("peers.aiohttp_semaphore", server.url, prompts, place / "videos", *pace)

    return _rated(server, jobs, folder, command)


def _rated(server: Server, jobs: int, folder: Path, command: Callable[[Path, int], list[str]]) -> Rate:
    """Run the ``command`` for a folder and a number of jobs: with all of them, then with a single one."""
    every, one = folder / "every", folder / "one"
    every.mkdir(parents=True)
    one.mkdir()
    whole = command(every, jobs)
    os.sync()  # what was written before is not waited for here
    before = server.glance().cpu
    client = run(whole)
    server_cpu = server.glance().cpu - before
    began = server.seen().first_submit_or_poll if server.notes_requests else client.began
    single = run(command(one, 1))
    return Rate(jobs=jobs, client=client, single=single, server_cpu=server_cpu, seconds=client.ended - began)


def _rows(ours: Sequence[Rate], theirs: Sequence[Rate], on_sandbox: Rate) -> list[Row]:
    rate, peer = median(one.per_second for one in ours), median(one.per_second for one in theirs)
    cpu, peer_cpu = median(one.per_cpu_second for one in ours), median(one.per_cpu_second for one in theirs)
    setting = f"{ours[0].jobs} jobs, {IN_FLIGHT} in flight, loopback server, median of {len(ours)}"
    bare = "no state, no sync, no check"
    return [
        Row(
            name="throughput",
            figure=rate,
            unit="jobs/s",
            target=at_least(LEAST_RATE),
            details=f"{setting}, from the first request to the exit; {_shares(ours[0])}; "
            f"{ours[0].client.rss / 1e6:.0f} MB",
        ),
        Row(
            name="throughput per processor second",
            figure=cpu,
            unit="jobs/CPU s",
            target=at_least(LEAST_RATE),
            details="the client's user and system time, less that of a run of one job",
        ),
        Row(
            name="throughput: start and end",
            figure=median(one.single.wall for one in ours),
            unit="s",
            details="a run of one job into a new state; "
            f"{median(one.single.cpu for one in ours):.2f} s of processor, {ours[0].single.rss / 1e6:.0f} MB",
        ),
        Row(name="throughput, peer (c)", figure=peer, unit="jobs/s", details=f"{bare}; {_shares(theirs[0])}"),
        Row(name="throughput per processor second, peer (c)", figure=peer_cpu, unit="jobs/CPU s", details=bare),
        Row(
            name="throughput against peer (c)",
            figure=rate / peer,
            unit="",
            target=at_least(LEAST_SHARE),
            details=f"by processor time {cpu / peer_cpu:.2f}",
        ),
        Row(
            name="throughput on the sandbox",
            figure=on_sandbox.per_second,
            unit="jobs/s",
            details=f"{on_sandbox.jobs} jobs, with the client's start; {_shares(on_sandbox)}; "
            "low shares: waiting for the disk",
        ),
    ]


def _undurable(ours: Sequence[Rate], theirs: Sequence[Rate]) -> Row:
    rate, peer = median(one.per_second for one in ours), median(one.per_second for one in theirs)
    cpu, peer_cpu = median(one.per_cpu_second for one in ours), median(one.per_cpu_second for one in theirs)
    return Row(
        name="throughput without durability, against peer (c)",
        figure=rate / peer,
        unit="",
        target=at_least(LEAST_BARE_SHARE),
        details=f"both on a RAM disk, where syncs cost nothing: {rate:.0f} and {peer:.0f} jobs/s; "
        f"by processor time {cpu / peer_cpu:.2f} ({cpu:.0f} jobs/CPU s)",
    )


def _shares(rate: Rate) -> str:
    return f"client at {rate.client_share:.0%} of a core, server at {rate.server_share:.0%}"
