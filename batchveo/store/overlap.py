"""How many of the jobs that manifests name another database knows, which is neither changed nor locked."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from batchveo.store.database import APPLICATION_ID, open_untouched
from batchveo.store.staging import StagingTable

NAMED_IDS = "SELECT id FROM temp.written ORDER BY position"
STATES_OF = "SELECT state, count(*) FROM jobs WHERE id IN ({marks}) GROUP BY state"
SERVICES = "SELECT DISTINCT service FROM runs"
AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquaintance:
    """Of ``named`` jobs, those that the database at ``path`` knows, by their states.

    ``services``: what its runs have called the services they spoke to.
    """

    path: Path
    named: int
    by_state: Mapping[str, int]
    services: frozenset[str]

    @property
    def known(self) -> int:
        """How many it knows."""
        return sum(self.by_state.values())


def acquaintance(named: StagingTable, path: Path, *, any_will_do: bool = False) -> Acquaintance | None:
    """What the database at ``path`` knows of ``named``; ``None`` where it is no database of ours, or unreadable.

    ``any_will_do``: stop counting at the first jobs that are known.
    """
    try:
        with closing(open_untouched(path)) as db:
            if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                return None
            services = frozenset(row[0] for row in db.execute(SERVICES))
            states: Counter[str] = Counter()
            total = 0
            for ids in _chunks(named):
                total += len(ids)
                query = STATES_OF.format(marks=",".join("?" * len(ids)))
                states.update({row[0]: row[1] for row in db.execute(query, ids)})
                if states and any_will_do:
                    break
    except (sqlite3.Error, OSError):
        return None
    return Acquaintance(path=path, named=total, by_state=states, services=services)


def _chunks(named: StagingTable) -> Iterator[list[str]]:
    with closing(named.alone.execute(NAMED_IDS)) as rows:
        while chunk := rows.fetchmany(AT_ONCE):
            yield [row[0] for row in chunk]
