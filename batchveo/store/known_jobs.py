"""How many of the jobs that manifests name a database has already."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from batchveo.store.database import APPLICATION_ID, open_untouched
from batchveo.store.runs import SERVICES
from batchveo.store.staging import StagingTable

NAMED_IDS = "SELECT id FROM temp.written ORDER BY position"
STATES_OF = "SELECT state, count(*) FROM jobs WHERE id IN ({marks}) GROUP BY state"
IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownJobs:
    """How many of ``named`` jobs the database at ``path`` has, by their states.

    ``services``: the names of the services of its runs.
    """

    path: Path
    named: int
    by_state: Mapping[str, int]
    services: frozenset[str]

    @property
    def known(self) -> int:
        """How many it has."""
        return sum(self.by_state.values())


def count_known_jobs(named: StagingTable, path: Path, *, any_will_do: bool = False) -> KnownJobs | None:
    """How many jobs of ``named`` the database at ``path`` has, without a write or a lock.

    ``None`` if it is no database of ours, or unreadable. ``any_will_do``: stop at the first known jobs.
    """
    try:
        with closing(open_untouched(path)) as db:
            if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                return None
            services = frozenset(row[0] for row in db.execute(SERVICES))
            states: Counter[str] = Counter()
            total = 0
            for ids in _list_id_chunks(named):
                total += len(ids)
                query = STATES_OF.format(marks=",".join("?" * len(ids)))
                states.update({row[0]: row[1] for row in db.execute(query, ids)})
                if states and any_will_do:
                    break
    except (sqlite3.Error, OSError):
        return None
    return KnownJobs(path=path, named=total, by_state=states, services=services)


def _list_id_chunks(named: StagingTable) -> Iterator[list[str]]:
    with closing(named.connection.execute(NAMED_IDS)) as rows:
        while chunk := rows.fetchmany(IDS_AT_ONCE):
            yield [row[0] for row in chunk]
