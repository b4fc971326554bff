"""What is known of the clip of a job as JSON that scripts rely on, and the counts of verdicts."""

from __future__ import annotations

from batchveo.core.gates import Verdict
from batchveo.core.measures import describe_measures
from batchveo.core.models import Job, JobState
from batchveo.operations.chain_rows import ChainRows
from batchveo.operations.status import make_job_row
from batchveo.store import Store


def read_gate(store: Store, job: Job) -> str | None:
    """The gate that decides against the job's clip, or leaves it open; ``None`` if there is none."""
    if job.verdict in (None, Verdict.ACCEPTED):
        return None
    judgement = store.verdicts.read_verdict(job)
    return None if judgement is None else judgement.gate


class ClipRows:
    """Makes the part of a row of ``jobs --json`` that is about the clip. Fields are added over time, never removed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._has_facts = store.facts.has_facts()

    def make_row(self, job: Job) -> dict[str, object]:
        """Verdict, take, measures and scores."""
        # two look-ups less for each of a million jobs that have none
        has_facts = self._has_facts and job.state is JobState.SUCCEEDED
        facts = self._store.facts
        measures = facts.read_measures(job) if has_facts else None
        first = None if job.take_of is None else self._store.queries.read_job(job.take_of)
        return {
            "verdict": job.verdict,
            "gate": read_gate(self._store, job),
            "take": job.take,
            "take_of": None if first is None else first.id,
            "checks": None if measures is None else describe_measures(job.request, measures),
            "scores": facts.read_scores(job) if has_facts else {},
        }


class JobRows:
    """Makes the lines of ``batchveo jobs --json``."""

    def __init__(self, store: Store) -> None:
        self._clips = ClipRows(store)
        self._chains = ChainRows(store)

    def make_row(self, job: Job) -> dict[str, object]:
        """What is known of a job, of its clip, and of its place in a chain."""
        return {**make_job_row(job), **self._clips.make_row(job), **self._chains.make_row(job)}


def describe_job(store: Store, job: Job) -> dict[str, object]:
    """One line of ``batchveo jobs --json``."""
    return JobRows(store).make_row(job)


def make_verdict_row(store: Store) -> dict[str, object]:
    """The part of ``status --json`` that is about the clips: how many have each verdict, and what rejects them."""
    judged = store.verdicts.has_policies()  # else not even counted: that reads all jobs
    counts = store.verdicts.count_verdicts() if judged else {}
    return {
        "verdicts": {verdict.value: counts.get(verdict.value, 0) for verdict in Verdict},
        "rejected_by": store.verdicts.count_rejected_by_gate() if judged else {},
        "takes": store.takes.count_takes() if judged else 0,
    }
