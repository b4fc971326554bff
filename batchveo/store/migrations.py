"""The schema of the database, as the migrations that make it, and its description for Datasette."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from batchveo.core.job_row import normal_key, normal_request

if TYPE_CHECKING:
    from sqlite_utils import Migrations

# the record of migrations, as sqlite-utils makes it
_RECORD = """
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
"""
_ADD_STEP = "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('batchveo', ?, ?)"

_TABLES = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    command TEXT NOT NULL,
    service TEXT NOT NULL,
    version TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started_at REAL NOT NULL,
    ended_at REAL,
    exit_status INTEGER,
    budget_usd REAL
);
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    stem TEXT NOT NULL,
    fold TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('pending', 'submitting', 'in_doubt', 'generating', 'downloading',
                                         'succeeded', 'failed', 'cancelled')),
    held INTEGER NOT NULL DEFAULT 0 CHECK (held IN (0, 1) AND (held = 0 OR state = 'in_doubt')),
    model TEXT NOT NULL,
    request TEXT NOT NULL CHECK (json_valid(request)),
    repeat_index INTEGER NOT NULL DEFAULT 0,
    meta TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(meta)),
    manifest TEXT NOT NULL DEFAULT '',
    source TEXT NOT NULL DEFAULT '',
    line INTEGER,
    run INTEGER NOT NULL REFERENCES runs (id),
    attempts INTEGER NOT NULL DEFAULT 0,
    troubles INTEGER NOT NULL DEFAULT 0,
    not_before REAL NOT NULL DEFAULT 0,
    client_request_id TEXT,
    generation_id TEXT UNIQUE,
    video_url TEXT,
    error TEXT,
    cost_usd REAL,
    folder TEXT,
    file TEXT,
    bytes INTEGER,
    sha256 TEXT,
    created_at REAL NOT NULL,
    submitted_at REAL,
    doubted_at REAL,
    completed_at REAL,
    finished_at REAL,
    CHECK (state NOT IN ('generating', 'downloading', 'succeeded') OR generation_id IS NOT NULL),
    CHECK (state NOT IN ('submitting', 'in_doubt') OR client_request_id IS NOT NULL),
    CHECK (state != 'succeeded' OR (file IS NOT NULL AND sha256 IS NOT NULL))
);
CREATE INDEX jobs_by_state ON jobs (state, held, run);
CREATE INDEX jobs_by_hash ON jobs (sha256) WHERE sha256 IS NOT NULL;
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL REFERENCES jobs (seq),
    run INTEGER NOT NULL REFERENCES runs (id),
    number INTEGER NOT NULL,
    client_request_id TEXT NOT NULL UNIQUE,
    started_at REAL NOT NULL,
    sent_at REAL,
    ended_at REAL,
    outcome TEXT,
    detail TEXT,
    generation_id TEXT,
    price_usd REAL,
    micros INTEGER NOT NULL DEFAULT 0,
    UNIQUE (job, number)
);
CREATE TABLE money (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    micros INTEGER NOT NULL
);
INSERT INTO money VALUES (1, 0);
CREATE TRIGGER an_attempt_reserves_its_price AFTER INSERT ON attempts
    BEGIN UPDATE money SET micros = micros + NEW.micros; END;
CREATE TRIGGER an_attempt_settles_its_price AFTER UPDATE OF micros ON attempts
    BEGIN UPDATE money SET micros = micros + NEW.micros - OLD.micros; END;
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL REFERENCES jobs (seq),
    run INTEGER REFERENCES runs (id),
    at REAL NOT NULL,
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT ''
);
CREATE INDEX events_by_job ON events (job);
CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'the history is append-only'); END;
CREATE TABLE inputs (
    sha256 TEXT PRIMARY KEY,
    media_type TEXT NOT NULL,
    content BLOB NOT NULL
);
"""

_VIEWS = """
CREATE VIEW videos AS
    SELECT name, folder || '/' || file AS path, model, json_extract(request, '$.prompt') AS prompt,
           json_extract(request, '$.seed') AS seed, cost_usd, bytes, sha256, generation_id,
           datetime(submitted_at, 'unixepoch') AS submitted, datetime(finished_at, 'unixepoch') AS finished,
           round(completed_at - submitted_at, 1) AS generation_seconds
    FROM jobs WHERE state = 'succeeded' ORDER BY seq;
CREATE VIEW unfinished AS
    SELECT seq, name, CASE held WHEN 1 THEN 'held in doubt' ELSE state END AS state, model, generation_id,
           client_request_id, attempts, troubles, error, datetime(not_before, 'unixepoch') AS not_before
    FROM jobs WHERE state NOT IN ('succeeded', 'failed', 'cancelled') ORDER BY seq;
CREATE VIEW failures AS
    SELECT error, model, count(*) AS jobs, min(name) AS for_example
    FROM jobs WHERE state = 'failed' GROUP BY error, model ORDER BY jobs DESC;
CREATE VIEW spending AS
    SELECT model, count(*) AS videos, round(sum(cost_usd), 4) AS usd, sum(cost_usd IS NULL) AS price_unknown
    FROM jobs WHERE completed_at IS NOT NULL GROUP BY model ORDER BY usd DESC;
CREATE VIEW history AS
    SELECT events.id, datetime(events.at, 'unixepoch') AS at, jobs.name, jobs.id AS job_id, from_state,
           to_state, detail, events.run
    FROM events JOIN jobs ON jobs.seq = events.job ORDER BY events.id;
"""


def first_schema(db: sqlite3.Connection) -> None:
    """Jobs, their attempts and their history; the runs; the input files; views for a person."""
    _run_script(db, _TABLES + _VIEWS)


_TOTALS = """
CREATE TABLE tallies (
    state TEXT NOT NULL,
    held INTEGER NOT NULL,
    jobs INTEGER NOT NULL,
    PRIMARY KEY (state, held)
) WITHOUT ROWID;
INSERT INTO tallies SELECT state, held, count(*) FROM jobs GROUP BY state, held;
INSERT OR IGNORE INTO tallies VALUES ('pending', 0, 0);
CREATE TRIGGER a_move_is_tallied AFTER UPDATE OF state, held ON jobs
    WHEN NEW.state != OLD.state OR NEW.held != OLD.held
    BEGIN
        UPDATE tallies SET jobs = jobs - 1 WHERE state = OLD.state AND held = OLD.held;
        INSERT INTO tallies VALUES (NEW.state, NEW.held, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1;
    END;
ALTER TABLE runs ADD COLUMN takes_from INTEGER;
ALTER TABLE money ADD COLUMN spent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE money ADD COLUMN unpriced INTEGER NOT NULL DEFAULT 0;
UPDATE money SET
    spent = (SELECT coalesce(sum(CAST(round(cost_usd * 1e6) AS INTEGER)), 0) FROM jobs),
    unpriced = (SELECT count(*) FROM jobs WHERE completed_at IS NOT NULL AND cost_usd IS NULL);
CREATE TRIGGER a_price_is_added_up AFTER UPDATE OF cost_usd, completed_at ON jobs
    WHEN NEW.cost_usd IS NOT OLD.cost_usd OR NEW.completed_at IS NOT OLD.completed_at
    BEGIN
        UPDATE money SET
            spent = spent + CAST(round(coalesce(NEW.cost_usd, 0) * 1e6) AS INTEGER)
                          - CAST(round(coalesce(OLD.cost_usd, 0) * 1e6) AS INTEGER),
            unpriced = unpriced + (NEW.completed_at IS NOT NULL AND NEW.cost_usd IS NULL)
                                - (OLD.completed_at IS NOT NULL AND OLD.cost_usd IS NULL);
    END;
CREATE INDEX jobs_put_off ON jobs (run, not_before) WHERE state = 'pending' AND not_before > 0;
CREATE INDEX jobs_by_completion ON jobs (model, completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX jobs_by_finish ON jobs (finished_at) WHERE state = 'succeeded';
CREATE INDEX jobs_unpriced ON jobs (seq) WHERE completed_at IS NOT NULL AND cost_usd IS NULL;
"""


def totals(db: sqlite3.Connection) -> None:
    """Counts and sums that are kept up to date, and indices for a run: the same speed at a million jobs."""
    _run_script(db, _TOTALS)


_QUOTES = """
CREATE TABLE quotes (
    model TEXT PRIMARY KEY,
    pricing TEXT NOT NULL CHECK (json_valid(pricing)),
    at REAL NOT NULL
);
"""


def quotes(db: sqlite3.Connection) -> None:
    """The latest prices of the service: a plan can be made while it does not answer."""
    _run_script(db, _QUOTES)


_KEYS = """
ALTER TABLE jobs ADD COLUMN key_name TEXT;
ALTER TABLE attempts ADD COLUMN key_name TEXT;
"""


def keys(db: sqlite3.Connection) -> None:
    """The label of the API key of a job's last submit, and of each attempt; an only key has none."""
    _run_script(db, _KEYS)


_ASIDE = """
ALTER TABLE jobs ADD COLUMN aside INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN tries INTEGER;
ALTER TABLE jobs ADD COLUMN tried INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET tried = 1 WHERE state = 'failed' AND generation_id IS NOT NULL;
CREATE INDEX jobs_ready ON jobs (run) WHERE state = 'pending' AND held = 0 AND aside = 0;
CREATE INDEX jobs_aside ON jobs (aside, model) WHERE aside != 0;
"""


def aside_and_tries(db: sqlite3.Connection) -> None:
    """The run that skips a pending job (0: none); how often a failed generation may be made, and was made."""
    _run_script(db, _ASIDE)


_EXPIRY = """
ALTER TABLE jobs ADD COLUMN url_expires_at REAL;
UPDATE jobs SET fold = stem WHERE fold != stem;
"""


def url_expiry(db: sqlite3.Connection) -> None:
    """When the URL of a video expires; names that differ in case alone are two on file systems that keep them apart."""
    _run_script(db, _EXPIRY)


def normal_keys(db: sqlite3.Connection) -> None:
    """The normal form of jobs whose id was made from their texts as they were written.

    Only the few jobs whose texts are not in normal form have such a key; ids made later need none.
    """
    db.execute("ALTER TABLE jobs ADD COLUMN normal_key TEXT")
    db.execute("CREATE INDEX jobs_by_normal_key ON jobs (normal_key) WHERE normal_key IS NOT NULL")
    rows = db.execute("SELECT seq, request, repeat_index FROM jobs").fetchall()
    keys = [(normal_key(text, index), seq) for seq, text, index in rows if normal_request(text) != text]
    db.executemany("UPDATE jobs SET normal_key = ? WHERE seq = ?", keys)


_MEMORY = """
ALTER TABLE runs ADD COLUMN options TEXT CHECK (options IS NULL OR json_valid(options));
ALTER TABLE attempts ADD COLUMN key_print TEXT;
CREATE TABLE key_secret (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    secret BLOB NOT NULL
);
INSERT INTO key_secret VALUES (1, randomblob(32));
"""


def run_options_and_key_prints(db: sqlite3.Connection) -> None:
    """The options of a run, for ``resume``; the API key of an attempt, as a keyed hash, never the key."""
    _run_script(db, _MEMORY)


_CATALOGS = """
CREATE TABLE catalogs (
    id INTEGER PRIMARY KEY,
    digest TEXT NOT NULL UNIQUE,
    made TEXT NOT NULL,
    source TEXT NOT NULL,
    first_used REAL NOT NULL
);
ALTER TABLE jobs ADD COLUMN catalog INTEGER REFERENCES catalogs (id);
ALTER TABLE jobs ADD COLUMN unchecked TEXT CHECK (unchecked IS NULL OR json_valid(unchecked));
"""


def catalogs(db: sqlite3.Connection) -> None:
    """The catalogue of models that a job was validated against when it was added, and the fields left out of that."""
    _run_script(db, _CATALOGS)


# without a move, an error changes only if a job is skipped or taken back, which sets `aside`; a trigger on `error`
# would also look at every move
_REWRITES = """
CREATE TABLE rewrites (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL UNIQUE REFERENCES jobs (seq)
);
CREATE TRIGGER a_rewrite_is_noted AFTER UPDATE OF name, meta, aside ON jobs
    WHEN NEW.name != OLD.name OR NEW.meta != OLD.meta OR NEW.error IS NOT OLD.error
    BEGIN
        DELETE FROM rewrites WHERE job = NEW.seq;
        INSERT INTO rewrites (job) VALUES (NEW.seq);
    END;
DROP INDEX jobs_by_completion;
CREATE INDEX jobs_by_completion ON jobs (model, completed_at, cost_usd) WHERE completed_at IS NOT NULL;
CREATE INDEX jobs_failed ON jobs (error, model, state) WHERE state = 'failed';
"""


def rewrites(db: sqlite3.Connection) -> None:
    """The jobs whose texts changed without a move, the latest change of each; indices for the page's sums."""
    _run_script(db, _REWRITES)


_CLIP_CHECKS = """
CREATE TABLE policies (
    id INTEGER PRIMARY KEY,
    policy TEXT NOT NULL UNIQUE CHECK (json_valid(policy))
);
ALTER TABLE jobs ADD COLUMN policy INTEGER REFERENCES policies (id);
ALTER TABLE jobs ADD COLUMN verdict TEXT CHECK (verdict IN ('accepted', 'rejected', 'open'));
ALTER TABLE jobs ADD COLUMN take INTEGER NOT NULL DEFAULT 1;
ALTER TABLE jobs ADD COLUMN take_of INTEGER REFERENCES jobs (seq);
CREATE UNIQUE INDEX jobs_by_take ON jobs (take_of, take) WHERE take_of IS NOT NULL;
CREATE INDEX jobs_to_check ON jobs (seq) WHERE state = 'succeeded' AND policy IS NOT NULL AND verdict IS NULL;
CREATE INDEX jobs_rejected ON jobs (seq) WHERE verdict = 'rejected';
CREATE TABLE measures (
    job INTEGER PRIMARY KEY REFERENCES jobs (seq),
    sha256 TEXT NOT NULL,
    level TEXT NOT NULL,
    version INTEGER NOT NULL,
    at REAL NOT NULL,
    duration_seconds REAL,
    width INTEGER,
    height INTEGER,
    fps REAL,
    frames INTEGER,
    codec TEXT,
    bitrate REAL,
    black_seconds REAL,
    frozen_seconds REAL,
    silent_seconds REAL,
    loudness_lufs REAL,
    has_sound INTEGER,
    cuts INTEGER,
    motion REAL,
    blur REAL,
    hashes BLOB,
    problems TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(problems)),
    mismatched INTEGER,
    conclusive INTEGER NOT NULL DEFAULT 1 CHECK (conclusive IN (0, 1))
);
CREATE TABLE verdicts (
    id INTEGER PRIMARY KEY,
    job INTEGER NOT NULL REFERENCES jobs (seq),
    run INTEGER REFERENCES runs (id),
    at REAL NOT NULL,
    verdict TEXT NOT NULL CHECK (verdict IN ('accepted', 'rejected', 'open')),
    gate TEXT NOT NULL DEFAULT '',
    found TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(found))
);
CREATE INDEX verdicts_by_job ON verdicts (job);
CREATE TRIGGER verdicts_are_never_changed BEFORE UPDATE ON verdicts
    BEGIN SELECT RAISE(ABORT, 'the verdicts are append-only'); END;
CREATE TRIGGER verdicts_are_never_deleted BEFORE DELETE ON verdicts
    BEGIN SELECT RAISE(ABORT, 'the verdicts are append-only'); END;
CREATE TABLE scores (
    job INTEGER NOT NULL REFERENCES jobs (seq),
    name TEXT NOT NULL,
    value,
    at REAL NOT NULL,
    PRIMARY KEY (job, name)
) WITHOUT ROWID;
CREATE INDEX scores_by_name ON scores (name);
CREATE TABLE votes (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    person TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('pick', 'reject', 'rate', 'better', 'both_bad', 'undo')),
    job INTEGER REFERENCES jobs (seq),
    other INTEGER REFERENCES jobs (seq),
    rating INTEGER CHECK (rating BETWEEN 1 AND 5),
    shown TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(shown)),
    blind INTEGER NOT NULL DEFAULT 0 CHECK (blind IN (0, 1)),
    undoes INTEGER UNIQUE REFERENCES votes (id),
    CHECK ((kind = 'undo') = (undoes IS NOT NULL) AND (kind = 'undo') = (job IS NULL)),
    CHECK ((kind IN ('better', 'both_bad')) = (other IS NOT NULL)),
    CHECK ((kind = 'rate') = (rating IS NOT NULL))
);
CREATE INDEX votes_by_job ON votes (job);
CREATE TRIGGER votes_are_never_changed BEFORE UPDATE ON votes
    BEGIN SELECT RAISE(ABORT, 'the votes are append-only'); END;
CREATE TRIGGER votes_are_never_deleted BEFORE DELETE ON votes
    BEGIN SELECT RAISE(ABORT, 'the votes are append-only'); END;
CREATE VIEW valid_votes AS SELECT * FROM votes
    WHERE kind != 'undo' AND id NOT IN (SELECT undoes FROM votes WHERE undoes IS NOT NULL);
CREATE VIEW standings AS
    SELECT job, sum(kind = 'pick') AS picks, sum(kind = 'reject') AS rejects, avg(rating) AS rating
    FROM (SELECT job, kind, rating, max(id) FROM valid_votes WHERE kind IN ('pick', 'reject', 'rate')
          GROUP BY job, person, kind = 'rate')
    GROUP BY job;
"""


def clip_checks(db: sqlite3.Connection) -> None:
    """Measures of clips, gates and their verdicts, takes; scores of other tools; the votes of people."""
    _run_script(db, _CLIP_CHECKS)


def asked_takes(db: sqlite3.Connection) -> None:
    """Whether a person asked for a take: then no verdict on another one makes it unnecessary."""
    db.execute("ALTER TABLE jobs ADD COLUMN asked INTEGER NOT NULL DEFAULT 0")


_HOOKS = """
CREATE TABLE hooks (kind TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE deliveries (
    job INTEGER NOT NULL REFERENCES jobs (seq),
    kind TEXT NOT NULL,
    failed_run INTEGER REFERENCES runs (id),
    PRIMARY KEY (kind, job)
) WITHOUT ROWID;
CREATE TRIGGER deliveries_are_due AFTER UPDATE OF state ON jobs
    WHEN new.state = 'succeeded' AND old.state != 'succeeded'
    BEGIN INSERT OR REPLACE INTO deliveries (job, kind) SELECT new.seq, kind FROM hooks; END;
"""


def hooks(db: sqlite3.Connection) -> None:
    """The hooks that the latest run asked for, and the finished videos that each has not been told of."""
    _run_script(db, _HOOKS)


_PRIORITIES = """
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
DROP INDEX jobs_ready;
CREATE INDEX jobs_ready ON jobs (priority, run) WHERE state = 'pending' AND held = 0 AND aside = 0;
"""


def priorities(db: sqlite3.Connection) -> None:
    """The priority of a job: pending jobs with a higher one are claimed first."""
    _run_script(db, _PRIORITIES)


_CHAINS = """
ALTER TABLE jobs ADD COLUMN chain INTEGER REFERENCES jobs (seq);
ALTER TABLE jobs ADD COLUMN link INTEGER NOT NULL DEFAULT 1;
ALTER TABLE jobs ADD COLUMN waits INTEGER NOT NULL DEFAULT 0;
CREATE TABLE links (
    child INTEGER NOT NULL REFERENCES jobs (seq),
    parent INTEGER NOT NULL REFERENCES jobs (seq),
    part TEXT NOT NULL,
    takes_data INTEGER NOT NULL,
    value TEXT,
    sha256 TEXT,
    taken_from INTEGER REFERENCES jobs (seq),
    from_take INTEGER NOT NULL DEFAULT 1,
    fresh_until REAL,
    PRIMARY KEY (child, parent, part),
    CHECK ((value IS NULL) = (taken_from IS NULL))
) WITHOUT ROWID;
CREATE INDEX links_by_parent ON links (parent);
CREATE INDEX links_open ON links (parent) WHERE value IS NULL;
CREATE INDEX links_by_value ON links (value) WHERE value IS NOT NULL;
ALTER TABLE inputs ADD COLUMN taken INTEGER NOT NULL DEFAULT 0;
CREATE TABLE uploads (
    bucket TEXT NOT NULL,
    name TEXT NOT NULL,
    job INTEGER NOT NULL REFERENCES jobs (seq),
    PRIMARY KEY (bucket, name, job)
) WITHOUT ROWID;
CREATE INDEX jobs_by_chain ON jobs (chain, link) WHERE chain IS NOT NULL;
DROP INDEX jobs_ready;
CREATE INDEX jobs_ready ON jobs (priority, run)
    WHERE state = 'pending' AND held = 0 AND aside = 0 AND waits = 0;
CREATE INDEX links_ready ON jobs (priority, run, link DESC)
    WHERE state = 'pending' AND held = 0 AND aside = 0 AND waits = 0 AND link > 1;
CREATE INDEX jobs_waiting ON jobs (chain, link) WHERE state = 'pending' AND waits > 0;
"""


def chains(db: sqlite3.Connection) -> None:
    """Jobs whose input is another job's video: their links, their place in the chain; inputs that are uploaded."""
    _run_script(db, _CHAINS)


def replacements(db: sqlite3.Connection) -> None:
    """The ids of the jobs that a job was made in place of, as a JSON array."""
    db.execute("ALTER TABLE jobs ADD COLUMN in_place_of TEXT")


_STEPS = (
    first_schema,
    totals,
    quotes,
    keys,
    aside_and_tries,
    url_expiry,
    normal_keys,
    run_options_and_key_prints,
    catalogs,
    rewrites,
    clip_checks,
    asked_takes,
    hooks,
    priorities,
    chains,
    replacements,
)


def make_schema(db: sqlite3.Connection) -> None:
    """Make the newest schema in an empty database, as sqlite-utils would, in the caller's transaction."""
    _run_script(db, _RECORD)
    for step in _STEPS:
        step(db)
        db.execute(_ADD_STEP, (step.__name__, str(datetime.now(UTC))))


def list_migrations() -> Migrations:
    """The migrations of sqlite-utils, which bring an older database up to date."""
    from sqlite_utils import Database, Migrations

    migrations = Migrations("batchveo")
    for step in _STEPS:

        def migrate(db: Database, step: Callable[[sqlite3.Connection], None] = step) -> None:
            step(db.conn)

        migrations(name=step.__name__)(migrate)
    return migrations


def _run_script(db: sqlite3.Connection, script: str) -> None:
    """Run each statement of ``script`` in the migration's transaction."""
    # executescript would commit that transaction half-way
    open_trigger = ""
    for piece in script.split(";\n"):
        text = f"{open_trigger}{piece};\n"
        unfinished = "CREATE TRIGGER" in text and not text.rstrip().endswith("END;")
        open_trigger = text if unfinished else ""
        if not unfinished and piece.strip():
            db.execute(text)


def make_datasette_metadata(state: Path) -> dict[str, object]:
    """Datasette's metadata for the database at ``state``."""
    text = (files("batchveo.store") / "datasette.yaml").read_text(encoding="utf-8")
    content: dict[str, object] = yaml.safe_load(text)
    # Datasette names a database by its file name without the ending
    content["databases"] = {state.stem: content.pop("database")}
    return content
