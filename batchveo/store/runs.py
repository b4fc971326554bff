"""The runs of a database: which one holds it, when, and with which service and options."""

from __future__ import annotations

import os
import socket
import sqlite3
import sys
from typing import Any

from batchveo.core.errors import StateLocked
from batchveo.core.version import __version__
from batchveo.store.database import Connection, Part
from batchveo.store.mapping import TAKES_FROM

BEGIN_RUN = """INSERT INTO runs (command, service, version, host, pid, started_at)
    VALUES (:command, :service, :version, :host, :pid, :now) RETURNING id"""
END_RUN = "UPDATE runs SET ended_at = :now, exit_status = :status WHERE id = :run"
OPEN_RUNS = """SELECT id, host, pid FROM runs WHERE ended_at IS NULL AND command IN ('run', 'resume')
    ORDER BY id DESC LIMIT 20"""
LAST_BUDGET = "SELECT budget_usd FROM runs WHERE command IN ('run', 'resume') AND id < :run ORDER BY id DESC LIMIT 1"
SET_BUDGET = "UPDATE runs SET budget_usd = :budget WHERE id = :run"
SET_OPTIONS = "UPDATE runs SET options = :options WHERE id = :run"
LAST_OPTIONS = "SELECT options FROM runs WHERE command IN ('run', 'resume') AND id < :run ORDER BY id DESC LIMIT 1"
_RUN = "SELECT id, command, service, host, pid, started_at, ended_at, exit_status, budget_usd FROM runs"
LATEST_RUN = f"{_RUN} ORDER BY id DESC LIMIT 1"
LATEST_WORK = f"{_RUN} WHERE command IN ('run', 'resume') ORDER BY id DESC LIMIT 1"
SERVICES = "SELECT DISTINCT service FROM runs"
TAKE_ON_ALL = "UPDATE runs SET takes_from = 0 WHERE id = :run"
HAS_JOB = f"SELECT run BETWEEN {TAKES_FROM} AND :run FROM jobs WHERE seq = :seq"

LATEST = 2**63 - 1
"""Larger than the number of any run."""


class Runs(Part):
    """The run lock, and the record of runs."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._lock = connection.lock
        self._path = connection.path

    def acquire_lock(self) -> None:
        """Make this the one run of the state; raises ``StateLocked`` with the other's pid and host."""
        try:
            self._lock.acquire()
        except StateLocked:
            row = self.find_latest()
            who = f" (pid {row['pid']} on {row['host']})" if row else ""
            raise StateLocked(f"another run holds {self._path}{who}") from None

    def release_lock(self) -> None:
        """Release the lock for another process; the file stays open."""
        self._lock.release()

    def is_running(self) -> bool:
        """Whether a run is active now, by its record: the lock is not touched."""
        host = socket.gethostname()
        rows = self._db.execute(OPEN_RUNS).fetchall()
        # of another machine's runs only the latest can still be alive: each of ours found the lock free
        elsewhere = bool(rows) and rows[0]["host"] != host
        return elsewhere or any(row["host"] == host and _is_alive(int(row["pid"])) for row in rows)

    def begin_run(self, *, command: str, service: str, now: float) -> int:
        """Record that a run begins; returns its number."""
        columns = {
            "command": command,
            "service": service,
            "version": __version__,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "now": now,
        }
        with self._transaction():
            return int(self._db.execute(BEGIN_RUN, columns).fetchone()[0])

    def end_run(self, run: int, *, status: int, now: float) -> None:
        """Record how a run ended."""
        with self._transaction():
            self._db.execute(END_RUN, {"run": run, "status": status, "now": now})

    def read_last_budget(self, run: int = LATEST) -> float | None:
        """The budget of the run before ``run``, in US dollars; ``None`` if it has none."""
        row = self._db.execute(LAST_BUDGET, {"run": run}).fetchone()
        return row["budget_usd"] if row else None

    def set_budget(self, run: int, budget: float | None) -> None:
        """Record the budget of a run, for ``resume``."""
        with self._transaction():
            self._db.execute(SET_BUDGET, {"run": run, "budget": budget})

    def read_last_options(self, run: int = LATEST) -> str | None:
        """The options of the run before ``run``, as ``set_options`` got them; ``None`` if it has none."""
        row = self._db.execute(LAST_OPTIONS, {"run": run}).fetchone()
        return row["options"] if row else None

    def set_options(self, run: int, options: str) -> None:
        """Record the options of a run, for ``resume``."""
        with self._transaction():
            self._db.execute(SET_OPTIONS, {"run": run, "options": options})

    def find_latest(self) -> sqlite3.Row | None:
        """The latest run: ``id, command, service, host, pid, started_at, ended_at, exit_status, budget_usd``."""
        row: sqlite3.Row | None = self._db.execute(LATEST_RUN).fetchone()
        return row

    def find_latest_work(self) -> sqlite3.Row | None:
        """The latest ``run`` or ``resume``, with the same columns: other commands have a record too."""
        row: sqlite3.Row | None = self._db.execute(LATEST_WORK).fetchone()
        return row

    def take_on_all(self, run: int) -> None:
        """Let this run take on every unfinished job."""
        with self._transaction():
            self._db.execute(TAKE_ON_ALL, {"run": run})

    def has_job(self, run: int, seq: int) -> bool:
        """Whether the run has taken on the job of that number."""
        row = self._db.execute(HAS_JOB, {"run": run, "seq": seq}).fetchone()
        return row is not None and bool(row[0])

    def list_services(self) -> set[str]:
        """The names of the services of all runs."""
        return {row[0] for row in self._db.execute(SERVICES)}


def _is_alive(pid: int) -> bool:
    if sys.platform == "win32":  # there signal 0 is Ctrl-C: asking would end the run
        return _has_handle(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


_QUERY_LIMITED_INFORMATION = 0x1000
_ACCESS_DENIED = 5
_STILL_ACTIVE = 259


def _has_handle(pid: int) -> bool:
    """Whether the process lives, on Windows; one that may not be opened does."""
    import ctypes

    system: Any = ctypes
    kernel = system.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)  # noqa: FBT003 - Windows' own signature
    if not handle:
        return bool(system.get_last_error() == _ACCESS_DENIED)
    status = ctypes.c_ulong()
    try:
        kernel.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(status))
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))
    return status.value == _STILL_ACTIVE
