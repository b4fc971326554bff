"""The scratch: everything named is good before the state hears of any of it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.core.errors import DiskTrouble, ManifestError, UsageError
from batchveo.core.job_row import JobRow
from batchveo.core.models import InputFile, JobSpec, JobState
from batchveo.manifest import Manifests
from batchveo.store import Added, StagingTable, Store
from tests.helpers.factories import make_spec


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        yield store


def add(store: Store, *specs: JobSpec, now: float = 1.0) -> Added:
    run = store.runs.begin_run(command="run", service="s", now=now)
    with StagingTable() as scratch:
        scratch.take(map(JobRow.from_spec, specs))
        return store.imports.add_jobs(scratch, run=run, now=now)


def test_a_scratch_does_what_a_list_does(store: Store, tmp_path: Path) -> None:
    """New, known, renamed, relabelled, namesakes, no longer named: row for row the same."""
    nights = [
        [make_spec("a", id="1" * 20), make_spec("b", id="2" * 20), make_spec("B", id="3" * 20)],
        [make_spec("new a", id="1" * 20, meta={"k": "é"}), make_spec("c"), make_spec("C"), make_spec("d")],
        [make_spec("d"), make_spec("c", meta={"z": 1, "a": 2}), make_spec("B", id="3" * 20), make_spec("e")],
    ]
    with Store(tmp_path / "list.db") as other:
        for number, night in enumerate(nights):
            run = other.runs.begin_run(command="run", service="s", now=number)
            assert add(store, *night, now=number) == other.imports.add_jobs(night, run=run, now=number)
            assert list(store.jobs()) == list(other.jobs())
    assert [row[0] for row in store.connection.db.execute("PRAGMA integrity_check")] == ["ok"]  # every CHECK holds


def test_the_same_again_changes_nothing_but_the_run(store: Store) -> None:
    """Every job is known, and becomes the business of the run that names it."""
    specs = [make_spec(f"job {number}") for number in range(50)]
    assert add(store, *specs).new == 50
    before = list(store.jobs())
    again = add(store, *specs, now=2.0)
    assert (again.named, again.new, again.renamed, again.by_state) == (50, 0, 0, {JobState.PENDING: 50})
    assert list(store.jobs()) == before
    assert store.counts(run=2).total == 50


def test_input_files_move_in_too(store: Store, tmp_path: Path) -> None:
    """Their content as it was validated; a changed one is an error, and nothing is added."""
    path = tmp_path / "x.png"
    path.write_bytes(b"png")
    item = InputFile(sha256=hashlib.sha256(b"png").hexdigest(), media_type="image/png", path=str(path))
    add(store, make_spec("a", inputs=(item,)), make_spec("b", inputs=(item,)))
    assert store.imports.read_input_file(item.sha256) == ("image/png", b"png")
    other = InputFile(sha256="0" * 64, media_type="image/png", path=str(path))
    with pytest.raises(UsageError, match="changed while"):
        add(store, make_spec("c"), make_spec("d", inputs=(item, other)))
    assert store.counts().total == 2


def test_a_row_holds_the_whole_record() -> None:
    """What goes into a row comes out of it."""
    item = InputFile(sha256="0" * 64, media_type="image/png", path="/é.png")
    spec = make_spec("é", meta={"b": [1, None], "a": "ß"}, inputs=(item,), index=3, line=None)
    assert JobRow.from_spec(spec).to_spec() == spec


def test_problems_at_the_end_leave_no_state(tmp_path: Path) -> None:
    """What was taken before them is thrown away."""
    manifest = tmp_path / "m.csv"
    manifest.write_text("model,prompt\n" + "veo2,A cat\n" * 5 + "veo2,\n")
    with (
        Manifests([manifest]) as reading,
        StagingTable() as scratch,
        pytest.raises(ManifestError, match=r"m\.csv:7"),
    ):
        reading.read(scratch.take)
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


def test_no_room_is_a_clear_error() -> None:
    """It names the variable that names another folder."""
    with StagingTable() as scratch:
        scratch._db.execute("PRAGMA temp.max_page_count = 20")
        with pytest.raises(DiskTrouble, match="TMPDIR"):
            scratch.take(JobRow.from_spec(make_spec(f"job {number}")) for number in range(5000))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs Linux's list of open files")
def test_a_large_scratch_is_a_file_that_is_deleted_already() -> None:
    """Nothing stays behind, whatever dies, and nobody else can open it."""

    def taking() -> Iterator[JobRow]:
        for number in range(20_000):
            yield JobRow.from_spec(make_spec(f"job {number}", request={"prompt": "x" * 500}))
        links = [link for link in map(_link, Path("/proc/self/fd").iterdir()) if "etilqs" in link]
        assert links
        assert all(link.endswith("(deleted)") for link in links)

    with StagingTable() as scratch:
        scratch.take(taking())


def _link(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""


def test_a_scratch_can_be_closed_twice(store: Store) -> None:
    """The run closes it early; its owner closes it at the end."""
    with StagingTable() as scratch:
        scratch.close()
    with pytest.raises(sqlite3.ProgrammingError):
        scratch.take(())


def test_after_an_error_the_state_is_let_go_and_nothing_is_lost(store: Store) -> None:
    """The move is whole or none; a second one finds everything as it was."""
    first, second = (store.runs.begin_run(command="run", service="s", now=now) for now in (1.0, 2.0))
    with StagingTable() as scratch:
        scratch.take([JobRow.from_spec(make_spec("a")), JobRow.from_spec(make_spec("b"))])
        with pytest.raises(sqlite3.IntegrityError):
            store.imports.add_jobs(scratch, run=99, now=1.0)
        assert store.imports.add_jobs([make_spec("a")], run=first, now=1.0).new == 1
        assert store.imports.add_jobs(scratch, run=second, now=2.0).new == 1
    assert store.counts(run=second).total == 2
