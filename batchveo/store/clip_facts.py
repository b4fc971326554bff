"""What is known of finished clips: their measures, and the scores that other tools gave them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from batchveo.core.expressions import Value
from batchveo.core.fields import MISMATCHES, Condition, read_field
from batchveo.core.measures import MEASURES, CheckLevel, Measures
from batchveo.core.models import Job
from batchveo.store.conditions import compile_where
from batchveo.store.database import Part

_MEASURED = tuple(MEASURES)
_FACTS = ("sha256", "level", "version", "at", *_MEASURED, "hashes", "problems", "mismatched", "conclusive")
SET_MEASURES = f"""INSERT OR REPLACE INTO measures (job, {", ".join(_FACTS)})
    VALUES (:job, {", ".join(f":{name}" for name in _FACTS)})"""
MEASURES_OF = "SELECT * FROM measures WHERE job = :seq"
CLIPS = """SELECT jobs.seq, jobs.verdict, (SELECT policy FROM policies WHERE policies.id = jobs.policy) AS policy,
    measures.level, measures.version FROM jobs
    LEFT JOIN measures ON measures.job = jobs.seq AND measures.sha256 = jobs.sha256
    WHERE jobs.state = 'succeeded' AND {where} ORDER BY jobs.seq"""
MEASURES_OF_JOBS = "SELECT * FROM measures WHERE job IN (SELECT value FROM json_each(:jobs))"
HASHES = """SELECT job, hashes FROM measures JOIN jobs ON jobs.seq = job AND jobs.sha256 = measures.sha256
    WHERE hashes IS NOT NULL AND state = 'succeeded' ORDER BY job"""
SCORES_OF = "SELECT name, value FROM scores WHERE job = :seq"
SCORES_OF_JOBS = (
    "SELECT job, name, value FROM scores WHERE job IN (SELECT value FROM json_each(:jobs)) ORDER BY job, name"
)
SET_SCORE = """INSERT INTO scores (job, name, value, at) VALUES (:job, :name, :value, :now)
    ON CONFLICT DO UPDATE SET value = :value, at = :now"""
HAS_FACTS = "SELECT EXISTS (SELECT 1 FROM measures) OR EXISTS (SELECT 1 FROM scores)"
SCORED = "SELECT DISTINCT job FROM scores WHERE name >= :first AND name < :after"
CLIP_KEYS = "SELECT seq, id, name, folder, file FROM jobs WHERE state = 'succeeded' ORDER BY seq"
HAS_SCORE = "SELECT 1 FROM scores WHERE name = :name LIMIT 1"
SCORE_NAMES = "SELECT name, count(*) AS jobs FROM scores GROUP BY name ORDER BY name"
# any state -> the same
FORGET_VERDICT = "UPDATE jobs SET verdict = NULL WHERE seq = :seq"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRecord:
    """What is known of a finished clip: the policy of its job, its verdict, and how it was measured, if it was."""

    seq: int
    policy: str | None
    verdict: str | None
    level: CheckLevel | None
    version: int | None


class ClipFacts(Part):
    """Records measures and scores of clips, and reads them."""

    def read_measures(self, job: Job) -> Measures | None:
        """The measures of the job's clip as it is now; ``None`` if it was not measured, or fetched anew since."""
        row = self._db.execute(MEASURES_OF, {"seq": job.seq}).fetchone()
        return None if row is None or row["sha256"] != job.sha256 else _measures_of(row)

    def read_measures_of(self, jobs: Iterable[Job]) -> dict[int, Measures]:
        """The same for several jobs, by their numbers, without those that have none."""
        hashes = {job.seq: job.sha256 for job in jobs}
        rows = self._db.execute(MEASURES_OF_JOBS, {"jobs": json.dumps(list(hashes))})
        return {row["job"]: _measures_of(row) for row in rows if row["sha256"] == hashes[row["job"]]}

    def record_measures(self, job: Job, measures: Measures, *, now: float) -> None:
        """Record what was measured of the job's clip."""
        with self._transaction():
            self._db.execute(SET_MEASURES, _columns_of(job, measures, now))

    def list_clips(self, where: Condition | None = None) -> Iterator[ClipRecord]:
        """Every finished clip, or those for which ``where`` is true, in manifest order."""
        condition, params = compile_where(self._db, where)
        for row in self._db.execute(CLIPS.format(where=condition), params):
            level = None if row["level"] is None else CheckLevel(row["level"])
            yield ClipRecord(
                seq=row["seq"], policy=row["policy"], verdict=row["verdict"], level=level, version=row["version"]
            )

    def list_hashes(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """The number of each job with a measured clip, and the hashes of its frames.

        ``checks.near_copies.group_near_copies`` makes the groups of near copies of all of it.
        """
        for row in self._db.execute(HASHES):
            yield row["job"], _read_hashes(row["hashes"])

    def read_scores(self, job: Job) -> dict[str, Value]:
        """The numbers and labels that other tools gave the job's clip."""
        return {row["name"]: row["value"] for row in self._db.execute(SCORES_OF, {"seq": job.seq})}

    def read_scores_of(self, jobs: Iterable[Job]) -> dict[int, dict[str, Value]]:
        """The same for several jobs, by their numbers, without those that have none."""
        found: dict[int, dict[str, Value]] = {}
        for row in self._db.execute(SCORES_OF_JOBS, {"jobs": json.dumps([job.seq for job in jobs])}):
            found.setdefault(row["job"], {})[row["name"]] = row["value"]
        return found

    def record_scores(self, job: Job, scores: Mapping[str, Value], *, now: float) -> None:
        """Record scores, in place of those of the same names; verdicts that were open are decided by the next run."""
        self.record_many_scores([(job.seq, scores)], now=now)

    def record_many_scores(self, clips: Iterable[tuple[int, Mapping[str, Value]]], *, now: float) -> None:
        """The same for several jobs, by number, in one transaction."""
        with self._transaction():
            for seq, scores in clips:
                for name, value in scores.items():
                    self._db.execute(SET_SCORE, {"job": seq, "name": name, "value": value, "now": now})
                self._db.execute(FORGET_VERDICT, {"seq": seq})

    def list_clip_keys(self) -> Iterator[sqlite3.Row]:
        """What names a finished clip: ``seq, id, name, folder, file``."""
        yield from self._db.execute(CLIP_KEYS)

    def list_scored(self, source: str) -> set[int]:
        """The jobs, by number, with a score of this tool."""
        bounds = {"first": f"{source}.", "after": f"{source}/"}  # the character after the dot
        return {row["job"] for row in self._db.execute(SCORED, bounds)}

    def has_facts(self) -> bool:
        """Whether any clip has measures or scores."""
        return bool(self._db.execute(HAS_FACTS).fetchone()[0])

    def has_score(self, name: str) -> bool:
        """Whether any clip has this score."""
        return self._db.execute(HAS_SCORE, {"name": name}).fetchone() is not None

    def list_score_names(self) -> dict[str, int]:
        """The names of all scores, with the number of jobs that have each."""
        return {row["name"]: row["jobs"] for row in self._db.execute(SCORE_NAMES)}

    def read_value(self, job: Job, name: str) -> Value:
        """The value of a field of ``job``: of its request, its measures or its scores."""
        return read_field(name, job, self.read_measures(job), self.read_scores(job), verdict=job.verdict)


def _measures_of(row: Mapping[str, Any] | sqlite3.Row) -> Measures:
    """The measures in a row of the table."""
    # SQLite has no booleans, and may give a whole number as a fraction
    columns: dict[str, Any] = {
        name: None if row[name] is None else each.type(row[name]) for name, each in MEASURES.items()
    }
    return Measures(
        **columns,
        hashes=_read_hashes(row["hashes"]),
        problems=tuple(json.loads(row["problems"])),
        level=CheckLevel(row["level"]),
        version=row["version"],
        is_conclusive=bool(row["conclusive"]),
    )


def _columns_of(job: Job, measures: Measures, now: float) -> dict[str, object]:
    columns: dict[str, object] = {name: getattr(measures, name) for name in _MEASURED}
    return {
        **columns,
        "job": job.seq,
        "sha256": job.sha256,
        "level": measures.level.value,
        "version": measures.version,
        "at": now,
        "hashes": b"".join(each.to_bytes(8, "big") for each in measures.hashes) or None,
        "problems": json.dumps(measures.problems, ensure_ascii=False),
        "conclusive": int(measures.is_conclusive),
        "mismatched": read_field(MISMATCHES, job, measures),
    }


def _read_hashes(blob: bytes | None) -> tuple[int, ...]:
    return tuple(int.from_bytes(blob[at : at + 8], "big") for at in range(0, len(blob or b""), 8)) if blob else ()
