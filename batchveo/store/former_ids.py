"""Jobs that an earlier version knew by another id.

Ids were once made from texts as they were written. A job of that time whose texts have blanks at their ends, or
are not in NFC, is found by the normal form of its request: it must not be bought again because its id is made
otherwise today.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict

from batchveo.core.job_row import normal_key

# jobs of the state whose id no manifest gives any more; most states have none
FORMER = """SELECT id, normal_key, request FROM jobs
    WHERE normal_key IS NOT NULL AND id NOT IN (SELECT id FROM temp.written) ORDER BY seq"""
# named jobs that the state does not know by their ids, but whose request one of those asked for
UNKNOWN = """SELECT position, request, normal_key(request, repeat_index) AS normal_key FROM temp.written AS named
    WHERE id NOT IN (SELECT id FROM jobs)
    AND normal_key(request, repeat_index) IN (SELECT normal_key FROM jobs WHERE normal_key IS NOT NULL)
    ORDER BY position"""
CALL_BY_ITS_ID = "UPDATE temp.written SET id = ? WHERE position = ?"


def recognise(db: sqlite3.Connection) -> None:
    """Give named jobs the ids under which the state holds them: each of those once, the same words first.

    ``db`` has the jobs of the state, and what is named.
    """
    former: dict[str, list[sqlite3.Row]] = defaultdict(list)
    for row in db.execute(FORMER):
        former[row["normal_key"]].append(row)
    if not former:
        return
    db.create_function("normal_key", 2, normal_key, deterministic=True)
    unknown: dict[str, list[sqlite3.Row]] = defaultdict(list)
    for row in db.execute(UNKNOWN):
        unknown[row["normal_key"]].append(row)
    pairs = [pair for key, named in unknown.items() for pair in _paired(former[key], named)]
    db.executemany(CALL_BY_ITS_ID, pairs)


def _paired(former: list[sqlite3.Row], named: list[sqlite3.Row]) -> list[tuple[str, int]]:
    """The id of a job of the state with the position of the named one that is the same."""
    pairs = []
    rest = []
    for job in named:
        same = next((row for row in former if row["request"] == job["request"]), None)
        if same is None:
            rest.append(job)
        else:
            former.remove(same)
            pairs.append((same["id"], job["position"]))
    pairs += [(row["id"], job["position"]) for row, job in zip(former, rest, strict=False)]
    return pairs
