"""A database that a run has open is copied as docs/guides/resume-and-move.md says."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.store import Store
from tests.helpers.factories import make_spec

TEXT = (Path(__file__).parents[2] / "docs/guides/resume-and-move.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("## Copy the database")[2].partition("\n## ")[0]
JOBS = 50


@pytest.fixture
def _live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A database in ``state/`` whose last jobs stand in its log alone."""
    monkeypatch.chdir(tmp_path)
    Path("state").mkdir()
    with Store(Path("state/batchveo.db")) as store:
        store.runs.begin_run(command="run", service="https://s.example", now=1.0)
        store.imports.add_jobs([make_spec(f"job {number}") for number in range(JOBS)], run=1, now=1.0)
        yield


def jobs_in(path: str) -> int:
    with Store(Path(path), writing=False) as store:
        return store.counts().total


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)
    return str(found)


@pytest.mark.usefixtures("_live")
def test_by_python() -> None:
    """The block as it stands there."""
    exec(compile(block("python"), "docs/guides/resume-and-move.md", "exec"), {})
    assert jobs_in("copy.db") == JOBS


@pytest.mark.usefixtures("_live")
def test_by_sql() -> None:
    """What the shell would do, by the same statement."""
    statement = block("console").partition('"')[2].rpartition('"')[0]
    connection = sqlite3.connect("state/batchveo.db")
    connection.execute(statement)
    connection.close()
    assert jobs_in("copy.db") == JOBS


@pytest.mark.usefixtures("_live")
@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="there is no sqlite3 here")
def test_by_the_shell() -> None:
    """Both ways that need SQLite's own program."""
    backup = re.findall(r"`(sqlite3 [^`]*)`", SECTION)
    for command in (block("console").removeprefix("$ "), *backup):
        Path("copy.db").unlink(missing_ok=True)
        subprocess.run(command, shell=True, check=True)
        assert jobs_in("copy.db") == JOBS


@pytest.mark.usefixtures("_live")
def test_the_file_alone_is_not_all_of_it() -> None:
    """Which is why it is said; with its log it is."""
    shutil.copy("state/batchveo.db", "torn.db")
    try:
        torn = jobs_in("torn.db")
    except Exception:  # noqa: BLE001 - it may be no database at all
        torn = 0
    assert torn < JOBS
    shutil.copy("state/batchveo.db", "copy.db")
    shutil.copy("state/batchveo.db-wal", "copy.db-wal")
    assert jobs_in("copy.db") == JOBS
