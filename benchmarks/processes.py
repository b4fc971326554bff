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
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from benchmarks.machine import ROOT

LONGEST_SECONDS = 900.0
"""No program is waited for longer than this."""
GRACE_SECONDS = 10.0
_KIB = 1024
_TICKS = os.sysconf("SC_CLK_TCK")

Command = Sequence[str]
_running: set[subprocess.Popen[bytes]] = set()


class ProgramFailed(Exception):
    """A measured program ended otherwise than it should; the message ends with what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a program ended and what it took, its children included.

    ``wall``, ``user``, ``system`` are seconds, ``rss`` is the largest resident set in bytes, ``began`` and
    ``ended`` are seconds since the epoch; ``out`` is standard output, ``err`` the end of standard error.
    """

    status: int
    began: float
    ended: float
    user: float
    system: float
    rss: int
    out: str
    err: str

    @property
    def wall(self) -> float:
        """Seconds from start to end."""
        return self.ended - self.began

    @property
    def cpu(self) -> float:
        """Seconds of processor time."""
        return self.user + self.system


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
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.time()
        with started(command, stdout=out, stderr=err, cwd=cwd) as child:
            overdue = threading.Timer(timeout, kill, [child])
            overdue.start()
            try:
                status, usage = _reap(child)
            finally:
                overdue.cancel()
        finished = Finished(
            status=status,
            began=began,
            ended=time.time(),
            user=usage.ru_utime,
            system=usage.ru_stime,
            rss=usage.ru_maxrss * _KIB,
            out=_text(out),
            err=_text(err)[-2000:],
        )
    if status not in expect:
        raise ProgramFailed(f"{_words(command)} ended with status {status}: {finished.err}")
    return finished


def _reap(child: subprocess.Popen[bytes]) -> tuple[int, os.struct_rusage]:  # type: ignore[name-defined]
    _, raw, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(raw)
    return child.returncode, usage


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
    child.terminate()
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
    """A running program's processor seconds so far and its resident bytes now; ``at`` is a monotonic time."""

    at: float
    cpu: float
    rss: int


def glance(pid: int) -> Glance:
    """Look at a running program through /proc."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    resident = next(line for line in status if line.startswith("VmRSS:"))
    return Glance(
        at=time.monotonic(),
        cpu=(int(after_name[11]) + int(after_name[12])) / _TICKS,
        rss=int(resident.split()[1]) * _KIB,
    )


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _words(command: Command) -> str:
    return " ".join(command)
