"""Reads of jobs: by any of their names, by state, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from batchveo.core.fields import parse_condition
from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import Accepted, SubmitUncertain
from batchveo.core.state_machine import Move
from batchveo.store import Store
from batchveo.store.links import OPEN_PARENTS
from batchveo.store.queries import ABOVE_ALL, LATEST_FILES, NEXT_DUE, NEXT_LINK, NEXT_PRIORITY, OLDEST_FILES
from tests.helpers.factories import make_spec
from tests.store.steps import claimed, move

S = JobState


def test_what_succeeded_comes_in_pages(tmp_path: Path, done: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it, in order, and only that; while one is looked at nothing holds the log of writes."""
    monkeypatch.setattr("batchveo.store.queries.PAGE", 2)
    with Store(tmp_path / "b.db") as store, Store(tmp_path / "b.db") as other:
        store.imports.add_jobs([make_spec(name) for name in "bcdef"], run=1, now=1.0)
        for name in "bce":
            columns = (f"g-{name}", f"{name}.mp4", name)
            store.connection.db.execute(
                "UPDATE jobs SET state = 'succeeded', generation_id = ?, file = ?, sha256 = '0' WHERE name = ?",
                columns,
            )
        names = []
        for page in store.queries.iter_succeeded_pages():
            names += [job.name for job in page]
            assert other.connection.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        assert names == ["a", "b", "c", "e"]
        assert list(other.jobs(JobState.SUCCEEDED)) == [
            job for page in other.queries.iter_succeeded_pages() for job in page
        ]
        pages = store.queries.iter_succeeded_pages(parse_condition('name in ["b", "c", "e"]'))
        assert [[job.name for job in page] for page in pages] == [["b", "c"], ["e"]]


def test_held_jobs_are_counted_apart(store: Store, run: int) -> None:
    """They are in doubt, and more."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    job = move(store, claimed(store, run), SubmitUncertain(reason="reset"))
    store.transitions.apply_move(job, Move(to=S.IN_DOUBT, set={"held": True}), run=run, now=9.0)
    assert (store.counts()[S.IN_DOUBT], store.counts().held) == (1, 1)


def test_jobs_of_some_models(store: Store, run: int) -> None:
    """By whole names, in all states or in some, in manifest order."""
    for name, model in (("a", "veo2"), ("b", "google/veo3"), ("c", "veo2"), ("d", "veo2-fast")):
        store.imports.add_jobs([make_spec(name, model=model)], run=run, now=1.0)
    move(store, claimed(store, run), Accepted(generation_id="g-1"))

    def list_names(*states: JobState, models: Sequence[str]) -> list[str]:
        return [job.name for job in store.queries.list_jobs(*states, models=models)]

    assert list_names(models=["veo2"]) == ["a", "c"]
    assert list_names(models=["veo2-fast", "google/veo3"]) == ["b", "d"]
    assert list_names(S.PENDING, models=["veo2"]) == ["c"]
    assert list_names(S.PENDING, S.GENERATING, models=["veo2"]) == ["c", "a"]
    assert list_names(models=["veo"]) == []
    assert list_names(models=()) == ["a", "b", "c", "d"]
    assert sorted(store.queries.list_models()) == ["google/veo3", "veo2", "veo2-fast"]


def test_find_by_id_prefix_name_and_generation(store: Store, run: int) -> None:
    """Whatever a person has at hand."""
    store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
    job = move(store, claimed(store, run), Accepted(generation_id="g-1"))
    for key in (job.id, job.id[:6], "a", "g-1", job.client_request_id or ""):
        assert [found.seq for found in store.queries.find_jobs(key)] == [job.seq]
    assert not store.queries.find_jobs("nothing")
    assert not store.queries.find_jobs("%")


def test_a_claim_finds_its_job_by_an_index(store: Store) -> None:
    """However many jobs are pending: of the highest priority, and there of the first run that the run takes on."""
    wanted = {"run": 1, "now": 1.0, "refused": "[]", "priority": 0, "below": ABOVE_ALL}
    plans = [
        store.connection.db.execute(f"EXPLAIN QUERY PLAN {query}", wanted).fetchall()
        for query in (NEXT_PRIORITY, NEXT_DUE, NEXT_LINK)
    ]
    assert [row["detail"] for row in plans[0]] == ["SEARCH jobs USING INDEX jobs_ready (priority<?)"]
    for plan, index in zip(plans[1:], ("jobs_ready", "links_ready"), strict=True):
        details = [row["detail"] for row in plan]
        assert details[0] == f"SEARCH jobs USING INDEX {index} (priority=? AND run>? AND run<?)"
        assert not any("TEMP B-TREE" in detail for detail in details)


def test_the_parents_of_waiting_jobs_are_found_by_the_open_links(store: Store) -> None:
    """Whatever the number of finished videos and of filled links."""
    plan = store.connection.db.execute(f"EXPLAIN QUERY PLAN {OPEN_PARENTS}", {"run": 1})
    details = [row["detail"] for row in plan]
    assert details[0] == "SCAN links USING INDEX links_open"
    assert not any("jobs_by_state" in detail for detail in details)


@pytest.mark.parametrize("query", [LATEST_FILES, OLDEST_FILES])
def test_the_newest_and_oldest_videos_are_read_alone(store: Store, query: str) -> None:
    """However many there are: a resume looks for them before its first request."""
    plan = [row["detail"] for row in store.connection.db.execute(f"EXPLAIN QUERY PLAN {query}", {"most": 1})]
    assert plan == ["SCAN jobs USING INDEX jobs_by_finish"]


def test_a_claim_looks_at_few_of_many_priorities(store: Store, run: int) -> None:
    """If nothing of the highest ones is due: a statement for each of thousands would hold up the run for seconds."""
    models = {number: "a/due" if number == 3 else "a/refused" for number in range(500)}
    specs = [make_spec(f"j{number}", model=model, priority=number) for number, model in models.items()]
    store.imports.add_jobs(specs, run=run, now=1.0)
    statements: list[str] = []
    store.connection.db.set_trace_callback(statements.append)
    found = store.queries.find_due_job(run, now=2.0, refused=["a/refused"])
    nothing = store.queries.find_due_job(run, now=2.0, refused=["a/refused", "a/due"])
    store.connection.db.set_trace_callback(None)
    assert found is not None
    assert found.name == "j3"
    assert nothing is None
    assert len(statements) < 100
