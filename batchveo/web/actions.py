"""The requests that change something: what ``retry``, ``cancel`` and ``resolve`` do, by the same functions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from batchveo.core.errors import BatchveoError, UsageError
from batchveo.core.models import Job, JobState
from batchveo.operations import manage
from batchveo.store import Store
from batchveo.web.failure_groups import cause_of
from batchveo.web.requests import answer, body_of, state_path

Body = Mapping[str, object]
Act = Callable[[Store, Sequence[Job], Body], int]


async def retry(request: Request) -> Response:
    """``jobs`` (ids) or ``cause`` (all that failed for it) become pending again."""
    return await _acted(request, lambda store, jobs, _: manage.retry_jobs(store, jobs, now=time.time()))


async def cancel(request: Request) -> Response:
    """``jobs`` are withdrawn."""
    return await _acted(request, lambda store, jobs, _: manage.cancel_jobs(store, jobs, now=time.time()))


async def resolve(request: Request) -> Response:
    """``jobs`` in doubt are settled: ``how`` is ``resubmit``, ``fail`` or ``generation`` (``generation_id``).

    ``seen`` has the ``state`` and the ``request`` (its id) that were shown: the answer is about those.
    """
    return await _acted(request, _resolved)


def _resolved(store: Store, jobs: Sequence[Job], body: Body) -> int:
    how, generation = body.get("how"), body.get("generation_id")
    if how not in ("resubmit", "fail", "generation"):
        raise HTTPException(400, "how is resubmit, fail or generation")
    taken = generation.strip() if isinstance(generation, str) else ""
    if how == "generation" and not taken:
        raise HTTPException(400, "the id of the generation is missing")
    _check_seen(jobs, body)
    moved = manage.resolve_jobs(
        store,
        jobs,
        now=time.time(),
        resubmit=how == "resubmit",
        fail=how == "fail",
        generation_id=taken if how == "generation" else None,
    )
    return len(moved)


def _check_seen(jobs: Sequence[Job], body: Body) -> None:
    """Raise ``UsageError`` for jobs that moved while the question was open: a doubt may be a paid video by now."""
    for job in jobs:
        now = {"state": job.state.value, "request": job.client_request_id}
        if body.get("seen", now) != now:
            raise UsageError(f"{job.name!r} has moved since you were asked; look at it again")


async def _acted(request: Request, act: Act) -> Response:
    body = await body_of(request)

    def work() -> int:
        with Store.existing(state_path(request)) as store:
            return act(store, _jobs_meant(store, body), body)

    try:
        return answer({"done": await run_in_threadpool(work)})
    except BatchveoError as error:
        return answer({"error": str(error)}, 409)
    except UnicodeEncodeError:
        raise HTTPException(400, "half a character is in it") from None


def _jobs_meant(store: Store, body: Body) -> list[Job]:
    cause, ids = body.get("cause"), body.get("jobs")
    if isinstance(cause, str):
        return [job for job in store.jobs(JobState.FAILED) if cause_of(job.error) == cause]
    if not isinstance(ids, list) or not ids:
        raise HTTPException(400, "jobs are ids")
    found = [store.queries.find_job_by_id(key) for key in dict.fromkeys(map(str, ids))]
    if None in found:
        raise HTTPException(404, "there is no such job")
    return [job for job in found if job is not None]
