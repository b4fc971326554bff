"""Steps of a run and of a job's life, and the tallies that must agree with the rows."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress

from batchveo.core.job_row import JobRow
from batchveo.core.models import Job, JobSpec
from batchveo.core.outcomes import (
    AbsentFromLog,
    Accepted,
    Charged,
    Completed,
    Denied,
    Downloaded,
    DownloadError,
    FailedInLog,
    FoundInLog,
    GenerationFailed,
    Outcome,
    Refused,
    Stuck,
    SubmitUncertain,
    Throttled,
)
from batchveo.core.state_machine import next_state
from batchveo.store import GenerationTaken, MoveLost, StagingTable, Store
from tests.helpers.factories import make_spec

COUNTED = "SELECT state, held, count(*) FROM jobs GROUP BY state, held ORDER BY state, held"
KEPT = "SELECT state, held, jobs FROM tallies WHERE jobs != 0 ORDER BY state, held"
SUMMED = """SELECT (SELECT coalesce(sum(micros), 0) FROM attempts),
    (SELECT coalesce(sum(CAST(round(cost_usd * 1e6) AS INTEGER)), 0) FROM jobs),
    (SELECT count(*) FROM jobs WHERE completed_at IS NOT NULL AND cost_usd IS NULL)"""
SUMS = "SELECT micros, spent, unpriced FROM money"


def move(store: Store, job: Job, outcome: Outcome, now: float = 10.0) -> Job:
    step = next_state(job, outcome, now=now, jitter=0.0)
    assert step is not None
    return store.transitions.apply_move(job, step, run=1, now=now)


def claimed(store: Store, run: int = 1, now: float = 5.0, *, key: str | None = None) -> Job:
    job = store.transitions.claim_job(run=run, now=now, key=key)
    assert job is not None
    return job


def assert_agrees(store: Store) -> None:
    """What is kept is what a look at every row finds."""
    for kept, looked in ((KEPT, COUNTED), (SUMS, SUMMED)):
        assert list(map(tuple, store.connection.db.execute(kept))) == list(
            map(tuple, store.connection.db.execute(looked))
        )


def begun(store: Store, *specs: JobSpec, scratch: bool = True) -> int:
    """A run that names ``specs``."""
    run = store.runs.begin_run(command="run", service="s", now=1.0)
    if scratch:
        with StagingTable() as named:
            named.add_rows(map(JobRow.from_spec, specs))
            store.imports.add_jobs(named, run=run, now=1.0)
    else:
        store.imports.add_jobs(specs, run=run, now=1.0)
    return run


def names_claimed(store: Store, run: int) -> list[str]:
    """The jobs that ``run`` submits, in their order."""
    return [job.name for job in iter(lambda: store.transitions.claim_job(run=run, now=5.0), None)]


def moved(store: Store, job: Job, outcome: Outcome, run: int | None = None) -> Job:
    step = next_state(job, outcome, now=5.0, jitter=0.0)
    return job if step is None else store.transitions.apply_move(job, step, run=run, now=5.0)


def find(store: Store, name: str) -> Job:
    """The job of that name."""
    (job,) = store.queries.find_jobs(name)
    return job


def succeed(store: Store, run: int) -> Job:
    """Make the video of the next job."""
    job = claimed(store, run)
    job = move(store, job, Accepted(generation_id=f"g {job.seq}"))
    job = move(store, job, Completed(url="https://x/v", cost_usd=1.0))
    return move(store, job, Downloaded(folder="/v", file=f"{job.stem}.mp4", bytes=1, sha256=f"{job.seq}"))


class Walk:
    """A state under random verbs, lawful and unlawful."""

    def __init__(self, store: Store, seed: int) -> None:
        self.store = store
        self.dice = random.Random(seed)
        self.generations = 0
        self.run = begun(store, *self.specs())

    def specs(self) -> list[JobSpec]:
        """Some of twelve jobs; of two of them each, the files would have one name."""
        chosen = self.dice.sample(range(12), self.dice.randint(1, 8))
        return [make_spec(f"job {n}", stem=f"stem {n // 2}", meta=self.labels()) for n in chosen]

    def labels(self) -> dict[str, object]:
        return {"k": self.dice.random(), "split": self.dice.choice(["train", "val", None])}

    def outcome(self) -> Outcome:
        self.generations += self.dice.random() < 0.9
        generation = f"g{self.generations}"
        cost = self.dice.choice([None, 0.1234565, 2.0, 0.0])
        outcomes: list[Outcome] = [
            Accepted(generation_id=generation),
            FoundInLog(generation_id=generation),
            Completed(url="https://cdn.example/v.mp4", cost_usd=cost),
            Downloaded(folder="/v", file="f.mp4", bytes=1, sha256=f"{self.dice.random()}"),
            DownloadError(reason="odd", stale_url=True),
            GenerationFailed(reason="no"),
            Refused(reason="no"),
            SubmitUncertain(reason="late"),
            Throttled(reason="slow"),
            FailedInLog(reason="no"),
            AbsentFromLog(settled=True),
            AbsentFromLog(settled=True, resubmit=True),
            Charged(usd=2.5),
            Denied(reason="no"),
            Stuck(reason="no"),
        ]
        return self.dice.choice(outcomes)

    def step(self) -> None:
        store, dice = self.store, self.dice
        job = dice.choice(list(store.jobs()))
        verbs: Sequence[Callable[[], object]] = [
            *[lambda: moved(store, job, self.outcome(), self.run)] * 12,
            *[lambda: store.transitions.claim_job(run=self.run, now=9.0, price=lambda _: dice.choice([None, 0.7]))] * 4,
            lambda: store.manual.retry_job(job, now=1.0),
            lambda: store.manual.cancel_job(job, now=1.0),
            lambda: store.manual.resubmit_job(job, now=1.0),
            lambda: store.manual.give_up_job(job, now=1.0),
            lambda: store.manual.adopt_generation(job, f"a{dice.randint(0, 20)}", now=1.0),
            lambda: store.manual.adopt_new_job(
                make_spec(f"new {dice.random()}"), f"a{dice.randint(0, 20)}", run=1, now=1.0
            ),
            lambda: store.transitions.record_cost(job.seq, 0.5),
            lambda: store.transitions.recover_jobs(run=self.run, now=9.0),
            lambda: store.runs.take_on_all(self.run),
            lambda: store.skipped.skip_job(job, f"refused {dice.random()}", run=self.run),
            lambda: store.skipped.skip_model(job.model, "no money", run=self.run),
            lambda: store.skipped.release_one(job.model, run=self.run),
            lambda: store.skipped.release_model(job.model, run=self.run),
            self.begin,
            store.connection.flush,
        ]
        with suppress(ValueError, MoveLost, GenerationTaken, sqlite3.IntegrityError):
            dice.choice(verbs)()

    def begin(self) -> None:
        # a scratch brings a connection of its own, and comes before a run shares transactions
        self.run = begun(self.store, *self.specs(), scratch=not self.store.connection._sharing)
