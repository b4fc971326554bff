"""An empty database, a run of it, and a job that is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from batchveo.core.models import Job
from batchveo.core.outcomes import Accepted, Completed, Downloaded
from batchveo.store import Store, page_copy
from batchveo.store.page_index import PageIndex
from tests.helpers.factories import make_spec
from tests.store.steps import move


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state" / "b.db") as store:
        yield store


@pytest.fixture
def run(store: Store) -> int:
    return store.runs.begin_run(command="run", service="https://s.example", now=1.0)


@pytest.fixture
def done(tmp_path: Path) -> Job:
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="s", now=1.0)
        store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
        job = store.transitions.claim_job(run=run, now=2.0)
        assert job is not None
        job = move(store, job, Accepted(generation_id="g"))
        job = move(store, job, Completed(url="https://x/v", cost_usd=1.0))
        return move(store, job, Downloaded(folder="/v", file="a.mp4", bytes=3, sha256="00"))


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pieces of a few rows, so that their bounds are met."""
    monkeypatch.setattr(page_copy, "BLOCK", 4)
    monkeypatch.setattr(page_copy, "ROWS_AT_ONCE", 3)


@pytest.fixture
def index(store: Store, small_steps: None) -> Iterator[PageIndex]:
    """What the page asks; its copy is made in small steps."""
    with PageIndex(store.path) as index:
        yield index
