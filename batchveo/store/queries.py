"""Reads of jobs, their attempts and moves, counts and money."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from batchveo.core.fields import Condition
from batchveo.core.job_row import canonical_json
from batchveo.core.links import Link, fill_links
from batchveo.core.models import CatalogInfo, Job, JobState
from batchveo.core.state_machine import MADE_AGAIN
from batchveo.store.blocked_jobs import BLOCKED
from batchveo.store.conditions import compile_where
from batchveo.store.database import Part
from batchveo.store.mapping import COLUMNS, IS_LATER, TAKES_FROM, UNFINISHED, UNSETTLED, job_of

MICROS = "SELECT micros FROM money"
FIRST_ATTEMPT = "SELECT min(started_at) FROM attempts"
ATTEMPTS_OF_JOBS = """SELECT job, client_request_id, generation_id, price_usd, key_name AS key FROM attempts
    WHERE job IN (SELECT value FROM json_each(?)) ORDER BY id"""
# what was imported, or submitted while no price was known
_UNRESERVED = f"""state IN ({UNSETTLED}) AND cost_usd IS NULL AND EXISTS (SELECT 1 FROM attempts
    WHERE attempts.client_request_id = jobs.client_request_id AND price_usd IS NULL)"""
UNRESERVED = f"SELECT {COLUMNS} FROM jobs WHERE {_UNRESERVED} ORDER BY seq"
UNRESERVED_MODELS = f"SELECT DISTINCT model FROM jobs WHERE {_UNRESERVED}"
PENDING_MODELS = f"""SELECT DISTINCT model FROM jobs WHERE state = 'pending'
    AND (:run IS NULL OR run BETWEEN {TAKES_FROM} AND :run)"""
HAS_PENDING = "SELECT 1 FROM jobs WHERE state = 'pending' LIMIT 1"
JOB_BY_ID = f"SELECT {COLUMNS} FROM jobs WHERE id = :id"
JOBS_BY_ID = f"SELECT {COLUMNS} FROM jobs WHERE id IN (SELECT value FROM json_each(:ids)) ORDER BY seq"
ATTEMPTS_OF_JOB = """SELECT number, client_request_id, started_at, sent_at, ended_at, outcome, detail,
    generation_id, price_usd, micros FROM attempts WHERE job = :seq ORDER BY number"""
# by their number, which is their order: rows by the index of states would be sorted again for each page
SUCCEEDED_AFTER = f"""SELECT {COLUMNS} FROM jobs WHERE seq > :after AND +state = 'succeeded' AND {{where}}
    ORDER BY seq LIMIT :most"""
_READY = "state = 'pending' AND held = 0 AND aside = 0 AND waits = 0"
# both name the index: without it, SQLite reads all pending jobs to find the highest priority
NEXT_PRIORITY = f"SELECT max(priority) FROM jobs INDEXED BY jobs_ready WHERE {_READY} AND priority < :below"
# of one priority: so a claim finds its job by an index, however many jobs other runs have left
NEXT_DUE = f"""SELECT {COLUMNS} FROM jobs INDEXED BY jobs_ready WHERE {_READY} AND priority = :priority
    AND run BETWEEN {TAKES_FROM} AND :run AND not_before <= :now
    AND model NOT IN (SELECT value FROM json_each(:refused)) ORDER BY run, seq LIMIT 1"""
# the next link of a chain that has begun comes before the first of others: what is begun is finished first
NEXT_LINK = f"""SELECT {COLUMNS} FROM jobs INDEXED BY links_ready WHERE {_READY} AND link > 1 AND priority = :priority
    AND run BETWEEN {TAKES_FROM} AND :run AND not_before <= :now
    AND model NOT IN (SELECT value FROM json_each(:refused)) ORDER BY run, link DESC, seq LIMIT 1"""
# whatever its priority, if the money that is left is kept for begun chains: the first of them
NEXT_OF_BEGUN = f"""SELECT {COLUMNS} FROM jobs INDEXED BY links_ready WHERE {_READY} AND link > 1
    AND run BETWEEN {TAKES_FROM} AND :run AND not_before <= :now
    AND model NOT IN (SELECT value FROM json_each(:refused)) ORDER BY chain, seq LIMIT 1"""
# the same, if nothing of the first priorities is due: a look at each of thousands would take seconds
NEXT_DUE_PRIORITY = f"""SELECT priority FROM jobs INDEXED BY jobs_ready WHERE {_READY} AND priority < :priority
    AND run BETWEEN {TAKES_FROM} AND :run AND not_before <= :now
    AND model NOT IN (SELECT value FROM json_each(:refused)) ORDER BY priority DESC LIMIT 1"""
ABOVE_ALL = 1 << 62
"""Higher than any priority."""
LOOKS = 10
"""Priorities at which a claim looks one by one."""
NEXT_PENDING = f"""SELECT min(not_before) FROM jobs INDEXED BY jobs_put_off WHERE state = 'pending' AND held = 0
    AND aside = 0 AND waits = 0 AND run BETWEEN {TAKES_FROM} AND :run AND not_before > 0
    AND model NOT IN (SELECT value FROM json_each(:refused))"""
# failed generations that may be made again, or whose price is still reserved, until their charge is known
UNSETTLED_FAILURES = f"""SELECT {COLUMNS} FROM jobs WHERE state = 'failed' AND generation_id IS NOT NULL
    AND cost_usd IS NULL AND (tried < coalesce(tries, :tries) OR (:reserved AND EXISTS (SELECT 1 FROM attempts
        WHERE attempts.client_request_id = jobs.client_request_id AND attempts.micros > 0)))
    AND run BETWEEN {TAKES_FROM} AND :run ORDER BY seq"""
_OF_MODELS = "(:models IS NULL OR model IN (SELECT value FROM json_each(:models)))"
JOBS = f"SELECT {COLUMNS} FROM jobs WHERE {_OF_MODELS} AND {{where}} ORDER BY seq"
JOBS_IN_STATE = f"""SELECT {COLUMNS} FROM jobs WHERE seq IN (SELECT seq FROM jobs WHERE state = :state)
    AND {_OF_MODELS} AND {{where}} ORDER BY seq"""
MODELS = "SELECT DISTINCT model FROM jobs"
JOB = f"SELECT {COLUMNS} FROM jobs WHERE seq = :seq"
SAME_FILE = f"SELECT {COLUMNS} FROM jobs WHERE sha256 = :sha256 AND sha256 IS NOT NULL AND seq != :seq LIMIT 1"
VIDEO = f"SELECT {COLUMNS} FROM jobs WHERE sha256 = :sha256 AND state = 'succeeded' ORDER BY seq LIMIT 1"
# of the rows of a group SQLite shows the one with the maximum
HIGHEST_COSTS = """SELECT max(cost_usd) AS usd, request FROM jobs WHERE model = :model AND cost_usd > 0
    GROUP BY json_extract(request, '$.duration'), json_extract(request, '$.num_frames'),
        json_extract(request, '$.multi_prompt')"""
UNPRICED = "SELECT seq, generation_id FROM jobs WHERE completed_at IS NOT NULL AND cost_usd IS NULL"
# a job that another one replaces has its name too
FIND = f"""SELECT {COLUMNS}, state = 'cancelled' AND coalesce(error, '') LIKE '{MADE_AGAIN} %' AS replaced
    FROM jobs WHERE name = :key OR generation_id = :key
    OR client_request_id = :key OR stem = :key ORDER BY replaced, seq LIMIT :most"""
FIND_PREFIX = f"SELECT {COLUMNS} FROM jobs WHERE id >= :key AND id < :after ORDER BY id LIMIT :most"
EQUAL_REQUESTS = """SELECT count(*) FROM jobs
    WHERE model = :model AND repeat_index = :index AND request = :request"""
COUNTS = "SELECT state, held, jobs FROM tallies WHERE jobs > 0"
COUNTS_OF_RUN = f"""SELECT state, held, count(*) AS jobs FROM jobs
    WHERE state IN ({UNFINISHED}) AND run BETWEEN {TAKES_FROM} AND :run GROUP BY state, held
    UNION ALL SELECT state, held, count(*) FROM jobs
    WHERE state IN ('succeeded', 'cancelled') AND held = 0 AND run = :run GROUP BY state, held"""
HAS_RESERVED = """SELECT 1 FROM attempts WHERE job = :seq AND (micros > 0 OR (:unpriced AND price_usd IS NULL))
    LIMIT 1"""
SPEND = "SELECT spent, unpriced FROM money"
GENERATION_SECONDS = """SELECT completed_at - submitted_at AS seconds FROM jobs
    WHERE model = :model AND completed_at IS NOT NULL AND completed_at >= :since AND completed_at <= :until
    AND submitted_at IS NOT NULL ORDER BY completed_at DESC LIMIT :most"""
EVENTS_OF_JOB = "SELECT at, from_state, to_state, detail, run FROM events WHERE job = :seq ORDER BY id"
FILES_IN = "SELECT file FROM jobs WHERE state = 'succeeded' AND folder = ?"
PENDING_REQUESTS = """SELECT seq, model, request, repeat_index FROM jobs WHERE state = 'pending' ORDER BY seq"""
# jobs for which a resumed run may buy a clip, without blocked ones: one part for each index that finds them
_MAY_BUY = """SELECT last.model, last.request, {policy} AS policy, first.tries, last.take, last.state, last.verdict
    FROM jobs AS last JOIN jobs AS first ON first.seq = coalesce(last.take_of, last.seq)
    LEFT JOIN policies ON policies.id = last.policy
    WHERE {condition}"""
_HAS_LATER = f"""EXISTS (SELECT 1 FROM jobs AS later
        WHERE later.take_of = first.seq AND {IS_LATER.format("last")})"""
LAST_TAKES = f"{BLOCKED} " + " UNION ALL ".join(
    (
        # each pending take is bought; only the last one of a job may be followed by another
        _MAY_BUY.format(
            policy=f"iif({_HAS_LATER}, NULL, policies.policy)",
            condition="last.state = 'pending' AND last.seq NOT IN (SELECT seq FROM blocked)",
        ),
        *(
            _MAY_BUY.format(policy="policies.policy", condition=f"{condition} AND NOT {_HAS_LATER}")
            for condition in (
                f"last.policy IS NOT NULL AND last.state IN ({UNSETTLED})",
                "last.state = 'succeeded' AND last.policy IS NOT NULL AND last.verdict IS NULL",
                "last.state = 'succeeded' AND last.verdict = 'rejected' AND first.verdict IS NOT 'accepted'",
            )
        ),
    )
)
MODELS_TO_BUY = f"SELECT DISTINCT model FROM ({LAST_TAKES})"
PENDING_STEMS = "SELECT stem FROM jobs WHERE state = 'pending' ORDER BY seq LIMIT ?"
# without a hint SQLite takes all videos by their state, and sorts them
LATEST_FILES = """SELECT folder, file FROM jobs INDEXED BY jobs_by_finish WHERE state = 'succeeded'
    ORDER BY finished_at DESC LIMIT :most"""
OLDEST_FILES = """SELECT folder, file FROM jobs INDEXED BY jobs_by_finish WHERE state = 'succeeded'
    ORDER BY finished_at LIMIT :most"""

LINK_VALUES = """SELECT links.part, jobs.id, links.value FROM links JOIN jobs ON jobs.seq = links.parent
    WHERE links.child = :child AND links.value IS NOT NULL"""
CATALOGS = "SELECT digest, made, source FROM catalogs ORDER BY first_used, id"

MICRO = 1e-6
"""Money is counted in whole millionths of a US dollar, which add up without drift."""
PAGE = 200
"""Jobs in one page of a slow reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many jobs are in each state. ``held`` is a part of ``by_state[IN_DOUBT]``."""

    by_state: Mapping[JobState, int]
    held: int = 0

    def __getitem__(self, state: JobState) -> int:
        return self.by_state.get(state, 0)

    @property
    def total(self) -> int:
        """All jobs."""
        return sum(self.by_state.values())


class LastTake(NamedTuple):
    """The last take of a job: its number, state (``None``: not in the database yet) and verdict by ``policy``.

    ``policy`` and ``tries`` are those of ``JobSpec``. ``waiting``: how many other takes of the job are pending.
    """

    policy: str | None = None
    tries: int | None = None
    number: int = 1
    state: JobState | None = None
    verdict: str | None = None
    waiting: int = 0


class Queries(Part):
    """Reads for all callers; ``progress``, ``charts`` and ``search`` have those of one kind of caller."""

    def find_claim_time(self, run: int, *, now: float, refused: Sequence[str] = ()) -> float | None:
        """When the first pending job of ``run`` may be claimed; ``None`` if none is left.

        Skipped jobs do not count, nor those of the ``refused`` models.
        """
        if self._find_due(run, now, refused):
            return now
        wanted = {"run": run, "refused": json.dumps(refused)}
        when: float | None = self._db.execute(NEXT_PENDING, wanted).fetchone()[0]
        return when

    def find_due_job(self, run: int, *, now: float, refused: Sequence[str] = (), of_begun: bool = False) -> Job | None:
        """The pending job of ``run`` that is claimed next: of those that may be, the first of the highest priority.

        ``of_begun``: the next link of the first chain instead, whatever its priority.
        """
        if of_begun:
            wanted = {"run": run, "now": now, "refused": json.dumps(refused)}
            row: sqlite3.Row | None = self._db.execute(NEXT_OF_BEGUN, wanted).fetchone()
        else:
            row = self._find_due(run, now, refused)
        return None if row is None else job_of(row)

    def _find_due(self, run: int, now: float, refused: Sequence[str]) -> sqlite3.Row | None:
        wanted = {"run": run, "now": now, "refused": json.dumps(refused), "priority": ABOVE_ALL}
        for _ in range(LOOKS):
            wanted["priority"] = self._db.execute(NEXT_PRIORITY, {"below": wanted["priority"]}).fetchone()[0]
            if wanted["priority"] is None:
                return None
            row = self._find_at_priority(wanted)
            if row is not None:
                return row
        found = self._db.execute(NEXT_DUE_PRIORITY, wanted).fetchone()
        return None if found is None else self._find_at_priority({**wanted, **dict(found)})

    def _find_at_priority(self, wanted: Mapping[str, object]) -> sqlite3.Row | None:
        for statement in (NEXT_LINK, NEXT_DUE):
            row: sqlite3.Row | None = self._db.execute(statement, wanted).fetchone()
            if row is not None:
                return row
        return None

    def fill_links(self, job: Job) -> Job:
        """The job with its links filled in its request, as it is sent; raises ``ValueError`` if one is open."""
        if job.link == 1:
            return job
        rows = self._db.execute(LINK_VALUES, {"child": job.seq})
        values = {Link(row["part"], row["id"]): row["value"] for row in rows}

        def find_value(link: Link) -> object:
            if link not in values:
                raise ValueError(f"job {job.id} waits for {link.parent}")
            return values[link]

        filled = fill_links(job.request, find_value)
        if not isinstance(filled, dict):
            raise TypeError(filled)
        return replace(job, request=filled)

    def list_unsettled_failures(self, run: int, *, tries: int, reserved: bool = False) -> list[Job]:
        """Failed generations of ``run`` that have tries left, and are not known to be charged.

        ``tries`` is for jobs that set none themselves. ``reserved``: also those whose price is still reserved.
        """
        wanted = {"run": run, "tries": tries, "reserved": reserved}
        return [job_of(row) for row in self._db.execute(UNSETTLED_FAILURES, wanted)]

    def list_jobs(self, *states: JobState, models: Sequence[str] = (), where: Condition | None = None) -> Iterator[Job]:
        """The jobs in ``states`` and of ``models`` (without any: in all, of all), in manifest order, streamed.

        ``where``: only those for which this condition is true.
        """
        condition, params = compile_where(self._db, where)
        wanted: dict[str, object] = {"models": json.dumps(models) if models else None, **params}
        if not states:
            yield from map(job_of, self._db.execute(JOBS.format(where=condition), wanted))
        for state in states:
            query = JOBS_IN_STATE.format(where=condition)
            yield from map(job_of, self._db.execute(query, {**wanted, "state": state.value}))

    def read_job(self, seq: int) -> Job:
        """The job numbered ``seq``."""
        return job_of(self._db.execute(JOB, {"seq": seq}).fetchone())

    def find_video(self, sha256: str) -> Job | None:
        """A job whose video has that hash."""
        row = self._db.execute(VIDEO, {"sha256": sha256}).fetchone()
        return None if row is None else job_of(row)

    def find_same_video(self, job: Job) -> Job | None:
        """Another job whose video has the same bytes as that of ``job``."""
        row = self._db.execute(SAME_FILE, {"sha256": job.sha256, "seq": job.seq}).fetchone()
        return None if row is None else job_of(row)

    def list_unpriced(self) -> dict[str, int]:
        """The completed generations without a known price, with the number of their job."""
        return {row["generation_id"]: row["seq"] for row in self._db.execute(UNPRICED)}

    def list_highest_costs(self, model: str) -> list[tuple[float, Mapping[str, Any]]]:
        """The most US dollars that a video of ``model`` has cost, of each length, with its request."""
        rows = self._db.execute(HIGHEST_COSTS, {"model": model})
        return [(float(row["usd"]), json.loads(row["request"])) for row in rows]

    def find_jobs(self, key: str, *, most: int = 2) -> Sequence[Job]:
        """The jobs that ``key`` names: an id or its beginning, a name, or an id of the service; at most ``most``.

        A job that another one of its name replaces is found only by its ids.
        """
        exactly = self.find_job_by_id(key)
        if exactly is not None:  # by its index; a name is looked for in all jobs
            return [exactly]
        rows = self._db.execute(FIND, {"key": key, "most": most}).fetchall()
        rows = [row for row in rows if not row["replaced"]] or rows
        if not rows and len(key) >= 4:
            rows = self._db.execute(FIND_PREFIX, {"key": key, "after": key + "\uffff", "most": most}).fetchall()
        return [job_of(row) for row in rows]

    def count_jobs(self, *, run: int | None = None) -> Counts:
        """How many jobs are in each state, in the whole database or among those that ``run`` took on."""
        query = COUNTS if run is None else COUNTS_OF_RUN
        by_state: dict[JobState, int] = {}
        held = 0
        for row in self._db.execute(query, {} if run is None else {"run": run}):
            state = JobState(row["state"])
            by_state[state] = by_state.get(state, 0) + row["jobs"]
            held += row["jobs"] if row["held"] else 0
        return Counts(by_state=by_state, held=held)

    def count_equal_requests(self, job: Job) -> int:
        """How many jobs ask for exactly the same as ``job``, with it."""
        wanted = {"model": job.model, "index": job.index, "request": canonical_json(job.request)}
        return int(self._db.execute(EQUAL_REQUESTS, wanted).fetchone()[0])

    def read_spend(self) -> tuple[float, int]:
        """US dollars that are known to be charged, and the number of finished videos without a known price."""
        row = self._db.execute(SPEND).fetchone()
        return round(int(row["spent"]) * MICRO, 6), int(row["unpriced"])

    def find_first_attempt(self) -> float | None:
        """When the first POST was prepared."""
        moment: float | None = self._db.execute(FIRST_ATTEMPT).fetchone()[0]
        return moment

    def list_attempts_of_jobs(self, jobs: Collection[Job]) -> list[sqlite3.Row]:
        """Every POST of some jobs, oldest first: ``job, client_request_id, generation_id, price_usd, key``."""
        return self._db.execute(ATTEMPTS_OF_JOBS, (json.dumps([job.seq for job in jobs]),)).fetchall()

    def sum_reserved(self, jobs: Collection[Job]) -> tuple[float, int]:
        """The price of the latest attempts of ``jobs`` in US dollars, and how many have no known price."""
        wanted = {job.client_request_id for job in jobs}
        attempts = self.list_attempts_of_jobs(jobs)
        prices = [row["price_usd"] for row in attempts if row["client_request_id"] in wanted]
        known = [float(price) for price in prices if price is not None]
        return round(sum(known), 6), len(jobs) - len(known)

    def has_reserved(self, job: Job, *, unpriced: bool = False) -> bool:
        """Whether money counts for an attempt of ``job``; ``unpriced``: attempts without a known price count too."""
        return self._db.execute(HAS_RESERVED, {"seq": job.seq, "unpriced": unpriced}).fetchone() is not None

    def read_committed(self) -> float:
        """US dollars spent, in flight and in doubt, over the whole life of the database."""
        return int(self._db.execute(MICROS).fetchone()[0]) * MICRO

    def list_generation_seconds(
        self, model: str, *, most: int = 50, since: float = 0.0, until: float = math.inf
    ) -> list[float]:
        """Seconds from submit to completion of the latest ``most`` videos of a model in that time, newest first."""
        bounds = {"model": model, "since": since, "until": until, "most": most}
        rows = self._db.execute(GENERATION_SECONDS, bounds)
        return [float(row["seconds"]) for row in rows]

    def list_moves(self, job: Job) -> list[sqlite3.Row]:
        """Every move of one job, oldest first: ``at, from_state, to_state, detail, run``."""
        return self._db.execute(EVENTS_OF_JOB, {"seq": job.seq}).fetchall()

    def list_models(self) -> list[str]:
        """The models of all jobs."""
        return [row["model"] for row in self._db.execute(MODELS)]

    def list_pending_models(self, run: int | None = None) -> list[str]:
        """The models of all pending jobs, or of those that ``run`` still has to submit."""
        return [row["model"] for row in self._db.execute(PENDING_MODELS, {"run": run})]

    def list_unreserved(self) -> list[Job]:
        """The jobs in flight or in doubt for which no price is reserved, since none was known or they are imported."""
        return [job_of(row) for row in self._db.execute(UNRESERVED)]

    def list_unreserved_models(self) -> list[str]:
        """The models of these jobs."""
        return [row["model"] for row in self._db.execute(UNRESERVED_MODELS)]

    def list_pending_requests(self) -> Iterator[tuple[int, str, Mapping[str, Any], int]]:
        """Number, model, request and repeat index of every pending job."""
        for row in self._db.execute(PENDING_REQUESTS):
            yield row["seq"], row["model"], json.loads(row["request"]), row["repeat_index"]

    def list_models_to_buy(self) -> list[str]:
        """The models of ``list_last_takes``."""
        return [row["model"] for row in self._db.execute(MODELS_TO_BUY)]

    def list_last_takes(self) -> Iterator[tuple[str, Mapping[str, Any], LastTake]]:
        """Model, request and last take of every job for which a run may buy a clip: pending, or not accepted yet.

        Other pending takes of a job come by themselves.
        """
        for model, request, policy, tries, number, state, verdict in self._db.execute(LAST_TAKES):
            yield model, json.loads(request), LastTake(policy, tries, number, JobState(state), verdict)

    def has_pending(self) -> bool:
        """Whether any job is pending."""
        return self._db.execute(HAS_PENDING).fetchone() is not None

    def find_job_by_id(self, job_id: str) -> Job | None:
        """The job of exactly that id."""
        row = self._db.execute(JOB_BY_ID, {"id": job_id}).fetchone()
        return None if row is None else job_of(row)

    def list_jobs_by_id(self, ids: Collection[str]) -> list[Job]:
        """The jobs of exactly these ids, in manifest order; an id that no job has is left out."""
        return [job_of(row) for row in self._db.execute(JOBS_BY_ID, {"ids": json.dumps(list(ids))})]

    def list_attempts_of(self, job: Job) -> list[sqlite3.Row]:
        """Every POST of one job, oldest first."""
        return self._db.execute(ATTEMPTS_OF_JOB, {"seq": job.seq}).fetchall()

    def iter_succeeded_pages(self, where: Condition | None = None) -> Iterator[list[Job]]:
        """The jobs that succeeded, in manifest order, in pages of at most ``PAGE``.

        ``where``: only those for which this condition is true.
        """
        # not one open read: a caller may take hours, and SQLite's log would grow until it ends
        condition, params = compile_where(self._db, where)
        query = SUCCEEDED_AFTER.format(where=condition)
        after: int | None = 0
        while after is not None:
            page = {**params, "after": after, "most": PAGE}
            jobs = [job_of(row) for row in self._db.execute(query, page).fetchall()]
            if jobs:
                yield jobs
            after = jobs[-1].seq if jobs else None

    def list_catalogs(self) -> list[CatalogInfo]:
        """The catalogues of models that jobs were validated against, in the order of their first use."""
        return [CatalogInfo(**row) for row in self._db.execute(CATALOGS)]

    def list_files_in(self, folder: str) -> Iterator[str]:
        """The files of the succeeded jobs whose videos are in ``folder``."""
        for row in self._db.execute(FILES_IN, (folder,)):
            yield row["file"]

    def list_pending_stems(self, most: int) -> set[str]:
        """The file names, without their endings, of the videos of the first ``most`` pending jobs."""
        return {row["stem"] for row in self._db.execute(PENDING_STEMS, (most,))}

    def list_finished_files(self, most: int) -> list[tuple[str, str]]:
        """Folder and file of the videos that were finished last and first: at most ``most`` of each."""
        rows = [row for query in (LATEST_FILES, OLDEST_FILES) for row in self._db.execute(query, {"most": most})]
        return list(dict.fromkeys((row["folder"] or "", row["file"] or "") for row in rows))
