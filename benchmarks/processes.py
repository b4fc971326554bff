"""Processes that are measured, and always ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from benchmarks.machine import ROOT

LONGEST_SECONDS = 900.0
"""No program is waited for longer than this."""
GRACE_SECONDS = 10.0
LAUNCHER = ROOT / "benchmarks" / "launcher.py"
_KIB = 1024
_TICKS = os.sysconf("SC_CLK_TCK")

Command = Sequence[str]
_running: set[subprocess.Popen[bytes]] = set()


class ProgramFailed(Exception):
    """A measured program ended otherwise than it should; the message ends with what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a program ended and what it took, its children included.

    ``began`` and ``ended`` are seconds since the epoch, ``first_line`` when standard output had its first line
    (only of ``run_reading``), ``cpu`` is seconds of processor, ``rss`` the largest resident set in bytes;
    ``out`` is standard output, ``err`` the end of standard error.
    """

    status: int
    began: float
    ended: float
    cpu: float
    rss: int
    out: str = ""
    err: str = ""
    first_line: float = 0.0

    @property
    def wall(self) -> float:
        """Seconds from start to end."""
        return self.ended - self.began


def batchveo(*arguments: str | Path) -> list[str]:
    """The command line of this checkout's batchveo."""
    return [sys.executable, "-m", "batchveo", *map(str, arguments)]


def batchveo_run(manifest: Path, folder: Path, url: str, *options: str) -> list[str]:
    """``batchveo run`` against the service at ``url``, with its state and videos in ``folder``."""
    places = ("--state", folder / "batchveo.db", "--output", folder / "videos", "--base-url", url)
    return batchveo("run", manifest, *places, "--quiet", *options)


def program(name: str, *arguments: str | Path) -> list[str]:
    """The command line of a program of this folder, such as ``peers.threads``."""
    return [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]


def environment() -> dict[str, str]:
    """What measured programs see: this checkout, some key, none of the user's own options or proxies."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("BATCHVEO_") and not name.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONPATH": str(ROOT), "AIMLAPI_API_KEY": "benchmark"}


def run(
    command: Command, *, expect: Sequence[int] = (0,), timeout: float = LONGEST_SECONDS, cwd: Path | None = None
) -> Finished:
    """Run ``command`` to its end; raises ``ProgramFailed`` on a status not in ``expect`` or after ``timeout``."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.NamedTemporaryFile() as report:
        with started(_launched(command, report), stdout=out, stderr=err, cwd=cwd) as child, _deadline(child, timeout):
            child.wait()
        finished = replace(_read_report(report, command), out=_text(out), err=_text(err)[-2000:])
    if finished.status not in expect:
        raise ProgramFailed(f"{' '.join(command)} ended with status {finished.status}: {finished.err}")
    return finished


def run_reading(command: Command, *, timeout: float = LONGEST_SECONDS) -> Finished:
    """Run ``command`` and read its standard output away as it comes; notes when its first line came."""
    with tempfile.NamedTemporaryFile() as report:
        with started(_launched(command, report), stdout=subprocess.PIPE) as child, _deadline(child, timeout):
            assert child.stdout is not None
            with child.stdout as out:
                out.readline()
                first_line = time.time()
                while out.read(1 << 20):
                    pass
            child.wait()
        finished = replace(_read_report(report, command), first_line=first_line)
    if finished.status != 0:
        raise ProgramFailed(f"{' '.join(command)} ended with status {finished.status}")
    return finished


def _launched(command: Command, report: IO[bytes]) -> list[str]:
    return [sys.executable, "-I", "-S", str(LAUNCHER), report.name, *command]


def _read_report(report: IO[bytes], command: Command) -> Finished:
    """What the launcher wrote of the program that it started; raises ``ProgramFailed`` if both were killed."""
    said = _text(report).split()
    if not said:
        raise ProgramFailed(f"{' '.join(command)} did not start, or was killed")
    status, began, ended, cpu, rss = said
    return Finished(status=int(status), began=float(began), ended=float(ended), cpu=float(cpu), rss=int(rss) * _KIB)


@contextmanager
def _deadline(child: subprocess.Popen[bytes], seconds: float) -> Iterator[None]:
    """Kill ``child`` where the block takes longer than ``seconds``."""
    overdue = threading.Timer(seconds, kill, [child])
    overdue.start()
    try:
        yield
    finally:
        overdue.cancel()


@contextmanager
def started(
    command: Command,
    *,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
    stderr: IO[bytes] | int = subprocess.DEVNULL,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A running ``command``, asked to end with the block and killed with its children where it does not."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env={**environment(), **(env or {})},
        cwd=cwd,
        start_new_session=True,
    )
    _running.add(child)
    try:
        yield child
    finally:
        _running.discard(child)
        if child.returncode is None:
            _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    os.killpg(child.pid, signal.SIGTERM)
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        kill(child)
        child.wait()


def kill(child: subprocess.Popen[bytes]) -> None:
    """End a program and its children at once."""
    if child.returncode is None:
        os.killpg(child.pid, signal.SIGKILL)


def kill_all() -> None:
    """End everything that was started and still runs."""
    for child in list(_running):
        kill(child)


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A running program's processor seconds so far, its resident bytes now and at most; ``at`` is monotonic."""

    at: float
    cpu: float
    rss: int
    peak_rss: int


def glance(pid: int) -> Glance:
    """Look at a running program through /proc."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines())
    return Glance(
        at=time.monotonic(),
        cpu=(int(after_name[11]) + int(after_name[12])) / _TICKS,
        rss=int(status["VmRSS"].split()[0]) * _KIB,
        peak_rss=int(status["VmHWM"].split()[0]) * _KIB,
    )


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")
