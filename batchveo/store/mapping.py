"""Jobs in SQL: their columns, rows to records and back, and sets of states."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from batchveo.core.job_row import field_names
from batchveo.core.models import Job, JobState
from batchveo.core.state_machine import UNNEEDED


def list_states(states: Iterable[JobState]) -> str:
    """States as the inside of SQL's ``IN (...)``; ``NOT IN`` with fewer of them would find no index."""
    return ", ".join(f"'{state.value}'" for state in states)


_NAMES = tuple(f.name for f in fields(Job))
_SOURCES = {
    "index": "repeat_index",
    "api_key_label": "key_name",
    "service": "(SELECT service FROM runs WHERE runs.id = jobs.run)",
    "catalog": "(SELECT digest FROM catalogs WHERE catalogs.id = jobs.catalog)",
    "policy": "(SELECT policy FROM policies WHERE policies.id = jobs.policy)",
    "place": """iif(jobs.chain IS NULL AND jobs.in_place_of IS NULL, NULL, json_patch(
        iif(jobs.in_place_of IS NULL, json_object(), json_object('in_place_of', json(jobs.in_place_of))),
        iif(jobs.chain IS NULL, json_object(), json_object(
        'chain', (SELECT first.id FROM jobs AS first WHERE first.seq = jobs.chain), 'link', jobs.link,
        'parents', (SELECT json_group_array(json_object('job_id', id, 'part', part, 'sha256', sha256))
            FROM (SELECT taken.id, links.part, links.sha256 FROM links CROSS JOIN jobs AS taken
                ON taken.seq = links.taken_from WHERE links.child = jobs.seq ORDER BY links.parent, links.part))))))""",
}
"""What is not in a column of its own name."""
COLUMNS = ", ".join(f'{_SOURCES[name]} AS "{name}"' if name in _SOURCES else name for name in _NAMES)
"""The columns of a ``Job``, in the order of its fields."""
UNFINISHED = list_states(state for state in JobState if not state.is_complete)
"""States of jobs that a run can do something for."""
UNSETTLED = list_states(state for state in JobState if state.is_unsettled)
MAY_BE_BOUGHT = list_states(state for state in JobState if state.may_be_bought)
ACCEPTED = list_states(state for state in JobState if state.is_accepted)
IS_LATER = f"""later.take > {{0}}.take AND NOT (later.state = 'cancelled'
    AND coalesce(later.error, '') IN ({", ".join(f"'{error}'" for error in UNNEEDED)}))"""
"""Whether ``later`` is a later take than the job of that alias; one that was withdrawn does not count."""
REJECTED_AT_LAST = f"""state = 'succeeded' AND verdict = 'rejected' AND NOT EXISTS (SELECT 1 FROM jobs AS later
    WHERE later.take_of = coalesce(jobs.take_of, jobs.seq) AND {IS_LATER.format("jobs")})"""
"""Jobs whose clip was rejected, and that have no later take."""
TAKES_FROM = "(SELECT coalesce(takes_from, id) FROM runs WHERE id = :run)"
"""A run takes on the jobs of all runs from this one to itself: so one row takes on a million jobs."""

_CONVERTED = {"state", "held", "request", "meta", "index", "unchecked", "asked"}
_AS_THEY_ARE = tuple(f.name for f in fields(Job) if f.name not in _CONVERTED)


def job_of(row: sqlite3.Row) -> Job:
    """The job in a row that begins with ``COLUMNS``."""
    # by position: to find each of so many columns by its name takes half of the time
    columns: dict[str, Any] = dict(zip(_NAMES, row, strict=False))
    columns["state"] = JobState(columns["state"])
    for name in ("held", "asked"):
        columns[name] = bool(columns[name])
    for name in ("request", "meta"):
        columns[name] = json.loads(columns[name])
    columns["unchecked"] = field_names(columns["unchecked"])
    return Job(**columns)


def columns_of(job: Job) -> dict[str, object]:
    """The columns of a job that ``transitions.MOVE`` writes."""
    columns: dict[str, object] = {name: getattr(job, name) for name in _AS_THEY_ARE}
    return {**columns, "state": job.state.value, "held": int(job.held)}
