"""Which uploaded inputs a job still needs."""

from __future__ import annotations

import pytest

from batchveo.core.models import JobState
from batchveo.store import Store
from batchveo.store.uploads import UploadedFile
from tests.helpers.factories import make_spec

NEEDED = {JobState.PENDING, JobState.SUBMITTING, JobState.IN_DOUBT, JobState.GENERATING}
FILE = UploadedFile("s3://b/p", "x.png")


@pytest.mark.parametrize("state", JobState)
def test_a_file_stays_while_a_generation_may_fetch_it(store: Store, run: int, state: JobState) -> None:
    """Of the last job that uses it."""
    store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
    done, other = store.jobs()
    for job in (done, other):
        store.uploads.add_use(FILE, job)
    store.connection.db.execute("PRAGMA ignore_check_constraints = ON")  # what else these states need is of no matter
    for job, after in ((done, "succeeded"), (other, state.value)):
        store.connection.db.execute("UPDATE jobs SET state = ? WHERE seq = ?", (after, job.seq))
    assert store.uploads.list_unneeded(most=9) == ([] if state in NEEDED else [FILE])
    assert store.uploads.list_unneeded(most=9, without=[FILE.bucket]) == []
