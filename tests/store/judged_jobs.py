"""Jobs with gates, and what gates say of their clips."""

from __future__ import annotations

from typing import Any

from batchveo.core.gates import CheckPolicy, Judgement, Verdict
from batchveo.core.job_row import canonical_json
from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.models import Job, JobSpec
from batchveo.core.outcomes import Accepted, Completed, Downloaded
from batchveo.store import Store
from batchveo.store.takes import NewTake
from tests.helpers.factories import make_spec
from tests.store.steps import claimed, move

POLICY = CheckPolicy(gates=("black_seconds < 0.5",)).to_json()
ACCEPTED = Judgement(verdict=Verdict.ACCEPTED)
REJECTED = Judgement(verdict=Verdict.REJECTED, gate="black_seconds < 0.5", values={"black_seconds": 2.0})
OPEN = Judgement(verdict=Verdict.OPEN, gate="clip.score > 1", values={"clip.score": None})
MEASURES = Measures(level=CheckLevel.BASIC, frames=10, black_seconds=2.0, has_sound=True, hashes=(1, 2**64 - 1))
TAKE = NewTake(request=canonical_json({"prompt": "a", "seed": 8}), tries=2)


def make_policed(name: str = "a", **changes: Any) -> JobSpec:
    return make_spec(name, **{"policy": POLICY, "tries": 3, "meta": {"split": "train"}, **changes})


def finish(store: Store, run: int, *, generation: str, sha256: str = "00") -> Job:
    """The next job, claimed, and done."""
    job = move(store, claimed(store, run), Accepted(generation_id=generation))
    job = move(store, job, Completed(url="https://x/v", cost_usd=1.0))
    return move(store, job, Downloaded(folder="/v", file=f"{job.stem}.mp4", bytes=3, sha256=sha256))


def reject(store: Store, job: Job, run: int, *, take: NewTake | None = TAKE) -> Job | None:
    return store.verdicts.record_verdict(job, REJECTED, run=run, now=20.0, take=take).added
