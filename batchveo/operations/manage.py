"""What a person decides about jobs, on the command line or on the web page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from batchveo.core.errors import UsageError
from batchveo.core.failure_causes import find_cause
from batchveo.core.fields import Condition
from batchveo.core.formatting import format_count, state_words
from batchveo.core.hints import format_command, job_argument, suggest_closest
from batchveo.core.models import Job, JobState
from batchveo.core.state_machine import MADE_AGAIN, UNNEEDED
from batchveo.store import GenerationTaken, MoveLost, Store

TOGETHER = 100
"""Jobs whose moves share one sync of the disk; a run that writes meanwhile waits for no more than these."""

MOST_NAMED = 5
"""Jobs that are named if several are meant by one key."""
RETRIED = (JobState.FAILED, JobState.CANCELLED)
WITHDRAWN = (JobState.PENDING,)


def retry_jobs(store: Store, jobs: Sequence[Job], *, now: float) -> int:
    """Set failed or cancelled jobs to pending; returns how many. Raises ``UsageError`` if one is neither."""
    _require_states(jobs, RETRIED, "failed")
    return _move_jobs(store, jobs, lambda job: store.manual.retry_job(job, now=now))


def cancel_jobs(store: Store, jobs: Sequence[Job], *, now: float) -> int:
    """Cancel pending jobs; returns how many. Those that a run submits at this moment are left to it."""
    _require_states(jobs, WITHDRAWN, "pending")
    return _move_jobs(store, jobs, lambda job: store.manual.cancel_job(job, now=now))


def resolve_jobs(
    store: Store,
    jobs: Sequence[Job],
    *,
    now: float,
    resubmit: bool = False,
    generation_id: str | None = None,
    fail: bool = False,
    skip_moved: bool = False,
) -> list[Job]:
    """Resolve jobs in doubt in one way: submit again, import a generation, or give up (generating ones too).

    Returns the jobs as they are now; ``skip_moved`` leaves out those that another process moves at this moment.
    Raises ``UsageError`` with what is wrong; the jobs before that one are resolved.
    """
    check_one_way(resubmit=resubmit, generation_id=generation_id, fail=fail)
    _require_states(jobs, (JobState.IN_DOUBT, JobState.GENERATING) if fail else (JobState.IN_DOUBT,), "in doubt")
    if generation_id is not None and (len(jobs) != 1 or not generation_id.strip()):
        raise UsageError("--generation-id is for one job, and not empty")
    done: list[Job] = []
    for first in range(0, len(jobs), TOGETHER):
        with store.connection.sharing():
            for job in jobs[first : first + TOGETHER]:
                try:
                    done.append(_resolve_job(store, job, generation_id, now, resubmit=resubmit))
                except MoveLost:
                    if not skip_moved:
                        raise UsageError(explain_move(store, job)) from None
    return done


def select_jobs(store: Store, keys: Sequence[str]) -> list[Job]:
    """The jobs that ``keys`` name: an id or its beginning, a name, a generation id.

    Raises ``UsageError`` that names every key that is unknown or matches several jobs.
    """
    found: dict[int, Job] = {}
    wrong: list[str] = []
    for key in keys:
        jobs = store.queries.find_jobs(key, most=MOST_NAMED + 1)
        if len(jobs) == 1:
            found[jobs[0].seq] = jobs[0]
        else:
            wrong.append(_list_candidates(key, jobs) if jobs else f"{key!r} is not a job of this database")
    if wrong:
        raise UsageError("; ".join(wrong) + f". `{format_command('jobs', state=store.path)}` lists all")
    return list(found.values())


def _list_candidates(key: str, jobs: Sequence[Job]) -> str:
    named = [f"{job.id} ({job.name}, {state_words(job.state)})" for job in jobs[:MOST_NAMED]]
    more = ", and others" if len(jobs) > MOST_NAMED else ""
    return f"{key!r} may be {', '.join(named)}{more}: use an id"


def name_job(store: Store, job: Job) -> str:
    """The argument that selects exactly this job: its name if it may be pasted, and no other job has it."""
    argument = job_argument(job.name, job.id)
    return argument if [found.id for found in store.queries.find_jobs(argument)] == [job.id] else job.id


def choose_jobs(
    store: Store,
    keys: Sequence[str],
    *,
    states: Sequence[JobState],
    models: Sequence[str] = (),
    where: Condition | None = None,
    cause: str | None = None,
) -> list[Job]:
    """The jobs that ``keys`` name, or all in ``states`` if there are none.

    With ``models`` only those of them, with ``where`` only those for which it is true, with ``cause`` only those whose
    failure has this cause, or one that this is a part of. Raises ``UsageError`` as ``select_jobs`` and
    ``check_models``, and for a cause that no failure has.
    """
    wanted = None if cause is None else cause.strip().casefold()
    if wanted == "":  # as a script gives it if a variable is not set: every failure would have it
        raise UsageError("--cause is empty; it takes a part of the cause of a failure")
    chosen = _choose_by_state(store, keys, states, models, where)
    if cause is None or wanted is None:
        return chosen
    caused = [job for job in chosen if wanted in find_cause(job.error).casefold()]
    if not caused:
        raise UsageError(_explain_cause(store, cause))
    return caused


def _choose_by_state(
    store: Store,
    keys: Sequence[str],
    states: Sequence[JobState],
    models: Sequence[str],
    where: Condition | None,
) -> list[Job]:
    check_models(store, models)
    if not keys:
        # a job that another one replaces comes back only if it is named: both would be paid for
        return [job for job in store.queries.list_jobs(*states, models=models, where=where) if not is_made_again(job)]
    named = [job for job in select_jobs(store, keys) if not models or job.model in models]
    fitting = None if where is None else {job.seq for job in store.queries.list_jobs(models=models, where=where)}
    return [job for job in named if fitting is None or job.seq in fitting]


def _explain_cause(store: Store, cause: str) -> str:
    known = Counter(find_cause(job.error) for job in store.queries.list_jobs(JobState.FAILED))
    listed = "; ".join(f"{text} ({format_count(jobs, 'job')})" for text, jobs in known.most_common(MOST_NAMED))
    return f"none of these jobs failed because of {cause!r}; causes: {listed or 'no job has failed'}"


def is_made_again(job: Job) -> bool:
    """Whether another job replaces ``job``: under another model, or another take of the clip that was accepted."""
    return job.state is JobState.CANCELLED and (job.error or "").startswith((MADE_AGAIN, *UNNEEDED))


def check_models(store: Store, models: Sequence[str]) -> None:
    """Raise ``UsageError`` that names every one of ``models`` of which there is no job: it is a slip."""
    if not models:
        return
    known = store.queries.list_models()
    wrong = [_explain_model(model, known) for model in dict.fromkeys(models) if model not in known]
    if wrong:
        raise UsageError("; ".join(wrong))


def check_one_way(*, resubmit: bool, generation_id: str | None, fail: bool) -> None:
    """Raise ``UsageError`` unless exactly one way to resolve is given."""
    if sum((resubmit, generation_id is not None, fail)) != 1:
        raise UsageError("give one of --resubmit, --generation-id ID and --fail")


def _explain_model(model: str, known: Sequence[str]) -> str:
    meant = suggest_closest(model, known)
    return f"this database has no job of the model {model!r}{f' ({meant})' if meant else ''}"


def _require_states(jobs: Iterable[Job], states: Sequence[JobState], word: str) -> None:
    wrong = [f"{job.name!r} is {job.state}, not {word}" for job in jobs if job.state not in states]
    if wrong:
        raise UsageError("; ".join(wrong[:10]))


def _move_jobs(store: Store, jobs: Sequence[Job], move: Callable[[Job], Job]) -> int:
    done = 0
    for first in range(0, len(jobs), TOGETHER):
        with store.connection.sharing():
            done += sum(_has_moved(job, move) for job in jobs[first : first + TOGETHER])
    return done


def _has_moved(job: Job, move: Callable[[Job], Job]) -> bool:
    try:
        move(job)
    except MoveLost:  # by another process, at this moment
        return False
    return True


def _resolve_job(store: Store, job: Job, generation_id: str | None, now: float, *, resubmit: bool) -> Job:
    try:
        if generation_id is not None:
            return store.manual.adopt_generation(job, generation_id, now=now)
        return store.manual.resubmit_job(job, now=now) if resubmit else store.manual.give_up_job(job, now=now)
    except GenerationTaken:
        raise UsageError(f"generation {generation_id} belongs to another job here") from None


def explain_move(store: Store, job: Job) -> str:
    """Why nothing is done: another process has just moved ``job``."""
    look = format_command("status", state=store.path)
    return f"{job.name!r} has just changed its state; look again with `{look}`"
