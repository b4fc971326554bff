"""Rows of the database that only tests read, or write, by themselves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from batchveo.core.gates import CheckPolicy
from batchveo.core.models import Job
from batchveo.store import Store


def list_attempts(store: Store) -> list[sqlite3.Row]:
    """Every POST, oldest first."""
    return store.connection.db.execute("SELECT *, key_name AS key FROM attempts ORDER BY id").fetchall()


def set_policy(store: Store, jobs: Iterable[Job], policy: CheckPolicy) -> None:
    """Give jobs another policy, as a manifest does; their clips are judged by it at the next run or check."""
    with store.connection.transaction():
        store.connection.db.execute("INSERT OR IGNORE INTO policies (policy) VALUES (?)", (policy.to_json(),))
        store.connection.db.executemany(
            "UPDATE jobs SET verdict = NULL, policy = (SELECT id FROM policies WHERE policy = ?) WHERE seq = ?",
            [(policy.to_json(), job.seq) for job in jobs],
        )
