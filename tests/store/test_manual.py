"""What a person does with a job, and what is adopted."""

from __future__ import annotations

from batchveo.core.models import JobState
from batchveo.core.outcomes import Accepted, Refused
from batchveo.store import Store
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
