"""What manifests name that a database does not have, and what it has of them that they no longer name."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from batchveo.core.models import JobState
from batchveo.store.database import Connection
from batchveo.store.mapping import MAY_BE_BOUGHT
from batchveo.store.staging import StagingTable

NAMED_JOBS = "SELECT id, name, model, request, repeat_index, NULL FROM temp.named ORDER BY position"
NEW_JOBS = """SELECT id, name, model, request, repeat_index, NULL FROM temp.named
    WHERE id NOT IN (SELECT id FROM jobs) ORDER BY position"""
FORMER_JOBS = """SELECT id, name, model, request, repeat_index, state FROM jobs
    WHERE manifest IN (SELECT DISTINCT manifest FROM temp.named) AND take_of IS NULL
    AND id NOT IN (SELECT id FROM temp.written)"""
BOUGHT_JOBS = f"{FORMER_JOBS} AND state IN ({MAY_BE_BOUGHT})"


class ComparedJob(NamedTuple):
    """A job of a manifest or a database; ``request`` is canonical JSON, ``state`` is ``None`` if it is new."""

    id: str
    name: str
    model: str
    request: str
    repeat_index: int
    state: JobState | None


class ManifestChanges:
    """Compares the named jobs with the database on the same connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def iter_new(self) -> Iterator[ComparedJob]:
        """The named jobs that the database does not have, in their order."""
        return self._iter_jobs(NEW_JOBS)

    def iter_former(self) -> Iterator[ComparedJob]:
        """The jobs of the same manifests that they no longer name, the oldest first; without further takes."""
        return self._iter_jobs(f"{FORMER_JOBS} ORDER BY seq")

    def iter_bought(self) -> Iterator[ComparedJob]:
        """Those of them that are finished, or may be bought already."""
        return self._iter_jobs(BOUGHT_JOBS)

    def _iter_jobs(self, query: str) -> Iterator[ComparedJob]:
        return _read_jobs(self._db, query)


def _read_jobs(db: sqlite3.Connection, query: str) -> Iterator[ComparedJob]:
    with closing(db.execute(query)) as rows:
        for job_id, name, model, request, repeat_index, state in rows:
            yield ComparedJob(job_id, name, model, request, repeat_index, state and JobState(state))


def iter_named(named: StagingTable) -> Iterator[ComparedJob]:
    """All named jobs, as new ones: for a database that does not exist yet."""
    return _read_jobs(named.connection, NAMED_JOBS)


@contextmanager
def open_changes(named: StagingTable, state: Path) -> Iterator[ManifestChanges]:
    """Compare ``named`` jobs with the existing database at ``state``, for reading."""
    Connection(state, writing=False).close()  # refuses other files, and migrates an older database
    with named.attach_database(state) as db:
        named.fit_to_database(is_attached=True)
        yield ManifestChanges(db)
