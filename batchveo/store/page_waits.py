"""Which jobs of the page's copy wait for videos of others, or are blocked: kept up to date with the database.

Whether one is blocked depends on jobs that it has no link to: a change of a job concerns all that come after it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from batchveo.store.blocked_jobs import IS_LIVE, WAITS_FOR_NOTHING

TABLES = (
    "CREATE TABLE found.waiting (seq INTEGER PRIMARY KEY, is_blocked INTEGER)",
    # the jobs that are looked at again
    "CREATE TABLE found.touched (seq INTEGER PRIMARY KEY, is_copied INTEGER)",
)
IS_BLOCKED = "(SELECT is_blocked FROM found.waiting WHERE waiting.seq = jobs.seq)"
# those of the rows to copy that wait, waited or are waited for, and all that waits for one of them: it may be blocked
# now, or no longer; and the first job of a chain, which may have been in none
TOUCH = """INSERT INTO found.touched
    WITH RECURSIVE copied AS MATERIALIZED (SELECT seq, take_of FROM jobs WHERE {} AND (
        waits > 0 OR seq IN (SELECT seq FROM found.waiting)
        OR EXISTS (SELECT 1 FROM links INDEXED BY links_open
            WHERE links.parent = coalesce(jobs.take_of, jobs.seq) AND links.value IS NULL))),
    below (seq) AS (
        SELECT coalesce(take_of, seq) FROM copied
        UNION SELECT links.child FROM below CROSS JOIN jobs AS parents ON parents.seq = below.seq
        CROSS JOIN links ON links.parent = coalesce(parents.take_of, parents.seq)
        WHERE links.value IS NULL AND links.child <= :job)
    SELECT seq, max(is_copied) FROM (SELECT seq, 1 AS is_copied FROM copied UNION ALL SELECT seq, 0 FROM below
        UNION ALL SELECT DISTINCT chain, 0 FROM jobs WHERE {} AND link > 1) GROUP BY seq"""
FORGET_WAITS = "DELETE FROM found.waiting WHERE seq IN (SELECT seq FROM found.touched)"
COPY_WAITS = f"""INSERT INTO found.waiting
    WITH RECURSIVE blocked (seq) AS (
        SELECT links.child FROM found.touched CROSS JOIN links ON links.child = touched.seq
        CROSS JOIN jobs ON jobs.seq = links.child
        WHERE links.value IS NULL AND jobs.state = 'pending' AND (NOT {IS_LIVE} OR NOT {WAITS_FOR_NOTHING} AND EXISTS (
            SELECT 1 FROM jobs AS take CROSS JOIN found.waiting ON waiting.seq = take.seq
            WHERE (take.seq = links.parent OR take.take_of = links.parent) AND is_blocked))
        UNION SELECT links.child FROM blocked CROSS JOIN jobs AS parents ON parents.seq = blocked.seq
        CROSS JOIN links ON links.parent = coalesce(parents.take_of, parents.seq)
        CROSS JOIN found.touched ON touched.seq = links.child CROSS JOIN jobs ON jobs.seq = links.child
        WHERE links.value IS NULL AND jobs.state = 'pending' AND NOT {WAITS_FOR_NOTHING})
    SELECT touched.seq, touched.seq IN (SELECT seq FROM blocked)
    FROM found.touched CROSS JOIN jobs ON jobs.seq = touched.seq WHERE jobs.state = 'pending' AND jobs.waits > 0"""
TOUCHED = f"""SELECT jobs.seq FROM found.touched CROSS JOIN found.entries AS entries ON entries.seq = touched.seq
    CROSS JOIN jobs ON jobs.seq = touched.seq WHERE NOT touched.is_copied AND touched.seq <= :job
    AND (entries.is_blocked IS NOT {IS_BLOCKED} OR entries.chain IS NOT jobs.chain)"""


def make_wait_tables(db: sqlite3.Connection) -> None:
    """Make the tables of those that wait, in the file ``found``; it has no jobs yet."""
    for statement in TABLES:
        db.execute(statement)


def follow_waits(db: sqlite3.Connection, condition: str, bounds: Mapping[str, int], *, job: int) -> list[int]:
    """Find out which jobs wait or are blocked, now that those of ``condition`` with ``bounds`` changed.

    Only jobs up to the number ``job`` are in the copy. Returns the numbers of others of them that are concerned.
    """
    db.execute("DELETE FROM found.touched")
    db.execute(TOUCH.format(condition, condition), {**bounds, "job": job})
    db.execute(FORGET_WAITS)
    db.execute(COPY_WAITS)
    return [row["seq"] for row in db.execute(TOUCHED, {"job": job})]
