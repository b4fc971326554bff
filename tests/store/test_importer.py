"""Jobs that manifests name are added, and only if all of them are good."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from batchveo.core.errors import DiskTrouble, ManifestError, UsageError
from batchveo.core.gates import CheckPolicy
from batchveo.core.job_row import JobRow
from batchveo.core.models import CatalogInfo, InputFile, JobSpec, JobState
from batchveo.manifest import Manifests
from batchveo.store import Added, StagingTable, Store
from tests.helpers.factories import make_spec
from tests.store.judged_jobs import ACCEPTED, POLICY, finish, make_policed, reject
from tests.store.steps import begun, claimed, names_claimed

S = JobState


def add(
    store: Store,
    *specs: JobSpec,
    now: float = 1.0,
    catalog: CatalogInfo | None = None,
    unknown: Sequence[str] = (),
) -> Added:
    run = store.runs.begin_run(command="run", service="s", now=now)
    with StagingTable() as scratch:
        scratch.add_rows(map(JobRow.from_spec, specs))
        return store.imports.add_jobs(scratch, run=run, now=now, catalog=catalog, unknown=unknown)


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
            catalog = CatalogInfo(digest=f"{number}")
            added = other.imports.add_jobs(night, run=run, now=number, catalog=catalog)
            assert add(store, *night, now=number, catalog=catalog) == added
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
    assert store.imports.find_input_file(item.sha256) == ("image/png", b"png")
    other = InputFile(sha256="0" * 64, media_type="image/png", path=str(path))
    with pytest.raises(UsageError, match="changed while"):
        add(store, make_spec("c"), make_spec("d", inputs=(item, other)))
    assert store.counts().total == 2


def test_a_row_holds_the_whole_record() -> None:
    """What goes into a row comes out of it."""
    item = InputFile(sha256="0" * 64, media_type="image/png", path="/é.png")
    spec = make_spec("é", meta={"b": [1, None], "a": "ß"}, inputs=(item,), index=3, line=None, unchecked=("seed",))
    assert JobRow.from_spec(spec).to_spec() == spec


AUGUST = CatalogInfo(digest="a" * 12, made="2026-08-31", source="batchveo 1")
AUTUMN = CatalogInfo(digest="b" * 12, made="2026-11-01", source="/autumn.json")


def test_a_job_keeps_the_catalogue_that_it_was_added_with(store: Store) -> None:
    """Named again under another catalogue it is as before; one of a model that is in none of them has none."""
    add(store, make_spec("a"), make_spec("A"), make_spec("x", model="acme/x"), catalog=AUGUST, unknown=["acme/x"])
    add(store, *map(make_spec, ("a", "A", "b")), make_spec("y", model="acme/x"), catalog=AUTUMN, now=2.0)
    add(store, make_spec("c"), now=3.0)
    add(store, make_spec("d"), catalog=AUGUST, now=4.0)
    found = {job.name: job.catalog for job in store.jobs()}
    a, b = AUGUST.digest, AUTUMN.digest
    assert found == {"a": a, "A": a, "x": None, "b": b, "y": b, "c": None, "d": a}
    assert store.queries.list_catalogs() == [AUGUST, AUTUMN]


def test_a_job_keeps_its_unchecked_fields(store: Store) -> None:
    """Through all its moves; those of nearly all jobs are none."""
    add(store, make_spec("a", unchecked=("duration", "keyframes")), make_spec("b"))
    assert [job.unchecked for job in store.jobs()] == [("duration", "keyframes"), ()]
    assert claimed(store, 1).unchecked == ("duration", "keyframes")


def test_problems_at_the_end_leave_no_state(tmp_path: Path) -> None:
    """What was taken before them is thrown away."""
    manifest = tmp_path / "m.csv"
    manifest.write_text("model,prompt\n" + "veo2,A cat\n" * 5 + "veo2,\n")
    with (
        Manifests([manifest]) as reading,
        StagingTable() as scratch,
        pytest.raises(ManifestError, match=r"m\.csv:7"),
    ):
        reading.read(scratch.add_rows)
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


def test_no_room_is_a_clear_error() -> None:
    """It names the variable that names another folder."""
    with StagingTable() as scratch:
        scratch._db.execute("PRAGMA temp.max_page_count = 20")
        with pytest.raises(DiskTrouble, match="TMPDIR"):
            scratch.add_rows(JobRow.from_spec(make_spec(f"job {number}")) for number in range(5000))


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
        scratch.add_rows(taking())


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
        scratch.add_rows(())


def test_after_an_error_the_state_is_let_go_and_nothing_is_lost(store: Store) -> None:
    """The move is whole or none; a second one finds everything as it was."""
    first, second = (store.runs.begin_run(command="run", service="s", now=now) for now in (1.0, 2.0))
    with StagingTable() as scratch:
        scratch.add_rows([JobRow.from_spec(make_spec("a")), JobRow.from_spec(make_spec("b"))])
        with pytest.raises(sqlite3.IntegrityError):
            store.imports.add_jobs(scratch, run=99, now=1.0)
        assert store.imports.add_jobs([make_spec("a")], run=first, now=1.0).new == 1
        assert store.imports.add_jobs(scratch, run=second, now=2.0).new == 1
    assert store.counts(run=second).total == 2


def test_expanding_twice_adds_nothing(store: Store, run: int) -> None:
    """The same manifest again names the same jobs."""
    specs = [make_spec("a"), make_spec("b")]
    first = store.imports.add_jobs(specs, run=run, now=1.0)
    again = store.imports.add_jobs(specs, run=run, now=2.0)
    assert (first.new, first.known, again.new, again.known) == (2, 0, 0, 2)
    assert [job.name for job in store.jobs()] == ["a", "b"]


def test_an_edited_manifest_adds_what_is_new_and_says_what_is_gone(store: Store, run: int) -> None:
    """What it no longer names stays as it is, counted by state."""
    store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
    edited = store.imports.add_jobs([make_spec("b"), make_spec("c")], run=run, now=2.0)
    assert (edited.new, dict(edited.no_longer_named)) == (1, {S.PENDING: 1})


def test_jobs_of_another_manifest_are_not_gone(store: Store, run: int) -> None:
    """Only the manifests given now are compared."""
    store.imports.add_jobs([make_spec("a", manifest="other.yaml")], run=run, now=1.0)
    assert not store.imports.add_jobs([make_spec("b")], run=run, now=2.0).no_longer_named


def test_what_a_run_does_not_name_it_does_not_submit(store: Store, run: int) -> None:
    """A pending job of an earlier manifest waits for `resume` or its own manifest."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    later = store.runs.begin_run(command="run", service="s", now=2.0)
    store.imports.add_jobs([make_spec("b", manifest="other.yaml")], run=later, now=2.0)
    assert claimed(store, later).name == "b"
    assert store.transitions.claim_job(run=later, now=9.0) is None
    store.runs.take_on_all(later)
    assert claimed(store, later).name == "a"


def test_a_failing_expansion_adds_nothing(store: Store, run: int) -> None:
    """All or nothing."""

    def specs() -> Iterator[JobSpec]:
        yield make_spec("a")
        raise RuntimeError("half-way")

    with pytest.raises(RuntimeError):
        store.imports.add_jobs(specs(), run=run, now=1.0)
    assert store.counts().total == 0


def test_namesakes_get_files_of_their_own(store: Store, run: int) -> None:
    """Where the names differ in case, the output folder decides whether they are one."""
    specs = [make_spec("Cat", stem="Cat"), make_spec("cat", stem="cat"), make_spec("c:t", stem="cat")]
    store.imports.add_jobs(specs, run=run, now=1.0)
    stems = [job.stem for job in store.jobs()]
    assert stems[:2] == ["Cat", "cat"]
    assert stems[2].startswith("cat~")
    assert [job.name for job in store.jobs()] == ["Cat", "cat", "c:t"]


def test_a_job_not_submitted_yet_can_be_renamed_and_any_relabelled(store: Store, run: int) -> None:
    """The name and the meta of a manifest may change; the job stays the same one."""
    store.imports.add_jobs([make_spec("a", id="i1"), make_spec("b", id="i2")], run=run, now=1.0)
    claimed(store, run)
    edit = [make_spec("new a", id="i1", meta={"k": 1}), make_spec("new b", id="i2", meta={"k": 2})]
    added = store.imports.add_jobs(edit, run=run, now=2.0)
    assert (added.new, added.renamed) == (0, 1)
    assert [(job.name, job.meta) for job in store.jobs()] == [("a", {"k": 1}), ("new b", {"k": 2})]


def test_input_files_are_kept_once(store: Store, run: int, tmp_path: Path) -> None:
    """By their content, so that a later change of the file changes nothing."""
    path = tmp_path / "x.png"
    path.write_bytes(b"png")
    item = InputFile(sha256=hashlib.sha256(b"png").hexdigest(), media_type="image/png", path=str(path))
    store.imports.add_jobs([make_spec("a", inputs=(item,)), make_spec("b", inputs=(item,))], run=run, now=1.0)
    path.unlink()
    assert store.imports.find_input_file(item.sha256) == ("image/png", b"png")


def test_an_input_file_that_changed_is_an_error(store: Store, run: int, tmp_path: Path) -> None:
    """What was validated is what is kept, or nothing is."""
    path = tmp_path / "x.png"
    path.write_bytes(b"other")
    item = InputFile(sha256="0" * 64, media_type="image/png", path=str(path))
    with pytest.raises(UsageError, match="changed while"):
        store.imports.add_jobs([make_spec("a", inputs=(item,))], run=run, now=1.0)
    assert store.counts().total == 0


def take(store: Store, *names: str, partial: bool) -> tuple[int, Added]:
    run = store.runs.begin_run(command="run", service="https://s.example", now=1.0)
    with StagingTable() as scratch:
        scratch.add_rows(JobRow.from_spec(make_spec(name)) for name in names)
        scratch.is_partial = partial
        return run, store.imports.add_jobs(scratch, run=run, now=1.0)


def test_others_are_not_said_to_be_gone(store: Store) -> None:
    """They are named by the manifest, only not chosen."""
    take(store, "a", "b", "c", partial=False)
    assert not take(store, "b", partial=True)[1].no_longer_named
    assert dict(take(store, "b", partial=False)[1].no_longer_named) == {JobState.PENDING: 2}


def test_others_are_not_submitted(store: Store) -> None:
    """Though they wait in the database."""
    take(store, "a", "b", "c", partial=False)
    run, _ = take(store, "b", partial=True)
    job = store.transitions.claim_job(run=run, now=2.0)
    assert job is not None
    assert job.name == "b"
    assert store.transitions.claim_job(run=run, now=3.0) is None


def test_others_under_way_are_this_runs_business(store: Store) -> None:
    """What is paid for is fetched, whatever was chosen; that of other manifests is left alone."""
    first, _ = take(store, "a", "b", partial=False)
    store.imports.add_jobs([make_spec("z", manifest="other.yaml")], run=first, now=1.0)
    claimed = [store.transitions.claim_job(run=first, now=2.0) for _ in range(3)]
    assert [job.name for job in claimed if job] == ["a", "b", "z"]
    run, _ = take(store, "c", partial=True)
    of_run = store.connection.db.execute("SELECT name FROM jobs WHERE run = ? ORDER BY name", (run,)).fetchall()
    assert [row["name"] for row in of_run] == ["a", "b", "c"]


def test_a_changed_priority_reaches_jobs_and_their_takes(store: Store, run: int) -> None:
    """The next run with the manifest claims by it; the state stays, and a job is not another one by it."""
    add(store, make_spec("a"), make_spec("b"), make_spec("c", priority=1))
    added = add(store, make_spec("a"), make_spec("b", priority=5), make_spec("c", priority=-1))
    assert (added.new, added.by_state) == (0, {S.PENDING: 3})
    latest = store.runs.begin_run(command="resume", service="s", now=3.0)
    store.runs.take_on_all(latest)
    assert [(job.name, job.priority) for job in (claimed(store, latest) for _ in range(3))] == [
        ("b", 5),
        ("a", 0),
        ("c", -1),
    ]


def test_another_template_moves_pending_files_alone(store: Store, run: int) -> None:
    """What was submitted keeps its place; who has to share one gets a name of its own, and keeps it."""
    first = [make_spec(name, id=name * 20, stem=f"old/{name}") for name in "abc"]
    store.imports.add_jobs(first, run=run, now=1.0)
    claimed(store, run)
    second = [make_spec(name, id=name * 20, stem=stem) for name, stem in (("a", "new/a"), ("b", "x/y"), ("c", "x/y"))]
    for renamed in (2, 0):
        added = store.imports.add_jobs(second, run=run, now=2.0)
        assert (added.new, added.renamed) == (0, renamed)
        assert [job.stem for job in store.jobs()] == ["old/a", "x/y", "x/y~cccccccc"]


def test_new_jobs_of_one_path_are_told_apart(store: Store, run: int) -> None:
    """By the name, not by the folders."""
    store.imports.add_jobs([make_spec("a", stem="x/y"), make_spec("b", stem="x/y", id="f" * 20)], run=run, now=1.0)
    assert [job.stem for job in store.jobs()] == ["x/y", "x/y~ffffffff"]


# -- manifests


@pytest.mark.parametrize("scratch", [True, False])
def test_a_manifest_may_change_the_policy_of_a_job_and_of_its_takes(store: Store, *, scratch: bool) -> None:
    run = begun(store, make_policed("a"), make_policed("b"), scratch=scratch)
    first = finish(store, run, generation="g")
    reject(store, first, run)
    other = finish(store, run, generation="h", sha256="01")
    store.verdicts.record_verdict(other, ACCEPTED, run=run, now=20.0)
    begun(store, make_policed("a"), make_policed("b"), scratch=scratch)
    assert [job.verdict for job in store.jobs()] == ["rejected", "accepted", None]
    changed = CheckPolicy(gates=("black_seconds < 9",)).to_json()
    begun(store, make_policed("a", policy=changed, meta={"x": 1}), make_policed("b"), scratch=scratch)
    jobs = list(store.jobs())
    assert [(job.name, job.policy, job.verdict) for job in jobs] == [
        ("a", changed, None),
        ("b", POLICY, "accepted"),
        ("a-take2", changed, None),
    ]
    assert jobs[2].meta == {"x": 1}
    begun(store, make_policed("a", policy=None), scratch=scratch)
    assert [job.policy for job in store.jobs()] == [None, POLICY, None]


@pytest.mark.parametrize("scratch", [True, False])
def test_the_run_that_names_a_job_takes_on_its_other_takes(store: Store, *, scratch: bool) -> None:
    run = begun(store, make_policed("a"), make_policed("b"), scratch=scratch)
    first = finish(store, run, generation="g")
    reject(store, first, run)
    later = begun(store, make_policed("a"), scratch=scratch)
    assert names_claimed(store, later) == ["a-take2"]
    assert names_claimed(store, run) == ["b"]


def test_takes_are_not_said_to_be_named_no_longer(store: Store) -> None:
    run = begun(store, make_policed("a"))
    reject(store, finish(store, run, generation="g"), run)
    run = store.runs.begin_run(command="run", service="s", now=1.0)
    added = store.imports.add_jobs([make_policed("a")], run=run, now=2.0)
    assert (added.new, dict(added.no_longer_named)) == (0, {})
