"""Lives of jobs, minute by minute, through the store's own verbs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from batchveo.core.models import Job, JobSpec
from batchveo.core.outcomes import (
    AbsentFromLog,
    Accepted,
    Completed,
    Downloaded,
    DownloadError,
    GenerationFailed,
    Outcome,
    SubmitUncertain,
    Throttled,
)
from batchveo.core.state_machine import next_state
from batchveo.store import Store
from batchveo.store.page_index import PageIndex
from batchveo.web.charts.data import make_charts

DAY = 86_400.0
EVENING = 20_000 * DAY + 22 * 3600.0
"""Ten in the evening, UTC."""


class Night:
    """One run, whose times are seconds from its beginning."""

    def __init__(
        self, store: Store, specs: Iterable[JobSpec] = (), *, start: float = EVENING, budget: float | None = None
    ) -> None:
        self.store, self.start = store, start
        self.run = store.runs.begin_run(command="run", service="s", now=start)
        store.runs.set_budget(self.run, budget)
        store.imports.add_jobs(specs, run=self.run, now=start)
        store.runs.take_on_all(self.run)

    def claim(self, at: float, price: float | None = None) -> Job:
        job = self.store.transitions.claim_job(run=self.run, now=self.start + at, price=lambda _: price)
        assert job is not None
        return job

    def after(self, job: Job, at: float, outcome: Outcome) -> Job:
        move = next_state(job, outcome, now=self.start + at, jitter=0.0)
        assert move is not None
        return self.store.transitions.apply_move(job, move, run=self.run, now=self.start + at)

    def accepted(self, job: Job, at: float) -> Job:
        return self.after(job, at, Accepted(generation_id=f"g {job.client_request_id}"))

    def completed(self, job: Job, at: float, usd: float | None = 1.5) -> Job:
        return self.after(job, at, Completed(url="https://cdn.example/v.mp4", cost_usd=usd))

    def fetched(self, job: Job, at: float) -> Job:
        return self.after(job, at, Downloaded(folder="/v", file="v.mp4", bytes=1, sha256=f"{job.seq}"))

    def repeated(self, job: Job, at: float) -> Job:
        return self.after(job, at, DownloadError(reason="short"))

    def failed(self, job: Job, at: float) -> Job:
        return self.after(job, at, GenerationFailed(reason="refused"))

    def throttled(self, job: Job, at: float) -> Job:
        return self.after(job, at, Throttled(reason="HTTP 429"))

    def lost(self, job: Job, at: float) -> Job:
        return self.after(job, at, SubmitUncertain(reason="HTTP 504"))

    def silent(self, job: Job, at: float) -> Job:
        return self.after(job, at, AbsentFromLog(settled=True))

    def video(self, begin: float, *, seconds: float = 60.0, usd: float | None = 1.5) -> Job:
        """One whole life: submitted in a second, generated, fetched in two."""
        job = self.accepted(self.claim(begin, usd), begin + 1)
        return self.fetched(self.completed(job, begin + seconds, usd), begin + seconds + 2)

    def end(self, at: float) -> None:
        self.store.runs.end_run(self.run, status=0, now=self.start + at)


def charts_of(store: Store, **options: Any) -> dict[str, object]:
    """The charts of a database, with an index of their own."""
    with PageIndex(store.path) as index:
        return make_charts(store, index, **options)
