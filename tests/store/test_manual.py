"""What a person does with a job, and what is adopted."""

from __future__ import annotations

import json

from batchveo.core.models import JobState
from batchveo.core.outcomes import Accepted, Refused
from batchveo.store import Store, Successor
from tests.helpers.factories import make_spec
from tests.store.steps import claimed, move

S = JobState


def test_retry_and_cancel(store: Store, run: int) -> None:
    """A failed job starts anew without what it had; a cancelled one is not claimed."""
    store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
    failed = move(store, move(store, claimed(store, run), Accepted(generation_id="g")), Refused(reason="no"))
    again = store.manual.retry_job(failed, now=20.0)
    assert (again.state, again.generation_id, again.error) == (S.PENDING, None, None)
    store.manual.cancel_job(again, now=21.0)
    assert claimed(store, run).name == "b"
    assert store.transitions.claim_job(run=run, now=99.0) is None


def test_a_replaced_job_takes_no_name_that_another_may_get(store: Store, run: int) -> None:
    """The job that replaces it may need a name of its own later, which is made from its id."""
    store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
    request = {"model": "google/veo3", "prompt": "another"}
    successor = Successor(id="5" * 20, model="google/veo3", request=json.dumps(request))
    store.manual.replace_jobs([(job, successor) for job in store.jobs()], now=2.0)
    other, taker = (make_spec(name, id="5" * 20, request=request) for name in ("b", "a"))
    namesake = make_spec("a", id="6" * 20, request={"model": "google/veo3", "prompt": "one more"})
    store.imports.add_jobs([other, namesake], run=run, now=3.0)
    store.imports.add_jobs([taker, namesake], run=run, now=4.0)
    assert {job.id[0]: job.stem for job in store.jobs(S.PENDING)} == {"5": "a~55555555", "6": "a"}


def test_a_name_that_is_taken_is_not_given(store: Store, run: int) -> None:
    """A job whose names are all taken keeps the one that it has."""
    taken = [
        make_spec(name, id=digit * 20, request={"prompt": name}) for name, digit in (("a", "6"), ("a~55555555", "7"))
    ]
    store.imports.add_jobs([*taken, make_spec("b", id="5" * 20)], run=run, now=1.0)
    store.imports.add_jobs([*taken, make_spec("a", id="5" * 20)], run=run, now=2.0)
    assert {job.id[0]: job.stem for job in store.jobs()} == {"5": "b", "6": "a", "7": "a~55555555"}
