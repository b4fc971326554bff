"""A job is the same in the database and out of it."""

from __future__ import annotations

from batchveo.store import Store
from tests.helpers.factories import make_spec
from tests.store.steps import claimed


def test_a_claimed_job_is_what_the_state_holds(store: Store, run: int) -> None:
    """It is put together from what was read before the claim and what the claim changed."""
    store.imports.add_jobs([make_spec("a cat", meta={"split": "train"})], run=run, now=1.0)
    job = claimed(store, run)
    assert job == store.queries.read_job(job.seq)
