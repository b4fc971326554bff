"""Which schema a state file has, told without the library that changes it: most commands only look."""

from __future__ import annotations

import sqlite3

from batchveo.store import sql

APPLICATION_ID = 0x62766A31
"""``PRAGMA application_id`` of a state file ("bvj1"), so that another program's file is not taken for one."""

STEPS = (
    "first_schema",
    "totals",
    "quotes",
    "keys",
    "aside_and_tries",
    "url_expiry",
    "normal_keys",
    "run_options_and_key_prints",
)
"""The migrations, in their order; a test holds them against ``migrations.migrations``."""


def steps_of(db: sqlite3.Connection) -> set[str]:
    """The migrations that a state file has been through; none of an empty one."""
    if not db.execute(sql.HAS_STEPS).fetchone():
        return set()
    return {row[0] for row in db.execute(sql.STEPS_OF)}
