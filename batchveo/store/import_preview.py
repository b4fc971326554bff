"""What manifests would come to in a state, before they move in."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchveo.core.job_row import input_files
from batchveo.core.models import InputFile, JobState
from batchveo.store.connection import Connection
from batchveo.store.former_ids import recognise
from batchveo.store.staging import StagingTable

# a new job's file name is taken where a job of the state has it, be it by another case or another Unicode form
FORESEE = """SELECT named.id, named.name, coalesce(jobs.stem, named.stem) AS stem, named.fold, named.model,
        named.request, named.source, named.line, named.inputs, jobs.state,
        jobs.id IS NULL AND EXISTS (SELECT 1 FROM jobs AS other WHERE other.fold = named.fold) AS taken
    FROM temp.named LEFT JOIN jobs ON jobs.id = named.id ORDER BY named.position"""
FORESEE_ALONE = """SELECT id, name, stem, fold, model, request, source, line, inputs, NULL AS state, 0 AS taken
    FROM temp.named ORDER BY position"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """A named job as it would stand in the state. ``state`` is ``None`` where the job is new.

    ``taken``: a job that is there already, or an earlier one of the same call, has its file name.
    """

    id: str
    name: str
    stem: str
    model: str
    request: Mapping[str, Any]
    source: str
    line: int | None
    inputs: tuple[InputFile, ...]
    state: JobState | None
    taken: bool

    @property
    def is_due(self) -> bool:
        """Whether a run that names it would submit it."""
        return self.state in (None, JobState.PENDING)


def foresee(named: StagingTable, state: Path | None) -> Iterator[Foreseen]:
    """Each job of ``named`` in its order; ``state`` is a state file, or ``None`` where there is none yet."""
    if state is not None:
        Connection(state, writing=False).close()  # refuses what is no state, and brings an older one up to date
    with nullcontext(named.alone) if state is None else named.joined(state) as db:
        if state is not None:
            recognise(db)
        yield from _foreseen(db, FORESEE_ALONE if state is None else FORESEE)


def _foreseen(db: sqlite3.Connection, query: str) -> Iterator[Foreseen]:
    folds: set[int] = set()
    with closing(db.execute(query)) as rows:
        for row in rows:
            columns = dict(row)
            key = hash(columns.pop("fold"))
            columns["taken"] = bool(row["taken"]) or (row["state"] is None and key in folds)
            folds.add(key)
            columns["state"] = None if row["state"] is None else JobState(row["state"])
            columns["inputs"] = input_files(row["inputs"])
            yield Foreseen(**{**columns, "request": json.loads(row["request"])})
