"""More takes that a person asks for: their seeds, their price, and that no verdict takes them away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.core.gates import CheckPolicy, Judgement, Verdict
from batchveo.core.job_row import JobRow
from batchveo.core.models import Job, JobState
from batchveo.core.settings import RunSettings
from batchveo.operations import manage
from batchveo.operations.further_takes import MOST_AT_ONCE, add_takes, plan_takes
from batchveo.operations.quote import count_purchases
from batchveo.store import Store, preview_jobs
from batchveo.store.staging import StagingTable
from tests.helpers.busy_database import moved_on
from tests.helpers.factories import make_spec

S = JobState
DONE = (S.GENERATING, S.DOWNLOADING, S.SUCCEEDED)
POLICY = CheckPolicy(gates=("black_seconds < 0.5",)).to_json()
MODEL = "google/veo3"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        yield store


def add(store: Store, *names: str, seed: int | None = 7, policy: str | None = None) -> int:
    """A run with jobs of these names, whose seeds follow each other."""
    run = store.runs.begin_run(command="run", service="s", now=1.0)
    specs = []
    for number, name in enumerate(names):
        seeds = {} if seed is None else {"seed": seed + number}
        request = {"model": MODEL, "prompt": "a fox", **seeds}
        specs.append(make_spec(name, request=request, policy=policy, meta={"split": "a"}))
    store.imports.add_jobs(specs, run=run, now=2.0)
    return run


def add_more(store: Store, *keys: str, count: int = 2) -> list[Job]:
    return add_takes(store, plan_takes(store, manage.select_jobs(store, keys), count), now=9.0)


def test_takes_are_jobs_of_their_own_with_seeds_that_no_other_job_has(store: Store) -> None:
    run = add(store, "fox", "other")
    first = moved_on(store, run, *DONE, now=3.0)
    takes = add_more(store, "fox")
    assert [(job.name, job.state, job.take, job.take_of, job.request["seed"]) for job in takes] == [
        ("fox-take2", S.PENDING, 2, first.seq, 9),
        ("fox-take3", S.PENDING, 3, first.seq, 10),
    ]
    assert [(job.meta, job.request["prompt"], job.asked) for job in takes] == [({"split": "a"}, "a fox", True)] * 2
    assert store.queries.read_job(first.seq) == first
    assert store.queries.list_moves(takes[0])[-1]["detail"] == "asked for by a person; with seed 9"
    assert [job.name for job in add_more(store, "fox-take2", "fox", count=1)] == ["fox-take4"]
    assert store.counts().by_state == {S.PENDING: 4, S.SUCCEEDED: 1}


def test_the_run_of_the_job_claims_them(store: Store) -> None:
    run = add(store, "fox", seed=None)
    moved_on(store, run, *DONE, now=3.0)
    takes = add_more(store, "fox")
    assert [job.request for job in takes] == [{"model": MODEL, "prompt": "a fox"}] * 2
    claimed = [store.transitions.claim_job(run=run, now=10.0) for _ in takes]
    assert [job.name for job in claimed if job] == ["fox-take2", "fox-take3"]


def test_an_accepted_clip_and_other_gates_leave_them_alone(store: Store) -> None:
    """A take that gates asked for is given up then; one that a person asked for is not."""
    run = add(store, "fox", policy=POLICY)
    first = moved_on(store, run, *DONE, now=3.0)
    add_more(store, "fox")
    judged = store.verdicts.record_verdict(first, Judgement(verdict=Verdict.ACCEPTED), run=run, now=20.0)
    assert judged.cancelled == []
    other = CheckPolicy(gates=("black_seconds < 9",)).to_json()
    request = {"model": MODEL, "prompt": "a fox", "seed": 7}
    added = store.imports.add_jobs([make_spec("fox", request=request, policy=other)], run=run, now=21.0)
    assert added.new == 0
    assert [(job.state, job.policy) for job in store.jobs()] == [(S.SUCCEEDED, other), *[(S.PENDING, other)] * 2]


def test_each_is_priced_before_a_run_that_resumes_or_that_names_the_job(store: Store) -> None:
    """Gates may add takes after the last one only."""
    run = add(store, "fox", "wolf", policy=POLICY)
    moved_on(store, run, *DONE, now=3.0)
    add_more(store, "fox", "wolf")
    settings = RunSettings(tries=5)
    bought = [count_purchases(last, settings) for _, _, last in store.queries.list_last_takes()]
    assert sorted(bought) == [(1, 0)] * 3 + [(1, 2)] * 2
    specs = [
        make_spec(name, request=store.queries.find_jobs(name)[0].request, policy=POLICY) for name in ("fox", "wolf")
    ]
    with StagingTable() as staged:
        staged.add_rows(map(JobRow.from_spec, specs))
        assert [count_purchases(job.last, settings) for job in preview_jobs(staged, store.path)] == [(2, 2), (3, 2)]


def test_they_cost_at_most_what_the_model_has_cost(store: Store) -> None:
    run = add(store, "fox", "wolf")
    assert plan_takes(store, store.jobs(), 3).unpriced == 6
    moved_on(store, run, *DONE, now=3.0)  # for 0.50
    planned = plan_takes(store, manage.select_jobs(store, ["fox", "wolf"]), 3)
    assert (planned.takes, planned.usd, planned.unpriced) == (6, 3.0, 0)
    assert store.counts().total == 2


@pytest.mark.parametrize("count", [0, -1, MOST_AT_ONCE + 1])
def test_a_number_of_takes_out_of_range_adds_nothing(store: Store, count: int) -> None:
    add(store, "fox")
    with pytest.raises(UsageError, match="from 1 to 100"):
        plan_takes(store, store.jobs(), count)


def test_a_cancelled_job_has_no_more_takes(store: Store) -> None:
    add(store, "fox")
    manage.cancel_jobs(store, list(store.jobs()), now=3.0)
    with pytest.raises(UsageError, match="'fox' is cancelled: make it pending first by `batchveo retry fox --state"):
        plan_takes(store, store.jobs(), 1)
