"""Jobs by the beginning of their name, for a shell that completes a word: quick with a million of them."""

from __future__ import annotations

from itertools import islice

from batchveo.core.models import JobState
from batchveo.store.connection import Connection

MOST = 50
LOOKED_AT = 2000
"""Jobs of one beginning that are looked at for those in the right state."""

IN_STATE = "SELECT id, name FROM jobs WHERE seq IN (SELECT seq FROM jobs WHERE state = :state LIMIT :most)"
# `fold` is the one column with the name that has an index; the outer condition is for the few it finds
BY_BEGINNING = """SELECT id, name, state FROM (
        SELECT id, name, state FROM jobs WHERE fold >= :key AND fold < :after ORDER BY fold LIMIT :looked_at)
    WHERE name >= :word AND name < :word || char(1114111)"""
BY_ID = "SELECT id, name, state FROM jobs WHERE id >= :word AND id < :word || 'g' LIMIT :looked_at"


class Completing(Connection):
    """The question of a shell."""

    def beginning_with(self, word: str, *states: JobState) -> list[tuple[str, str]]:
        """Id and name of at most fifty jobs in ``states`` whose name, or else id, begins with ``word``."""
        if not word:
            found = [
                (row["id"], row["name"])
                for state in states
                for row in self._db.execute(IN_STATE, {"state": state.value, "most": MOST})
            ]
            return found[:MOST]
        by_name = {"key": word, "after": word + "\U0010ffff", "word": word, "looked_at": LOOKED_AT}
        for query, values in ((BY_BEGINNING, by_name), (BY_ID, {"word": word, "looked_at": LOOKED_AT})):
            rows = self._db.execute(query, values)
            if found := list(islice(((r["id"], r["name"]) for r in rows if r["state"] in states), MOST)):
                return found
        return []
