"""How long the audit of a large database takes, beside the service's limit of calls, and after a kill."""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from batchveo.provider.client import LOG_CALLS_PER_MINUTE
from benchmarks.loopback import is_failed
from benchmarks.processes import Command, Finished, ProgramFailed, kill, program, run, started
from benchmarks.rows import Row, at_most
from benchmarks.servers import Server, loopback
from benchmarks.spaces import workspace
from benchmarks.states import state_of

ROWS_PER_CALL = 100
MOST_SECONDS, MOST_SECONDS_AGAIN = 240.0, 60.0
MOST_CALLS = 1.05
"""Calls of the log, against as few as there can be: windows overlap at their edges."""
MOST_CALLS_KILLED = 1.1
MOST_MEGABYTES = 200.0
FINDINGS = 1


def measure(*, quick: bool) -> list[Row]:
    """Whole, again, and killed half-way."""
    requests = 5_000 if quick else 500_000
    name = f"audit of {requests:,} requests"
    fewest = requests / ROWS_PER_CALL
    with workspace() as folder, loopback(requests=requests) as server:
        _make_state(folder, requests)
        command = _audit(folder, server)
        first = _run_whole(command, requests)
        calls = server.seen().log_calls
        again = _run_whole(command, requests)
        (folder / "batchveo.db.audit").unlink()
        before = server.seen().log_calls
        _kill_at(command, server, before + int(fewest / 2))
        _run_whole(command, requests)
        killed = server.seen().log_calls - before
    minutes = calls / LOG_CALLS_PER_MINUTE
    return [
        Row(
            name=f"{name}, without the service's limit",
            figure=first.wall,
            unit="s",
            target=at_most(MOST_SECONDS),
            details=f"{first.cpu:.1f} s of processor; {minutes:.0f} minutes at {LOG_CALLS_PER_MINUTE} calls a minute",
        ),
        Row(name=f"{name}: memory", figure=first.rss / 1e6, unit="MB", target=at_most(MOST_MEGABYTES)),
        Row(
            name=f"{name}: calls of the usage log / fewest",
            figure=calls / fewest,
            unit="x",
            target=at_most(MOST_CALLS if not quick else 2.0),
            details=f"{calls:,} calls",
        ),
        Row(
            name=f"{name}, again",
            figure=again.wall,
            unit="s",
            target=at_most(MOST_SECONDS_AGAIN),
            details=f"{again.cpu:.1f} s of processor; what was read is kept",
        ),
        Row(
            name=f"{name}, killed half-way: calls of both / fewest",
            figure=killed / fewest,
            unit="x",
            target=at_most(MOST_CALLS_KILLED if not quick else 2.0),
            details="the same findings",
        ),
    ]


def _make_state(folder: Path, requests: int) -> None:
    """A database of so many jobs, whose videos are one file."""
    video = folder / "video.mp4"
    video.write_bytes(b"video")
    shutil.copy(state_of(requests), folder / "batchveo.db")
    with closing(sqlite3.connect(folder / "batchveo.db")) as state, state:
        place = (str(folder), video.name, video.stat().st_size)
        state.execute("UPDATE jobs SET folder = ?, file = ?, bytes = ? WHERE state = 'succeeded'", place)


def _audit(folder: Path, server: Server) -> Command:
    return program("unlimited", "audit", "--json", "--state", folder / "batchveo.db", "--base-url", server.url)


def _run_whole(command: Command, requests: int) -> Finished:
    """Run the audit; raises ``ProgramFailed`` unless it is whole, with the findings that the lists have."""
    done = run(command, expect=[FINDINGS])
    said = json.loads(done.out)
    found = [finding["kind"] for finding in said["findings"]]
    unfinished = range(requests - requests // 1000 + 1, requests + 1)
    expected = {
        "never_charged": len(range(1, unfinished[0], 1000)),
        "not_on_disk": sum(number % 2 == 0 for number in unfinished if not is_failed(number)),
        "unknown": sum(number % 2 == 1 for number in unfinished if not is_failed(number)),
    }
    if not said["whole"] or {kind: found.count(kind) for kind in sorted({*found})} != expected:
        raise ProgramFailed(f"the audit found {len(found)} differences, not {expected}, whole: {said['whole']}")
    return done


def _kill_at(command: Command, server: Server, calls: int) -> None:
    """Start the audit, and kill it once the service has had so many calls of its log."""
    with started(command) as child:
        while server.seen().log_calls < calls:
            time.sleep(0.01)
        kill(child)
        child.wait()
