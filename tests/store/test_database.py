"""How state files are opened, and which are refused."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlite_utils import Database

from batchveo.core.errors import StateLocked, StateUnusable
from batchveo.core.models import JobState
from batchveo.store import Store, database, migrations
from batchveo.store.database import APPLICATION_ID, PAGE_BYTES, STEPS
from batchveo.store.migrations import list_migrations
from tests.helpers.factories import make_spec


@pytest.fixture(autouse=True)
def _ready_schema() -> None:
    """Here the program makes each database itself."""


def schema_of(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as db:
        return {row[0] for row in db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}


def test_a_fresh_state_has_every_table_and_view(tmp_path: Path) -> None:
    """Readable with any SQLite tool."""
    path = tmp_path / "b.db"
    Store(path).close()
    with closing(sqlite3.connect(path)) as db:
        names = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
        assert {"jobs", "attempts", "events", "runs", "inputs"} <= names
        for view in ("videos", "unfinished", "failures", "spending", "history"):
            assert db.execute(f"SELECT * FROM {view}").fetchall() == []
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_states_in_the_schema_are_the_states_of_the_program(tmp_path: Path) -> None:
    """No state can be forgotten in the table's own check."""
    path = tmp_path / "b.db"
    Store(path).close()
    jobs = next(sql for sql in schema_of(path) if "CREATE TABLE jobs" in sql)
    assert all(f"'{state}'" in jobs for state in JobState)


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    """Migrations run once."""
    path = tmp_path / "b.db"
    Store(path).close()
    before = schema_of(path)
    Store(path).close()
    assert schema_of(path) == before


def test_a_newer_state_is_refused_untouched(tmp_path: Path) -> None:
    """Its meaning is unknown here."""
    path = tmp_path / "b.db"
    Store(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, 'from_the_future', '')",
            [list_migrations().name],
        )
    before = path.read_bytes()
    for writing in (True, False):
        with pytest.raises(StateUnusable, match=r"newer batchveo.*from_the_future"):
            Store(path, writing=writing)
    assert path.read_bytes() == before


@pytest.mark.parametrize("writing", [True, False])
def test_not_a_database(tmp_path: Path, writing: bool) -> None:
    """A text file is left alone."""
    path = tmp_path / "b.db"
    path.write_bytes(b"hello, this is a text file, not a database" * 100)
    with pytest.raises(StateUnusable, match="not a batchveo state"):
        Store(path, writing=writing)
    assert path.read_bytes().startswith(b"hello")


@pytest.mark.parametrize("writing", [True, False])
def test_another_programs_database(tmp_path: Path, writing: bool) -> None:
    """So is a database of something else."""
    path = tmp_path / "b.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE bookmarks (url)")
    with pytest.raises(StateUnusable, match="another program"):
        Store(path, writing=writing)
    assert schema_of(path) == {"CREATE TABLE bookmarks (url)"}


def test_no_state_to_read(tmp_path: Path) -> None:
    """Reading makes no file."""
    with pytest.raises(StateUnusable, match="no database at"):
        Store(tmp_path / "b.db", writing=False)
    assert not list(tmp_path.iterdir())


def test_the_steps_are_the_migrations() -> None:
    """Told twice, since most commands need only their names."""
    with closing(sqlite3.connect(":memory:")) as db:
        assert [migration.name for migration in list_migrations().pending(Database(db))] == list(STEPS)


def test_pages_are_large_in_a_new_state_and_stay_in_an_old_one(tmp_path: Path) -> None:
    """Whatever size it has."""
    for path, had in ((tmp_path / "new.db", PAGE_BYTES), (tmp_path / "old.db", 4096)):
        if had == 4096:
            with closing(sqlite3.connect(path)) as db:
                db.execute("PRAGMA page_size = 4096")
                db.execute("VACUUM")
        Store(path).close()
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA page_size").fetchone() == (had,)


def test_a_database_is_made_and_opened_without_pandas(tmp_path: Path) -> None:
    """sqlite-utils imports it where it is installed, which takes 0.3 s and 80 MB: it is for older databases."""
    for name in ("pandas", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported for nothing')")
    path = tmp_path / "b.db"
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from batchveo.store import Store
Store({str(path)!r}).close()
Store({str(path)!r}, writing=False).close()
Store({str(path)!r}).close()
print("sqlite_utils" in sys.modules)
import sqlite_utils
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False"
    assert "imported for nothing" in done.stderr  # else this test would find nothing


def test_a_write_of_another_process_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that makes the state and hangs holds it, too."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.0)
    path = tmp_path / "b.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StateLocked, match="another process is writing"):
            Store(path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A clear error, not a traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StateUnusable):
        Store(tmp_path / "file" / "b.db")


def test_a_death_while_the_schema_is_made_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what looks like another program's file: the next run makes it."""

    def die(_: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "b.db"
    with monkeypatch.context() as patched:
        patched.setattr(migrations, "_STEPS", (migrations.first_schema, die))
        with pytest.raises(KeyboardInterrupt):
            Store(path)
    assert schema_of(path) == set()
    with Store(path) as store:
        assert store.counts().total == 0


@pytest.mark.parametrize("made", STEPS)
def test_what_sqlite_utils_makes_is_the_same(made: str, tmp_path: Path) -> None:
    """From any step on, such as one at which an earlier version died: it made a new database in several steps."""
    new, old = tmp_path / "new.db", tmp_path / "old.db"
    with closing(sqlite3.connect(old)) as db:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        list_migrations().apply(Database(db), stop_before=made)
    described = []
    for path in (new, old):
        Store(path).close()
        with closing(sqlite3.connect(path)) as db:
            made_by_now = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid").fetchall()
            steps = db.execute("SELECT id, migration_set, name FROM _sqlite_migrations").fetchall()
            assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        described.append((made_by_now, steps))
    assert described[0] == described[1]


@pytest.mark.skipif(not hasattr(os, "statvfs"), reason="there is no statvfs")
def test_a_state_on_a_read_only_file_system_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made beside it; what a run has not brought into the file yet is not missed."""
    folder = tmp_path / "an odd? #folder%"
    path = folder / "b.db"
    with Store(path) as store:
        store.imports.add_jobs(
            [make_spec("dragon")], run=store.runs.begin_run(command="run", service="x", now=1.0), now=1.0
        )
        monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
        with Store(path, writing=False) as reader:
            assert [job.name for job in reader.jobs()] == ["dragon"]
    for beside in folder.glob("b.db-*"):
        beside.unlink()
    with Store(path, writing=False) as reader:
        assert [job.name for job in reader.jobs()] == ["dragon"]
        assert [file.name for file in folder.glob("b.db-*")] == []


def test_a_log_that_another_connection_removes_at_this_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last connection that closes removes the ``-wal`` file, between any two looks at it."""
    path = tmp_path / "b.db"
    Store(path).close()
    log = Path(f"{path}-wal")
    log.touch()
    look = os.stat

    def look_and_remove(file: os.PathLike[str] | str, **options: object) -> os.stat_result:
        found = look(file, **options)  # type: ignore[arg-type]
        if os.fspath(file) == str(log):
            log.unlink()
        return found

    monkeypatch.setattr(os, "stat", look_and_remove)
    Store(path, writing=False).close()
    assert not log.exists()
