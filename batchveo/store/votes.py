"""The votes of people on clips: append-only, undone by another row."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import replace

from batchveo.core.votes import Standing, Vote, VoteKind
from batchveo.store.database import Part

ADD_VOTE = """INSERT INTO votes (at, person, kind, job, other, rating, shown, blind)
    VALUES (:at, :person, :kind, :job, :other, :rating, :shown, :blind) RETURNING id"""
LATEST_VALID = "SELECT * FROM valid_votes WHERE person = :person ORDER BY id DESC LIMIT 1"
UNDO = "INSERT INTO votes (at, person, kind, undoes) VALUES (:at, :person, 'undo', :id)"
VALID = "SELECT * FROM valid_votes ORDER BY id"
VALID_OF = "SELECT * FROM valid_votes WHERE job = :job OR other = :job ORDER BY id"
STANDINGS = "SELECT job, picks, rejects, rating FROM standings"
# as the view, of some clips: SQLite would count the votes on all of them first
STANDINGS_OF = """SELECT job, sum(kind = 'pick') AS picks, sum(kind = 'reject') AS rejects, avg(rating) AS rating
    FROM (SELECT job, kind, rating, max(id) FROM valid_votes
          WHERE kind IN ('pick', 'reject', 'rate') AND job IN (SELECT value FROM json_each(:jobs))
          GROUP BY job, person, kind = 'rate')
    GROUP BY job"""
PICKED = "SELECT job FROM standings WHERE picks > rejects"
REFUSED = "SELECT job FROM standings WHERE rejects > picks"
DECIDED = """SELECT job FROM valid_votes WHERE person = :person AND kind IN ('pick', 'better', 'both_bad')
    UNION SELECT other FROM valid_votes WHERE person = :person AND kind IN ('better', 'both_bad')"""
TURNED_DOWN = "SELECT DISTINCT job FROM valid_votes WHERE person = :person AND kind = 'reject'"


class Votes(Part):
    """Records votes, and counts those that are not undone."""

    def record_vote(self, vote: Vote) -> Vote:
        """Add a vote; returns it with its number. Raises ``ValueError`` if its parts do not fit its kind."""
        if vote.other == vote.job:
            raise ValueError("a clip is compared with another one, not with itself")
        if vote.kind.is_of_pair != (vote.other is not None):
            raise ValueError(f"{vote.kind} names {'two clips' if vote.kind.is_of_pair else 'one clip'}")
        if (vote.kind is VoteKind.RATE) != (vote.rating is not None):
            raise ValueError("a rating, and nothing else, has a number from 1 to 5")
        columns = {
            "at": vote.at,
            "person": vote.person,
            "kind": vote.kind.value,
            "job": vote.job,
            "other": vote.other,
            "rating": vote.rating,
            "shown": json.dumps(vote.shown),
            "blind": int(vote.blind),
        }
        with self._transaction():
            row = self._db.execute(ADD_VOTE, columns).fetchone()
        return replace(vote, id=row["id"])

    def undo_latest(self, person: str, *, now: float) -> Vote | None:
        """Undo the person's latest vote that is not undone; ``None`` if there is none."""
        with self._transaction():
            row = self._db.execute(LATEST_VALID, {"person": person}).fetchone()
            if row is None:
                return None
            self._db.execute(UNDO, {"at": now, "person": person, "id": row["id"]})
        return _read_vote(row)

    def list_votes(self) -> Iterator[Vote]:
        """The votes that are not undone, oldest first."""
        yield from map(_read_vote, self._db.execute(VALID))

    def list_votes_of(self, job: int) -> list[Vote]:
        """The votes on one clip that are not undone, oldest first."""
        return [_read_vote(row) for row in self._db.execute(VALID_OF, {"job": job})]

    def list_standings(self) -> dict[int, Standing]:
        """What people say of each clip that has votes of its own, by the job's number."""
        return {row["job"]: _read_standing(row) for row in self._db.execute(STANDINGS)}

    def read_standing(self, job: int) -> Standing:
        """What people say of one clip."""
        return self.read_standings([job]).get(job, Standing())

    def read_standings(self, jobs: Iterable[int]) -> dict[int, Standing]:
        """What people say of some clips, by the job's number, without those that have no votes of their own."""
        rows = self._db.execute(STANDINGS_OF, {"jobs": json.dumps(list(jobs))})
        return {row["job"]: _read_standing(row) for row in rows}

    def list_decided(self, person: str) -> tuple[set[int], set[int]]:
        """The clips that a person picked or compared, and those that the person rejected, by the job's number."""
        who = {"person": person}
        decided, rejected = ({row[0] for row in self._db.execute(query, who)} for query in (DECIDED, TURNED_DOWN))
        return decided, rejected


def _read_vote(row: sqlite3.Row) -> Vote:
    return Vote(
        id=row["id"],
        at=row["at"],
        person=row["person"],
        kind=VoteKind(row["kind"]),
        job=row["job"],
        other=row["other"],
        rating=row["rating"],
        shown=tuple(json.loads(row["shown"])),
        blind=bool(row["blind"]),
    )


def _read_standing(row: sqlite3.Row) -> Standing:
    return Standing(picks=row["picks"], rejects=row["rejects"], rating=row["rating"])
