"""The state: expanding, claiming, moving, looking."""

from __future__ import annotations

import hashlib
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from batchveo.core.errors import StateLocked, UsageError
from batchveo.core.models import InputFile, Job, JobSpec, JobState
from batchveo.core.outcomes import Accepted, Completed, Downloaded, Outcome, Refused, SubmitUncertain
from batchveo.core.state_machine import Move, next_state
from batchveo.store import GenerationTaken, MoveLost, Store
from tests.helpers.factories import make_spec

S = JobState


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state" / "b.db") as store:
        yield store


@pytest.fixture
def run(store: Store) -> int:
    return store.runs.begin_run(command="run", service="https://s.example", now=1.0)


def move(store: Store, job: Job, outcome: Outcome, now: float = 10.0) -> Job:
    step = next_state(job, outcome, now=now, jitter=0.0)
    assert step is not None
    return store.transitions.apply_move(job, step, run=1, now=now)


def claimed(store: Store, run: int, now: float = 5.0) -> Job:
    job = store.transitions.claim_job(run=run, now=now)
    assert job is not None
    return job


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
    assert store.imports.read_input_file(item.sha256) == ("image/png", b"png")


def test_an_input_file_that_changed_is_an_error(store: Store, run: int, tmp_path: Path) -> None:
    """What was validated is what is kept, or nothing is."""
    path = tmp_path / "x.png"
    path.write_bytes(b"other")
    item = InputFile(sha256="0" * 64, media_type="image/png", path=str(path))
    with pytest.raises(UsageError, match="changed while"):
        store.imports.add_jobs([make_spec("a", inputs=(item,))], run=run, now=1.0)
    assert store.counts().total == 0


def test_claims_come_in_manifest_order_with_fresh_request_ids(store: Store, run: int) -> None:
    """The intent and its client request id are committed together."""
    store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
    first, second = claimed(store, run), claimed(store, run)
    assert (first.name, second.name) == ("a", "b")
    assert first.state is S.SUBMITTING
    assert first.client_request_id != second.client_request_id
    assert store.transitions.claim_job(run=run, now=5.0) is None


def test_a_client_request_id_is_one_the_service_keeps(store: Store, run: int) -> None:
    """1 to 128 characters of A-Z a-z 0-9 . _ : - , or it is dropped silently."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    request = claimed(store, run).client_request_id or ""
    assert 0 < len(request) <= 128
    assert set(request) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-")


def test_a_later_attempt_has_a_later_request_id(store: Store, run: int) -> None:
    """Every POST has a row and an id of its own."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    first = claimed(store, run)
    store.transitions.apply_move(first, Move(to=S.PENDING), run=run, now=6.0)
    second = claimed(store, run)
    assert (first.attempts, second.attempts) == (1, 2)
    assert first.client_request_id != second.client_request_id


def test_not_before_is_kept(store: Store, run: int) -> None:
    """A job that waits is passed over, and the time is known."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    store.transitions.apply_move(claimed(store, run), Move(to=S.PENDING, set={"not_before": 50.0}), run=run, now=6.0)
    assert store.transitions.claim_job(run=run, now=49.0) is None
    assert store.queries.find_claim_time(run, now=49.0) == 50.0
    assert claimed(store, run, now=50.0).name == "a"


def test_a_claimed_job_is_what_the_state_holds(store: Store, run: int) -> None:
    """It is put together from what was read before the claim and what the claim changed."""
    store.imports.add_jobs([make_spec("a cat", meta={"split": "train"})], run=run, now=1.0)
    job = claimed(store, run)
    assert job == store.queries.read_job(job.seq)


def test_a_life_is_recorded_from_claim_to_file(store: Store, run: int) -> None:
    """Every move is in the history, the attempt knows its outcome."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    job = move(store, claimed(store, run), Accepted(generation_id="g-1"))
    job = move(store, job, Completed(url="https://x/v.mp4", cost_usd=0.4), now=70.0)
    job = move(store, job, Downloaded(folder="/v", file="a.mp4", bytes=3, sha256="ab"), now=80.0)
    assert [row["to_state"] for row in store.queries.list_moves(job)] == [
        "submitting",
        "generating",
        "downloading",
        "succeeded",
    ]
    assert store.queries.read_job(job.seq) == job
    assert store.spend() == (0.4, 0)
    assert store.queries.list_generation_seconds("google/veo3") == [65.0]
    with closing(sqlite3.connect(store.path)) as db:
        attempt = db.execute("SELECT outcome, generation_id FROM attempts").fetchone()
    assert attempt == ("generating", "g-1")


def test_a_stale_job_cannot_be_moved(store: Store, run: int) -> None:
    """Compare and set: who comes second changes nothing."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    job = claimed(store, run)
    move(store, job, Accepted(generation_id="g-1"))
    with pytest.raises(MoveLost):
        move(store, job, Refused(reason="late"))
    assert store.queries.read_job(job.seq).state is S.GENERATING


def test_a_move_outside_the_table_is_refused(store: Store, run: int) -> None:
    """Not even the store's own callers may make one."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    with pytest.raises(ValueError, match="table of moves"):
        store.transitions.apply_move(claimed(store, run), Move(to=S.SUCCEEDED), run=run, now=2.0)


def test_one_generation_serves_one_job(store: Store, run: int) -> None:
    """The second job that is told the same id does not get it."""
    store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
    first, second = claimed(store, run), claimed(store, run)
    move(store, first, Accepted(generation_id="g-1"))
    with pytest.raises(GenerationTaken):
        move(store, second, Accepted(generation_id="g-1"))
    assert store.queries.read_job(second.seq).state is S.SUBMITTING


def test_what_a_dead_run_left_submitting_is_in_doubt(store: Store, run: int) -> None:
    """Never pending: its request may have arrived."""
    store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
    store.transitions.mark_sent(claimed(store, run), now=6.0)
    recovered = store.transitions.recover_jobs(run=run, now=99.0)
    assert [(job.name, job.state, job.doubted_at) for job in recovered] == [("a", S.IN_DOUBT, 99.0)]
    assert store.counts()[S.PENDING] == 1


def test_what_certainly_never_left_is_pending_again(store: Store, run: int) -> None:
    """The mark is made before the first byte leaves; without it nothing did, and no price stays reserved."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    store.transitions.claim_job(run=run, now=2.0, price=lambda job: 3.0)
    assert store.queries.read_committed() == pytest.approx(3.0)
    assert [job.state for job in store.transitions.recover_jobs(run=run, now=99.0)] == [S.PENDING]
    assert store.queries.read_committed() == 0.0


def test_a_wait_from_a_clock_ahead_is_clamped(store: Store, run: int) -> None:
    """A job written under a clock that ran hours ahead does not sleep for hours."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    store.transitions.apply_move(claimed(store, run), Move(to=S.PENDING, set={"not_before": 1e9}), run=run, now=6.0)
    store.transitions.recover_jobs(run=run, now=100.0)
    assert store.queries.find_claim_time(run, now=100.0) == 100.0


def test_held_jobs_are_counted_apart(store: Store, run: int) -> None:
    """They are in doubt, and more."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    job = move(store, claimed(store, run), SubmitUncertain(reason="reset"))
    store.transitions.apply_move(job, Move(to=S.IN_DOUBT, set={"held": True}), run=run, now=9.0)
    assert (store.counts()[S.IN_DOUBT], store.counts().held) == (1, 1)


def test_retry_and_cancel(store: Store, run: int) -> None:
    """A failed job starts anew without what it had; a cancelled one is not claimed."""
    store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
    failed = move(store, move(store, claimed(store, run), Accepted(generation_id="g")), Refused(reason="no"))
    again = store.manual.retry_job(failed, now=20.0)
    assert (again.state, again.generation_id, again.error) == (S.PENDING, None, None)
    store.manual.cancel_job(again, now=21.0)
    assert claimed(store, run).name == "b"
    assert store.transitions.claim_job(run=run, now=99.0) is None


def test_find_by_id_prefix_name_and_generation(store: Store, run: int) -> None:
    """Whatever a person has at hand."""
    store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
    job = move(store, claimed(store, run), Accepted(generation_id="g-1"))
    for key in (job.id, job.id[:6], "a", "g-1", job.client_request_id or ""):
        assert [found.seq for found in store.queries.find_jobs(key)] == [job.seq]
    assert not store.queries.find_jobs("nothing")
    assert not store.queries.find_jobs("%")


def test_the_history_cannot_be_rewritten(store: Store, run: int) -> None:
    """Append-only, by the database's own word."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    claimed(store, run)
    other = sqlite3.connect(store.path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute("UPDATE events SET detail = 'nothing happened'")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute("DELETE FROM events")
    other.close()


def test_a_second_run_is_refused_with_the_firsts_pid(store: Store, run: int) -> None:
    """One run a state."""
    store.runs.acquire_lock()
    with Store(store.path) as second, pytest.raises(StateLocked, match=r"pid \d+ on "):
        second.runs.acquire_lock()


def test_the_lock_is_free_after_close(tmp_path: Path) -> None:
    """And reading never takes it."""
    path = tmp_path / "b.db"
    with Store(path) as first:
        first.runs.acquire_lock()
        Store(path, writing=False).close()
    with Store(path) as second:
        second.runs.acquire_lock()


def test_running_is_told_by_the_last_run(store: Store) -> None:
    """A run that ended, or whose process is gone, does not go on."""
    assert not store.runs.is_running()
    run = store.runs.begin_run(command="run", service="s", now=1.0)
    assert store.runs.is_running()
    store.runs.end_run(run, status=0, now=2.0)
    assert not store.runs.is_running()


def test_the_state_is_private(store: Store) -> None:
    """Prompts are nobody else's business."""
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
