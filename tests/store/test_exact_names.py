"""Names in a database that took those that differ in case for one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlite_utils import Database

from batchveo.store import Store
from batchveo.store.migrations import migrations
from tests.helpers.factories import make_spec

RUN = """INSERT INTO runs (id, command, service, version, host, pid, started_at)
    VALUES (1, 'run', 'x', '1', 'h', 1, 1)"""
JOB = """INSERT INTO jobs (id, name, stem, fold, state, model, request, run, created_at)
    VALUES (?, ?, ?, ?, 'pending', 'veo2', '{}', 1, 1.0)"""


def test_an_older_database_takes_names_in_another_case(tmp_path: Path) -> None:
    """Its own jobs keep their files; a new one is no longer a namesake."""
    path = tmp_path / "b.db"
    with sqlite3.connect(path) as db:
        migrations.apply(Database(db), stop_before="url_expiry")
        db.execute(RUN)
        for stem, fold in (("A Cat", "a cat"), ("a cat~01234567", "a cat~01234567"), ("Ärger", "ärger")):
            db.execute(JOB, (stem, stem, stem, fold))
        db.execute("PRAGMA application_id = 0x62766A31")
    db.close()
    with Store(path) as store:
        run = store.runs.begin_run(command="run", service="x", now=2.0)
        store.imports.add_jobs(
            [make_spec("a cat"), make_spec("ärger"), make_spec("A Cat", id="f" * 20)], run=run, now=2.0
        )
        stems = [job.stem for job in store.jobs()]
    assert stems[:5] == ["A Cat", "a cat~01234567", "Ärger", "a cat", "ärger"]
    assert stems[5] == "A Cat~ffffffff"
