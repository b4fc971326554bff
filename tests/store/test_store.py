"""The state: expanding, claiming, moving, looking."""

from __future__ import annotations

import sqlite3
import stat

import pytest

from batchveo.store import Store
from tests.helpers.factories import make_spec
from tests.store.steps import claimed


def test_the_history_cannot_be_rewritten(store: Store, run: int) -> None:
    """Append-only, by the database's own word."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    claimed(store, run)
    other = sqlite3.connect(store.path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute("UPDATE events SET detail = 'nothing happened'")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute("DELETE FROM events")
    other.close()


def test_the_state_is_private(store: Store) -> None:
    """Prompts are nobody else's business."""
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
