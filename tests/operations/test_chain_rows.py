"""What is said of a job in a chain: its place, and what it waits for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.core.gates import Judgement, Verdict
from batchveo.core.models import Job, JobState
from batchveo.operations.chain_rows import ChainRows
from batchveo.store import Store
from tests.helpers.busy_database import moved_on
from tests.helpers.chains import POLICY, make_chain
from tests.helpers.factories import make_spec

S = JobState
MADE = (S.GENERATING, S.DOWNLOADING, S.SUCCEEDED)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="x", now=1.0)
        store.imports.add_jobs([*make_chain(3, policy=POLICY), make_spec("single")], run=run, now=1.0)
        yield store


def describe_waits(store: Store) -> list[str]:
    chains = ChainRows(store)
    waits = {job.name: chains.find_wait(job) for job in store.jobs()}
    return [f"{name} {wait.state}: {wait.reason}" for name, wait in waits.items() if wait is not None]


def find(store: Store, name: str) -> Job:
    (job,) = store.queries.find_jobs(name)
    return job


def test_the_row_of_a_job(store: Store) -> None:
    """Ids, since names may change; a job in no chain has none of it."""
    chains = ChainRows(store)
    first, second, third, single = store.jobs()
    assert chains.make_row(first) == {"chain": first.id, "link": 1, "parents": [], "blocked_by": None}
    assert chains.make_row(third) == {"chain": first.id, "link": 3, "parents": [second.id], "blocked_by": None}
    assert chains.make_row(single) == {"chain": None, "link": None, "parents": [], "blocked_by": None}
    place = chains.find_place(second)
    assert place is not None
    assert (place.name, place.links) == ("shot 0", 3)
    moved_on(store, 1, S.FAILED, now=2.0)
    assert [ChainRows(store).make_row(job)["blocked_by"] for job in (second, third)] == [first.id, first.id]


def test_what_a_job_waits_for(store: Store) -> None:
    """While it is made, while it is judged, once it is rejected, and after it was cancelled."""
    assert describe_waits(store) == ["shot 1 waiting: shot 0 is pending", "shot 2 waiting: shot 1 is pending"]
    moved_on(store, 1, *MADE, now=2.0)
    assert describe_waits(store)[0] == "shot 1 waiting: shot 0 is not judged yet"
    store.verdicts.record_verdict(find(store, "shot 0"), Judgement(verdict=Verdict.ACCEPTED), run=1, now=9.0)
    assert describe_waits(store)[0] == "shot 1 waiting: shot 0 is finished"
    store.verdicts.record_verdict(find(store, "shot 0"), Judgement(verdict=Verdict.REJECTED, gate="g"), run=1, now=9.0)
    blocked = "shot 0 was rejected"
    assert describe_waits(store) == [f"shot 1 blocked: {blocked}", f"shot 2 blocked: {blocked}"]
    store.manual.cancel_job(find(store, "shot 1"), now=9.0)
    assert describe_waits(store) == ["shot 2 blocked: shot 1 was cancelled"]
