"""Pending jobs that a run skips, and releases again."""

from __future__ import annotations

import pytest

from batchveo.core.models import Job
from batchveo.store import Store
from tests.helpers.chains import LITE, make_chain
from tests.helpers.factories import make_spec
from tests.store.steps import claimed

NOW = 5.0


@pytest.fixture
def jobs(store: Store, run: int) -> list[Job]:
    specs = [make_spec(name, model=model) for name, model in (("a", "x"), ("b", "x"), ("c", "x"), ("d", "y"))]
    store.imports.add_jobs(specs, run=run, now=1.0)
    return list(store.jobs())


def due(store: Store, run: int) -> bool:
    return store.queries.find_claim_time(run, now=NOW) is not None


def test_a_skipped_job_is_not_claimed_and_says_why(store: Store, run: int, jobs: list[Job]) -> None:
    skipped = store.skipped.skip_job(jobs[0], "not in this region", run=run)
    assert skipped.error == "not in this region"
    assert claimed(store, run).name == "b"
    assert store.skipped.count_by_reason() == {"not in this region": 1}


def test_a_model_is_skipped_and_released_as_a_whole(store: Store, run: int, jobs: list[Job]) -> None:
    """But for those that stay skipped on purpose."""
    assert store.skipped.skip_model("x", "no plan", run=run) == 3
    assert claimed(store, run).name == "d"
    assert not due(store, run)
    store.skipped.release_model("x", run=run, but=[jobs[1].seq])
    assert [claimed(store, run).name for _ in range(2)] == ["a", "c"]
    assert not due(store, run)
    assert store.skipped.count_by_reason() == {"no plan": 1}


def test_one_job_is_released_to_try_the_service_again(store: Store, run: int, jobs: list[Job]) -> None:
    store.skipped.skip_model("x", "no plan", run=run)
    claimed(store, run)
    store.skipped.release_one("x", run=run)
    assert claimed(store, run).model == "x"
    assert not due(store, run)


def test_no_job_that_waits_for_a_video_is_released_to_try(store: Store, run: int) -> None:
    """It could not be submitted, and so would find out nothing."""
    chain = make_chain(9)
    store.imports.add_jobs(chain, run=run, now=1.0)
    store.skipped.skip_model(LITE, "no plan", run=run)
    store.skipped.release_one(LITE, run=run)
    assert claimed(store, run).name == chain[0].name


def test_a_submitted_job_is_not_skipped(store: Store, run: int, jobs: list[Job]) -> None:
    job = claimed(store, run)
    assert store.skipped.skip_job(job, "too late", run=run).error is None
    assert store.skipped.skip_model("x", "too late", run=run) == 2


def test_the_next_run_releases_all(store: Store, run: int, jobs: list[Job]) -> None:
    store.skipped.skip_model("x", "no plan", run=run)
    after = store.runs.begin_run(command="resume", service="s", now=2.0)
    store.runs.take_on_all(after)
    assert store.transitions.recover_jobs(run=after, now=NOW) == []
    assert [claimed(store, after).name for _ in range(4)] == ["a", "b", "c", "d"]
