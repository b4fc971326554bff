"""The staging table: the jobs that manifests name, before they are added to a database."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from batchveo.core.errors import DiskTrouble
from batchveo.core.job_row import JobRow, Row, canonical_json, normal_key
from batchveo.core.links import Link
from batchveo.core.models import JobSpec
from batchveo.store.database import BUSY_SECONDS

PREPARE = (
    # what repeats the column before it is left out: half of a large file's bytes
    """CREATE TEMP TABLE IF NOT EXISTS written (
        position INTEGER PRIMARY KEY, id TEXT, name TEXT, stem TEXT, fold TEXT, model TEXT, request TEXT,
        repeat_index INTEGER, meta TEXT, manifest TEXT, source TEXT, line INTEGER, inputs TEXT,
        tries INTEGER, unchecked TEXT, policy TEXT, priority INTEGER, chain TEXT)""",
    """CREATE TEMP VIEW IF NOT EXISTS named AS
        SELECT position, id, name, coalesce(stem, name) AS stem, coalesce(fold, stem, name) AS fold, model,
               request, repeat_index, meta, manifest, coalesce(source, manifest) AS source, line, inputs, tries,
               unchecked, policy, priority, chain
        FROM temp.written""",
    "CREATE INDEX IF NOT EXISTS temp.written_inputs ON written (inputs) WHERE inputs IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS temp.written_policies ON written (policy) WHERE policy IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS temp.written_chains ON written (position) WHERE chain IS NOT NULL",
    """CREATE TEMP TABLE IF NOT EXISTS known (
        seq INTEGER PRIMARY KEY, position INTEGER, state TEXT, edited INTEGER, left_over INTEGER)""",
    "CREATE INDEX IF NOT EXISTS temp.known_edited ON known (position) WHERE edited",
    "DELETE FROM temp.written",
    "DELETE FROM temp.known",
)
ADD_ROW = """INSERT INTO temp.written (id, name, stem, fold, model, request, repeat_index, meta, manifest, source,
    line, inputs, tries, unchecked, policy, priority, chain)
    VALUES (?1, ?2, nullif(?3, ?2), nullif(?4, ?3), ?5, ?6, ?7, ?8, ?9, nullif(?10, ?9), ?11, ?12, ?13, ?14, ?15,
        ?16, ?17)"""
ATTACH_STATE = "ATTACH ? AS state"
DETACH_STATE = "DETACH state"
# jobs of the database whose id no manifest gives any more; most databases have none
FORMER_JOBS = """SELECT id, normal_key, request FROM jobs
    WHERE normal_key IS NOT NULL AND id NOT IN (SELECT id FROM temp.written) ORDER BY seq"""
# named jobs whose id is not in the database, but whose request is that of a former job
UNKNOWN_JOBS = """SELECT position, id, request, normal_key(request, repeat_index) AS normal_key
    FROM temp.written AS named
    WHERE id NOT IN (SELECT id FROM jobs)
    AND normal_key(request, repeat_index) IN (SELECT normal_key FROM jobs WHERE normal_key IS NOT NULL)
    ORDER BY position"""
SET_ID = "UPDATE temp.written SET id = ? WHERE position = ?"
CHAINED = "SELECT position, request, chain FROM temp.written WHERE chain IS NOT NULL"
SET_CHAIN = "UPDATE temp.written SET request = ?, chain = ? WHERE position = ?"
# a choice may leave out a parent, and with it all that would be made of it
DROP_ORPHANS = """DELETE FROM temp.written WHERE chain IS NOT NULL AND EXISTS (
    SELECT 1 FROM json_each(written.chain, '$[2]') AS link
    WHERE json_extract(link.value, '$[1]') NOT IN (SELECT id FROM temp.written) {})"""
KNOWN_PARENT = "AND json_extract(link.value, '$[1]') NOT IN (SELECT id FROM jobs)"
LAST_POSITION = "SELECT coalesce(max(position), 0) FROM temp.written"
NAMED_AT = """SELECT id, name, stem, fold, model, request, repeat_index, meta, manifest, source, line, inputs, tries,
    unchecked, policy, priority, chain FROM temp.named WHERE position = ?"""

COUNT_LINKS = """SELECT json_extract(link.value, '$[0]'), json_extract(link.value, '$[2]'), count(*)
    FROM temp.written CROSS JOIN json_each(written.chain, '$[2]') AS link WHERE chain IS NOT NULL GROUP BY 1, 2"""
COUNT_CHAINS = """SELECT count(DISTINCT json_extract(chain, '$[0]')), max(json_extract(chain, '$[1]'))
    FROM temp.written WHERE chain IS NOT NULL"""

_SUBMITTED = "SELECT id FROM state.jobs WHERE state != 'pending'"
_NOTHING = "SELECT NULL WHERE 0"
# links of one chain that have the same number can be made at the same time; its first job has no row of its own here
LONGEST_ROW = """SELECT coalesce(max(links + (first NOT IN ({others}))), 1) FROM (
    SELECT json_extract(chain, '$[0]') AS first, count(DISTINCT json_extract(chain, '$[1]')) AS links
    FROM temp.written WHERE chain IS NOT NULL AND id NOT IN ({others}) GROUP BY first)"""

CACHE_KIB = 112 * 1024
"""Memory for pages of the database while jobs move in: their ids and names reach the indices in no order."""


class StagingTable:
    """A table of all jobs that the manifests of one call name: the database is written only if all are valid.

    It is in a temporary database without a name. SQLite keeps that in memory while it is small, and beyond that in a
    file of ``TMPDIR`` (or ``/var/tmp``, ``/tmp``) that is deleted as soon as it is open: nobody else can read it, and
    nothing of it remains if the process dies. A million jobs take about 250 MB.

    ``is_partial``: the manifests name more jobs than these, which were chosen from them. ``orphans``: how many chosen
    jobs were left out, since a job that they are made from was not chosen and is not in the database.
    """

    def __init__(self) -> None:
        self.is_partial = False
        self.orphans = 0
        self._db = sqlite3.connect("", timeout=BUSY_SECONDS, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        # the CHECKs of the jobs are for other writers: these rows hold JSON of our own encoder, and constants;
        # two million calls of json_valid take a quarter of the time
        for pragma in (
            "ignore_check_constraints = ON",
            "temp.page_size = 32768",
            "temp.journal_mode = MEMORY",
            "foreign_keys = ON",
        ):
            self._db.execute(f"PRAGMA {pragma}")
        make_tables(self._db)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the table; harmless if that is done already."""
        self._db.close()

    def add_rows(self, jobs: Iterable[Row]) -> None:
        """Add jobs, whose ids must all be different. Raises ``DiskTrouble`` if there is no room for them."""
        try:
            self._db.execute("BEGIN")
            self._db.executemany(ADD_ROW, jobs)
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise DiskTrouble(f"temporary files cannot be written: {error}; TMPDIR names another folder") from None

    def pick_sample(self, count: int) -> list[JobSpec]:
        """At most ``count`` jobs from the first to the last, spread over all."""
        last: int = self._db.execute(LAST_POSITION).fetchone()[0]
        step = (last - 1) / max(count - 1, 1)
        # not in even steps, which could hit the same value of a matrix each time
        uneven = [number % 2 if step >= 2 else 0 for number in range(count)]
        positions = {min(1 + round(number * step) + uneven[number], last) for number in range(count)} if last else ()
        rows = (self._db.execute(NAMED_AT, (at,)).fetchone() for at in sorted(positions))
        return [JobRow(*row).to_spec() for row in rows if row is not None]

    def fit_to_database(self, *, is_attached: bool) -> None:
        """Give the jobs their former ids in the attached database, if there is one, and leave out orphans."""
        if is_attached:
            recognise_former_ids(self._db)
        drop = DROP_ORPHANS.format(KNOWN_PARENT if is_attached else "")
        while self.is_partial and (dropped := self._db.execute(drop).rowcount) > 0:
            self.orphans += dropped

    def count_links(self) -> list[tuple[str, bool, int]]:
        """How many links take each part of a video, and whether as data; see ``ParentLink``."""
        return [(part, bool(takes_data), links) for part, takes_data, links in self._db.execute(COUNT_LINKS)]

    def count_chains(self) -> tuple[int, int]:
        """How many chains there are, and the number of the last link of the longest."""
        chains, links = self._db.execute(COUNT_CHAINS).fetchone()
        return chains, links or 0

    def measure_row(self, state: Path | None) -> int:
        """The most jobs of one chain that are to be made one after another; 1 without chains.

        ``state`` is the database, whose jobs do not count unless they are pending.
        """
        if state is None:
            return int(self._db.execute(LONGEST_ROW.format(others=_NOTHING)).fetchone()[0])
        with self.attach_database(state) as db:
            return int(db.execute(LONGEST_ROW.format(others=_SUBMITTED)).fetchone()[0])

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection, with the jobs in its table ``named``."""
        return self._db

    @contextmanager
    def attach_database(self, state: Path) -> Iterator[sqlite3.Connection]:
        """The connection, with the jobs of the existing database at ``state`` as well."""
        # the database is attached to the staging table, not the other way: a database without a name has no path
        self._db.execute(ATTACH_STATE, (str(state.absolute()),))
        try:
            self._db.execute(f"PRAGMA state.cache_size = -{CACHE_KIB}")
            self._db.execute("PRAGMA state.synchronous = FULL")
            yield self._db
        finally:
            self._db.execute(DETACH_STATE)


def make_tables(db: sqlite3.Connection) -> None:
    """Make the tables of named jobs, or empty them."""
    for statement in PREPARE:
        db.execute(statement)


def recognise_former_ids(db: sqlite3.Connection) -> None:
    """Give named jobs the ids by which an earlier version added them to the database.

    ``db`` has the jobs of the database, and the named ones. Ids were once made from texts as they were written. A job
    of that time whose texts have blanks at their ends, or are not in NFC, is found by the normal form of its request:
    it must not be bought again because its id is made otherwise today. Each former id is given once, first to the job
    with the same words.
    """
    while _set_former_ids(db):
        pass


def _set_former_ids(db: sqlite3.Connection) -> bool:
    """Give named jobs their former ids; whether there may be more, since the requests of others name these jobs."""
    former: dict[str, list[sqlite3.Row]] = defaultdict(list)
    for row in db.execute(FORMER_JOBS):
        former[row["normal_key"]].append(row)
    if not former:
        return False
    db.create_function("normal_key", 2, normal_key, deterministic=True)
    unknown: dict[str, list[sqlite3.Row]] = defaultdict(list)
    for row in db.execute(UNKNOWN_JOBS):
        unknown[row["normal_key"]].append(row)
    pairs = [pair for key, named in unknown.items() for pair in _pair_jobs(former[key], named)]
    given = {row["id"]: former_id for former_id, row in pairs}
    db.executemany(SET_ID, [(former_id, row["position"]) for former_id, row in pairs])
    return _follow_parents(db, given)


def _follow_parents(db: sqlite3.Connection, given: Mapping[str, str]) -> bool:
    """Let jobs name their parents by the ids that these have now, by the ids before; whether any does."""
    changed = []
    for row in db.execute(CHAINED).fetchall() if given else ():
        chain, link, parents = json.loads(row["chain"])
        if chain in given or any(parent in given for _, parent, _ in parents):
            moved = [[part, given.get(parent, parent), takes_data] for part, parent, takes_data in parents]
            request = row["request"]
            for part, parent, _ in parents:
                request = request.replace(_quote_link(part, parent), _quote_link(part, given.get(parent, parent)))
            changed.append((request, canonical_json([given.get(chain, chain), link, moved]), row["position"]))
    db.executemany(SET_CHAIN, changed)
    return bool(changed)


def _quote_link(part: str, parent: str) -> str:
    return f'"{Link(part, parent).reference}"'


def _pair_jobs(former: list[sqlite3.Row], named: list[sqlite3.Row]) -> list[tuple[str, sqlite3.Row]]:
    """Pairs of the id of a job in the database and the same job among the named ones."""
    pairs = []
    rest = []
    for job in named:
        same = next((row for row in former if row["request"] == job["request"]), None)
        if same is None:
            rest.append(job)
        else:
            former.remove(same)
            pairs.append((same["id"], job))
    pairs += [(row["id"], job) for row, job in zip(former, rest, strict=False)]
    return pairs
