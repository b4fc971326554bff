"""Rows of the database to records, and back; sets of states to SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import fields

from batchveo.core.models import Job, JobState

_AS_THEY_ARE = tuple(f.name for f in fields(Job) if f.name not in {"state", "held", "request", "meta", "index"})


def list_states(states: Iterable[JobState]) -> str:
    """States as the inside of SQL's ``IN (...)``; ``NOT IN`` with fewer of them would find no index."""
    return ", ".join(f"'{state.value}'" for state in states)


def job_of(row: sqlite3.Row) -> Job:
    """The job a row of ``sql.COLUMNS`` holds."""
    columns: dict[str, object] = {name: row[name] for name in _AS_THEY_ARE}
    return Job(
        **columns,  # type: ignore[arg-type]
        state=JobState(row["state"]),
        held=bool(row["held"]),
        request=json.loads(str(row["request"])),
        meta=json.loads(str(row["meta"])),
        index=row["repeat_index"],
    )


def columns_of(job: Job) -> dict[str, object]:
    """What ``transitions.MOVE`` writes of a job."""
    columns: dict[str, object] = {name: getattr(job, name) for name in _AS_THEY_ARE}
    return {**columns, "state": job.state.value, "held": int(job.held)}
