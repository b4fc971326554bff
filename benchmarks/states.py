"""States with the jobs of many nights, made by SQL through the real schema, and kept between measurements."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from batchveo import Store
from benchmarks.loopback import BEGAN, HASH
from benchmarks.processes import ProgramFailed, batchveo, run
from benchmarks.spaces import CACHE
from benchmarks.workloads import MODEL

# of a thousand jobs: 989 succeeded, 10 failed, 1 unfinished; the unfinished come last, half of them generating
_NUMBERS = "WITH RECURSIVE n (seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n WHERE seq < :jobs)"
_ENDED = ":jobs - :jobs / 1000"
_STATE = f"""CASE WHEN n.seq > {_ENDED} THEN iif(n.seq % 2, 'pending', 'generating')
    WHEN n.seq % 100 = 7 THEN 'failed' ELSE 'succeeded' END"""
_JOBS = f"""{_NUMBERS}, s AS (SELECT n.seq, {_STATE} AS state, printf('%020x', n.seq * {HASH}) AS id FROM n)
    INSERT INTO jobs (seq, id, name, stem, fold, state, model, request, meta, manifest, source, line, run,
        attempts, client_request_id, generation_id, error, cost_usd, folder, file, bytes, sha256, created_at,
        submitted_at, completed_at, finished_at)
    SELECT seq, id, 'take ' || seq, 'take ' || seq, 'take ' || seq, state, :model,
        json_object('model', :model, 'prompt', 'A slow tracking shot of a red fox in a harbour, take ' || seq,
                    'seed', seq),
        '{{"split": "train"}}', 'nights.csv', 'nights.csv', seq + 1, :run,
        state != 'pending', iif(state != 'pending', 'bv.' || id || '.1.abcdef', NULL),
        iif(state != 'pending', 'gen-' || id, NULL),
        iif(state = 'failed', 'The request was refused.', NULL), iif(state = 'succeeded', 1.56, NULL),
        iif(state = 'succeeded', '/videos', NULL), iif(state = 'succeeded', 'take ' || seq || '.mp4', NULL),
        iif(state = 'succeeded', 8000000, NULL), iif(state = 'succeeded', id || id || id, NULL),
        :began, iif(state != 'pending', :began + seq, NULL), iif(state = 'succeeded', :began + seq + 90, NULL),
        iif(state IN ('succeeded', 'failed'), :began + seq + 95, NULL)
    FROM s"""
_ATTEMPTS = """INSERT INTO attempts (job, run, number, client_request_id, started_at, sent_at, ended_at, outcome,
        generation_id, price_usd, micros)
    SELECT seq, run, 1, client_request_id, submitted_at, submitted_at, submitted_at, 'accepted', generation_id,
        1.56, iif(state = 'failed', 0, 1560000)
    FROM jobs WHERE attempts"""
_EVENTS = """INSERT INTO events (job, run, at, from_state, to_state, detail)
    SELECT seq, run, submitted_at + step * 30, from_state, to_state, detail FROM jobs, (
        SELECT 0 AS step, 'pending' AS from_state, 'submitting' AS to_state, '' AS detail
        UNION ALL SELECT 1, 'submitting', 'generating', 'accepted'
        UNION ALL SELECT 2, 'generating', 'downloading', 'completed'
        UNION ALL SELECT 3, 'downloading', 'succeeded', 'verified'
        UNION ALL SELECT 4, 'generating', 'failed', 'The request was refused.')
    WHERE CASE state WHEN 'succeeded' THEN step < 4 WHEN 'failed' THEN step IN (0, 1, 4)
        WHEN 'pending' THEN 0 ELSE step < 2 END
    ORDER BY submitted_at + step * 30, seq"""


def state_of(jobs: int) -> Path:
    """A state of so many jobs (at least a thousand), built if it is not there yet; not to be written to."""
    CACHE.mkdir(parents=True, exist_ok=True)
    fresh = CACHE / "fresh.db"
    _remove(fresh)
    with _new_state(fresh) as run_number:
        path = CACHE / f"{jobs}-{_key(fresh)}.db"
        if not path.exists():
            for older in CACHE.glob(f"{jobs}-*"):
                older.unlink()
            _fill(fresh, jobs, run_number)
            _check(fresh, jobs)
            fresh.rename(path)
    _remove(fresh)
    return path


@contextmanager
def _new_state(path: Path) -> Iterator[int]:
    """An empty state with one run in its history; yields that run's number."""
    with Store(path) as store:
        number = store.runs.begin_run(command="run", service="https://api.aimlapi.com", now=BEGAN)
        store.runs.end_run(number, status=0, now=BEGAN + 3600.0)
    yield number


def _key(path: Path) -> str:
    """Changes with the schema and with what is put into it."""
    with closing(sqlite3.connect(path)) as state:
        schema = [str(row[0]) for row in state.execute("SELECT sql FROM sqlite_master ORDER BY name")]
    return hashlib.sha256("\n".join([*schema, _JOBS, _ATTEMPTS, _EVENTS, *_TOTALS]).encode()).hexdigest()[:12]


def _fill(path: Path, jobs: int, run_number: int) -> None:
    known = {"jobs": jobs, "model": MODEL, "run": run_number, "began": BEGAN}
    with closing(sqlite3.connect(path, isolation_level=None)) as state:
        state.execute("PRAGMA synchronous = OFF")  # nothing is lost here but a minute
        state.execute("PRAGMA journal_mode = MEMORY")
        state.execute("BEGIN")
        state.execute(_JOBS, known)
        state.execute(_ATTEMPTS)
        state.execute(_EVENTS)
        for statement in _TOTALS:
            state.execute(statement)
        state.execute("COMMIT")
        state.execute("PRAGMA journal_mode = WAL")


LINKS = 5
"""Jobs of a chain."""
_CHAINS = (
    f"UPDATE jobs SET chain = seq - (seq - 1) % {LINKS}, link = 1 + (seq - 1) % {LINKS}",
    # what follows a failed link was never bought
    """UPDATE jobs SET state = 'pending', waits = 1, attempts = 0, client_request_id = NULL, generation_id = NULL,
        cost_usd = NULL, folder = NULL, file = NULL, bytes = NULL, sha256 = NULL, submitted_at = NULL,
        completed_at = NULL, finished_at = NULL
    WHERE state = 'succeeded' AND EXISTS (SELECT 1 FROM jobs AS before WHERE +before.state = 'failed'
        AND before.seq BETWEEN jobs.chain AND jobs.seq - 1)""",
    """INSERT INTO links (child, parent, part, takes_data, value, taken_from) SELECT seq, seq - 1, 'last', 1,
        iif(waits, NULL, 'batchveo-input:' || seq), iif(waits, NULL, seq - 1) FROM jobs WHERE link > 1""",
)


def chain_jobs(path: Path) -> None:
    """Make chains of the jobs of a state; of each hundredth chain the last links are blocked by a failed one."""
    with closing(sqlite3.connect(path, isolation_level=None)) as state:
        state.execute("PRAGMA synchronous = OFF")
        state.execute("BEGIN")
        for statement in (*_CHAINS, *_TOTALS):
            state.execute(statement)
        state.execute("COMMIT")


_TOTALS = (
    "UPDATE runs SET ended_at = (SELECT max(finished_at) FROM jobs)",
    "DELETE FROM tallies",
    "INSERT INTO tallies SELECT state, held, count(*) FROM jobs GROUP BY state, held",
    """UPDATE money SET
        spent = (SELECT coalesce(sum(CAST(round(cost_usd * 1e6) AS INTEGER)), 0) FROM jobs),
        unpriced = (SELECT count(*) FROM jobs WHERE completed_at IS NOT NULL AND cost_usd IS NULL)""",
)
"""What the product adds up as jobs move, and the end of the run that moved them."""


def _check(path: Path, jobs: int) -> None:
    """Raise unless the product reads the state as it is meant: the schema may have grown what SQL here misses."""
    said = json.loads(run(batchveo("status", "--json", "--state", path)).out)
    with closing(sqlite3.connect(path)) as state:
        built = dict(state.execute("SELECT state, count(*) FROM jobs GROUP BY state"))
    if {state: number for state, number in said["counts"].items() if number} != built:
        raise ProgramFailed(f"{jobs} jobs were built as {built}, but status says {said['counts']}")


def _remove(path: Path) -> None:
    for leftover in path.parent.glob(f"{path.name}*"):
        leftover.unlink()
