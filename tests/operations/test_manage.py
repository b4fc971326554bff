"""What a person decides about jobs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.core.models import JobState
from batchveo.core.state_machine import NOT_NEEDED
from batchveo.operations import manage
from batchveo.store import Store
from tests.helpers.factories import make_job, make_spec


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec(f"job {number}") for number in range(250)], run=run, now=1.0)
        yield store


def test_many_move_together(store: Store) -> None:
    """In groups, each on disk for good at its end."""
    jobs = list(store.jobs())
    assert manage.cancel_jobs(store, jobs, now=2.0) == 250
    assert not store.connection.unflushed
    assert manage.retry_jobs(store, list(store.jobs()), now=3.0) == 250


def test_what_moved_meanwhile_is_left_alone(store: Store) -> None:
    """The others are moved all the same."""
    jobs = list(store.jobs())
    claimed = store.transitions.claim_job(run=1, now=2.0)
    assert claimed is not None
    assert manage.cancel_jobs(store, jobs, now=3.0) == 249
    assert store.queries.read_job(claimed.seq).state == "submitting"


def test_nothing_is_moved_where_one_does_not_fit(store: Store) -> None:
    """All are looked at before the first."""
    jobs = list(store.jobs())
    manage.cancel_jobs(store, jobs[:1], now=2.0)
    with pytest.raises(UsageError, match="is cancelled, not pending"):
        manage.cancel_jobs(store, list(store.jobs()), now=3.0)
    with pytest.raises(UsageError, match="is pending, not failed"):
        manage.retry_jobs(store, jobs[1:], now=3.0)
    assert store.counts()[jobs[0].state] == 249


def test_a_model_narrows_every_choice(store: Store) -> None:
    """All jobs in some states, and those that are named."""
    store.imports.add_jobs([make_spec("other", model="veo2")], run=1, now=2.0)

    def list_names(*keys: str, models: Sequence[str] = ()) -> list[str]:
        return [job.name for job in manage.choose_jobs(store, keys, states=[JobState.PENDING], models=models)]

    assert len(list_names()) == 251
    assert list_names(models=["veo2"]) == ["other"]
    assert len(list_names(models=["veo2", "google/veo3"])) == 251
    assert list_names("job 3", "other") == ["job 3", "other"]
    assert list_names("job 3", "other", models=["veo2"]) == ["other"]
    assert manage.choose_jobs(store, (), states=[JobState.FAILED], models=["veo2"]) == []


def test_a_model_without_jobs_is_a_slip(store: Store) -> None:
    """Each is named, with what was meant; the end of a name is not enough, since it is another model's too."""
    with pytest.raises(UsageError, match=r"'veo3' \(did you mean google/veo3\?\); .* no job of the model 'x'$"):
        manage.choose_jobs(store, (), states=[JobState.PENDING], models=["veo3", "google/veo3", "x"])


def test_a_take_that_is_not_needed_comes_back_only_if_it_is_named() -> None:
    job = make_job(JobState.CANCELLED, error=NOT_NEEDED)
    assert manage.is_made_again(job)
    assert not manage.is_made_again(make_job(JobState.CANCELLED))
