"""The verdict of the gates on a measured clip, and the take that follows from it: for a run, and for ``check``."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from batchveo.core.fields import read_field
from batchveo.core.gates import CheckPolicy, Judgement, Verdict, judge_clip
from batchveo.core.job_row import canonical_json
from batchveo.core.measures import VERSION, CheckLevel, Measures, describe_measures, find_highest_level
from batchveo.core.models import Job, JobState
from batchveo.provider.catalog import MODELS
from batchveo.store import Store
from batchveo.store.takes import NewTake
from batchveo.store.verdicts import Judged

DECODES = "the clip can be decoded"
"""The gate that every clip has to pass if there are others: nothing else is known of one that does not."""
LARGEST_SEED = 2**32 - 1
"""The largest seed of a model whose parameters do not say."""


def is_current(measures: Measures, level: CheckLevel) -> bool:
    """Whether measures are of this version, and of at least this level."""
    return measures.version == VERSION and find_highest_level([measures.level, level]) is measures.level


def judge_job(store: Store, job: Job, policy: CheckPolicy, measures: Measures) -> Judgement:
    """The verdict of the gates on the clip of ``job``."""
    if policy.gates and not measures.is_decoded:
        verdict = Verdict.REJECTED if measures.is_conclusive else Verdict.OPEN
        return Judgement(verdict=verdict, gate=DECODES, values={"problem": "; ".join(measures.problems)})
    scores = store.facts.read_scores(job)
    return judge_clip(policy.gates, partial(read_field, job=job, measures=measures, scores=scores))


def record_judgement(
    store: Store, job: Job, measures: Measures, judgement: Judgement, *, tries: int, run: int | None, now: float
) -> Judged:
    """Record the measures of a clip, its verdict, and the take that follows from it, in one transaction.

    ``tries``: how often a job may be made in all if its manifest does not say. Raises ``MoveLost`` if the clip is
    another one now.
    """
    with store.connection.transaction():
        store.facts.record_measures(job, measures, now=now)
        take = make_take(store, job, judgement, tries=tries)
        return store.verdicts.record_verdict(job, judgement, run=run, now=now, take=take)


def make_take(store: Store, job: Job, judgement: Judgement, *, tries: int) -> NewTake | None:
    """The next take of a rejected clip; ``None`` if no try is left.

    Tries are those of the first take. Each generation of the family that failed or was rejected is one. While another
    take is accepted, or may be, none is made: the last of them that is judged decides.
    """
    if judgement.verdict is not Verdict.REJECTED:
        return None
    family = store.takes.list_family(job)
    others = [take for take in family if take.seq != job.seq and take.state is JobState.SUCCEEDED]
    if any(take.verdict != Verdict.REJECTED for take in others):
        return None
    if any(store.votes.read_standing(take.seq).is_picked for take in family):
        return None  # a person has the clip that was wanted
    limit = tries if family[0].tries is None else family[0].tries
    used = sum(take.tried + (take.state is JobState.SUCCEEDED) for take in family)
    if used >= limit:
        return None
    made = [take for take in family if take.state is JobState.SUCCEEDED]
    request, seed = change_seed(made[-1], store.takes.list_seeds(family[0]) if "seed" in job.request else ())
    why = f"{job.name} was rejected by {judgement.gate}"
    detail = why if seed is None else f"{why}; with seed {seed}"
    return NewTake(request=request, tries=limit - used, detail=detail)


def change_seed(job: Job, used: Collection[int] = ()) -> tuple[str, int | None]:
    """The request of another take as canonical JSON, and its seed if the request has one: the next that is not used.

    With a seed of ``used`` the same video would be bought that another job has, or will have.
    """
    seed = job.request.get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool):
        return canonical_json(job.request), None
    model = MODELS.get(job.model)
    param = None if model is None else model.params.get("seed")
    most = LARGEST_SEED if param is None or param.maximum is None else int(param.maximum)
    following = seed + 1 if seed < most else 0
    for _ in used:
        if following in used:
            following = following + 1 if following < most else 0
    return canonical_json({**job.request, "seed": following}), following


def describe_check(job: Job, measures: Measures, judgement: Judgement | None) -> dict[str, object]:
    """What a sidecar says of a check: the take, what was measured, and the verdict, if the job has gates."""
    return {
        "take": job.take,
        "checks": describe_measures(job.request, measures),
        "verdict": None if judgement is None else judgement.verdict.value,
        "gate": None if judgement is None else judgement.gate or None,
    }
