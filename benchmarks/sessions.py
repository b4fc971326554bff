"""The processor time of a program and of all that it starts, as it goes."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from benchmarks.processes import LONGEST_SECONDS, Command, ProgramFailed, started

GAP_SECONDS = 0.2
_TICKS = os.sysconf("SC_CLK_TCK")
_TITLES = {"ray::CoordinatorActor": "coordinator", "ray::WorkerActor": "workers", "ray::Lane": "workers"}
"""How Ray names the processes of actors; its others are its own."""


@dataclass(slots=True)
class Session:
    """Samples of a session of processes: processor seconds so far of each, those of ended ones included.

    Kinds of processes are ``program`` (the one that was started), ``coordinator``, ``workers`` and ``ray``.
    """

    leader: int
    at: list[float] = field(default_factory=list)
    used: list[Mapping[int, float]] = field(default_factory=list)
    kinds: dict[int, str] = field(default_factory=dict)
    """By process; an idle one becomes an actor's."""

    def sample(self) -> None:
        """Look at every process of the session."""
        used = dict(self.used[-1]) if self.used else {}
        for pid, seconds in _processes(self.leader):
            used[pid] = seconds
            self.kinds[pid] = _kind(pid, self.leader, self.kinds.get(pid, "ray"))
        self.at.append(time.time())
        self.used.append(used)

    def between(self, first: float, last: float) -> dict[str, float]:
        """Processor seconds by kind between two times (seconds since the epoch), to the samples' precision."""
        before, after = self._nearest(first), self._nearest(last)
        spent: defaultdict[str, float] = defaultdict(float)
        for pid, seconds in after.items():
            spent[self.kinds[pid]] += seconds - before.get(pid, 0.0)
        return dict(spent)

    def _nearest(self, when: float) -> Mapping[int, float]:
        place = min(range(len(self.at)), key=lambda place: abs(self.at[place] - when))
        return self.used[place]


def watched(command: Command, *, timeout: float = LONGEST_SECONDS) -> tuple[Session, str]:
    """Run ``command`` to its end; returns what it used and its standard output, or raises ``ProgramFailed``."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with started(command, stdout=out, stderr=err) as child:
            session = _watched(child, timeout)
        if child.returncode != 0:
            said = _text(err)[-2000:]
            raise ProgramFailed(f"{' '.join(command)} ended with status {child.returncode}: {said}")
        return session, _text(out)


def _watched(child: subprocess.Popen[bytes], timeout: float) -> Session:
    session = Session(leader=child.pid)
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(GAP_SECONDS):
            session.sample()

    watcher = threading.Thread(target=look)
    session.sample()
    watcher.start()
    try:
        child.wait(timeout)
    except subprocess.TimeoutExpired:
        raise ProgramFailed(f"it has not ended after {timeout:.0f} s") from None
    finally:
        ended.set()
        watcher.join()
    return session


def _processes(session: int) -> Iterator[tuple[int, float]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                after_name = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            if int(after_name[3]) == session:
                yield int(entry.name), (int(after_name[11]) + int(after_name[12])) / _TICKS


def _kind(pid: int, leader: int, known: str) -> str:
    if pid == leader:
        return "program"
    try:
        title = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:  # it has just ended
        return known
    return next((kind for start, kind in _TITLES.items() if title.startswith(start)), known)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")
