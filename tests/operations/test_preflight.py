"""Databases beside a manifest: which of them know its jobs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from batchveo.core.job_row import JobRow
from batchveo.operations.preflight import LEVELS, OtherDatabase, find_other_database
from batchveo.provider.service import SANDBOX
from batchveo.store import StagingTable, Store
from batchveo.store.database import APPLICATION_ID
from batchveo.store.migrations import list_migrations
from tests.helpers.virtual_run import specs

NOW = 1_800_000_000.0


@pytest.fixture
def named() -> Iterator[StagingTable]:
    """Three jobs that a manifest names."""
    with StagingTable() as scratch:
        scratch.add_rows(map(JobRow.from_spec, specs(3)))
        yield scratch


def database(path: Path, jobs: int = 3, *, service: str = "https://x.example", skip: int = 0) -> Path:
    """A database that knows so many of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Store(path) as store:
        store.runs.begin_run(command="run", service=service, now=NOW)
        store.imports.add_jobs(specs(jobs + skip)[skip:], run=1, now=NOW)
    return path


def found(named: StagingTable, manifest: Path, state: Path, *, sandbox: bool = False) -> OtherDatabase | None:
    return find_other_database([manifest], state, named, sandbox=sandbox)


@pytest.mark.parametrize(
    "where", ["m/state/batchveo.db", "m/night.db", "m/a.sqlite", "night.db", "state/x.db", "../state/x.db"]
)
def test_beside_the_manifest_or_above_it(tmp_path: Path, named: StagingTable, where: str) -> None:
    """In its folder, in ``state`` beside it, or some levels up."""
    home = tmp_path / "a" / "b" / "home"
    path = database(Path(home / where).resolve())
    nearest = found(named, home / "m" / "m.yaml", home / "elsewhere" / "state" / "batchveo.db")
    assert nearest is not None
    assert (nearest.other.path, nearest.other.known, nearest.is_new) == (path, 3, True)


def test_not_too_far_away(tmp_path: Path, named: StagingTable) -> None:
    """The rest of the disk is not searched."""
    database(tmp_path / "far.db")
    manifest = tmp_path.joinpath(*"abcdefgh"[: LEVELS + 1]) / "m.yaml"
    assert found(named, manifest, tmp_path / "x" / "new.db") is None


def test_through_a_link(tmp_path: Path, named: StagingTable) -> None:
    """A manifest that is linked from elsewhere is looked for where it is, too."""
    database(tmp_path / "a/b/c/d/project/batchveo.db")
    real = tmp_path / "a/b/c/d/project/m.yaml"
    real.touch()
    link = tmp_path / "z/y/x/w/m.yaml"
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    assert found(named, link, tmp_path / "new.db") is not None


def test_standard_input_comes_from_here(tmp_path: Path, named: StagingTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe has no folder."""
    database(tmp_path / "p" / "state" / "old.db")
    monkeypatch.chdir(tmp_path / "p")
    assert find_other_database(["-"], Path("state/new.db"), named, sandbox=False) is not None


def test_the_state_itself_is_no_neighbour(tmp_path: Path, named: StagingTable) -> None:
    """Not under another name either."""
    state = database(tmp_path / "state" / "batchveo.db", jobs=1, skip=9)
    (tmp_path / "link.db").symlink_to(state)
    assert found(named, tmp_path / "m.yaml", state) is None


@pytest.mark.parametrize(("jobs", "skip", "stops"), [(1, 2, False), (2, 9, True)])
def test_a_state_that_knows_some_of_them_is_the_one(
    tmp_path: Path, named: StagingTable, jobs: int, skip: int, stops: bool
) -> None:
    """One that knows none is as good as new."""
    database(tmp_path / "other.db")
    state = database(tmp_path / "state" / "batchveo.db", jobs=jobs, skip=skip)
    assert (found(named, tmp_path / "m.yaml", state) is not None) is stops


def test_an_empty_file_is_no_database(tmp_path: Path, named: StagingTable) -> None:
    """Somebody's ``touch``, or a disk that was full."""
    database(tmp_path / "other.db")
    (tmp_path / "new.db").touch()
    nearest = found(named, tmp_path / "m.yaml", tmp_path / "new.db")
    assert nearest is not None
    assert nearest.is_new


def test_play_and_earnest_do_not_know_each_other(tmp_path: Path, named: StagingTable) -> None:
    """Neither way round."""
    play, real = database(tmp_path / "p.db", service=SANDBOX), database(tmp_path / "r.db")
    for sandbox, path in ((True, play), (False, real)):
        nearest = found(named, tmp_path / "m.yaml", tmp_path / "new.db", sandbox=sandbox)
        assert nearest is not None
        assert nearest.other.path == path


def test_what_is_no_database_of_ours_is_passed_over(tmp_path: Path, named: StagingTable) -> None:
    """Nor is anything changed in it."""
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        db.execute("CREATE TABLE jobs (id, state)")
    (tmp_path / "b.db").write_bytes(b"SQLite format 3\0, or so it says")
    (tmp_path / "c.db").mkdir()
    (tmp_path / "d.db").symlink_to("nowhere")
    before = {path: path.read_bytes() for path in (tmp_path / "a.db", tmp_path / "b.db")}
    assert found(named, tmp_path / "m.yaml", tmp_path / "new.db") is None
    assert {path: path.read_bytes() for path in before} == before


def test_one_of_an_earlier_version_is_left_as_it_is(tmp_path: Path, named: StagingTable) -> None:
    """A look brings no schema up to date."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        list_migrations().apply(Database(db), stop_before="totals")
        with db:
            db.execute("INSERT INTO runs VALUES (1, 'run', 's', '0', 'h', 1, 1.0, 2.0, 0, NULL)")
            db.execute(
                """INSERT INTO jobs (id, name, stem, fold, state, model, request, run, created_at)
                   VALUES (?, 'a', 'a', 'a', 'pending', 'm', '{}', 1, 1)""",
                (specs(1)[0].id,),
            )
    before = path.read_bytes()
    nearest = found(named, tmp_path / "m.yaml", tmp_path / "new.db")
    assert nearest is not None
    assert (nearest.other.known, nearest.other.named) == (1, 3)
    assert path.read_bytes() == before


def test_one_with_a_run_going_on_is_read(tmp_path: Path, named: StagingTable) -> None:
    """Its write-ahead log too."""
    path = database(tmp_path / "running.db", jobs=1)
    with Store(path) as store:
        store.runs.acquire_lock()
        store.imports.add_jobs(specs(3), run=1, now=NOW)
        nearest = found(named, tmp_path / "m.yaml", tmp_path / "new.db")
    assert nearest is not None
    assert nearest.other.known == 3


def test_the_words_can_be_pasted(tmp_path: Path, named: StagingTable) -> None:
    """Blanks in a path are quoted."""
    path = database(tmp_path / "my night" / "a.db")
    nearest = found(named, tmp_path / "my night" / "m.yaml", tmp_path / "new.db")
    assert nearest is not None
    assert f"--state '{path}'" in nearest.advice
    assert f"{path} knows 3 of the 3 jobs (3 pending)" in nearest.finding
