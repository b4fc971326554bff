"""What a person changes on the page, by the rules of ``retry``, ``cancel`` and ``resolve``: one job, or many."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from batchveo.core.errors import UsageError
from batchveo.core.failure_causes import find_cause
from batchveo.core.models import Job, JobState
from batchveo.engine.price_book import PriceBook
from batchveo.operations import chain_remake, further_takes, manage, remake
from batchveo.provider.catalog.price_list import PriceList
from batchveo.provider.catalog.user_catalog import find_catalog
from batchveo.store import Store
from batchveo.web.api import Body, change_store, find_job_by_id

MOST_JOBS = 100_000
"""Jobs of one change."""

LONGEST_PROMPT = 100_000
"""Characters."""

Change = Callable[[Store, Sequence[Job], Body], int]


async def retry_jobs(request: Request) -> Response:
    """Set ``jobs`` (ids), or all that failed for ``cause``, to pending; ``seen`` as for ``resolve_jobs``."""
    return await _change_jobs(request, "retry", _retry)


async def cancel_jobs(request: Request) -> Response:
    """Cancel ``jobs``; ``seen`` as for ``resolve_jobs``."""
    return await _change_jobs(request, "cancel", _cancel)


async def resolve_jobs(request: Request) -> Response:
    """Resolve ``jobs`` in doubt: ``how`` is ``resubmit``, ``fail`` or ``generation`` (with ``generation_id``).

    ``seen`` has the ``state`` and the ``request`` (its id) that the person saw: the decision is about those.
    """
    return await _change_jobs(request, "resolve", _resolve)


def _retry(store: Store, jobs: Sequence[Job], _: Body) -> int:
    return manage.retry_jobs(store, jobs, now=time.time())


def _cancel(store: Store, jobs: Sequence[Job], _: Body) -> int:
    return manage.cancel_jobs(store, jobs, now=time.time())


def _resolve(store: Store, jobs: Sequence[Job], body: Body) -> int:
    how, generation = body.get("how"), body.get("generation_id")
    if how not in ("resubmit", "fail", "generation"):
        raise HTTPException(400, "how is resubmit, fail or generation")
    generation_id = generation.strip() if isinstance(generation, str) else ""
    if how == "generation" and not generation_id:
        raise HTTPException(400, "the id of the generation is missing")
    moved = manage.resolve_jobs(
        store,
        jobs,
        now=time.time(),
        resubmit=how == "resubmit",
        fail=how == "fail",
        generation_id=generation_id if how == "generation" else None,
    )
    return len(moved)


async def replace_prompt(request: Request) -> Response:
    """Cancel ``job`` (an id), and add one with another ``prompt``; ``seen`` as for ``resolve_jobs``."""

    def replace(store: Store, body: Body) -> dict[str, object]:
        job, prompt = find_job_by_id(store, str(body.get("job"))), body.get("prompt")
        if not isinstance(prompt, str) or not prompt.strip() or len(prompt) > LONGEST_PROMPT:
            raise HTTPException(400, "the prompt is a text")
        _check_seen(job, body)
        new = remake.replace_prompt(store, job, prompt.strip(), now=time.time(), catalog=find_catalog())
        return {"done": 1, "id": new.id}

    return await change_store(request, replace)


async def add_takes(request: Request) -> Response:
    """Add ``takes`` more takes of ``jobs`` (ids); ``expected`` as ``preview_change`` told it."""

    def add(store: Store, body: Body) -> dict[str, object]:
        # two tabs may ask at once: what was told still applies in the transaction that adds them
        with store.connection.transaction():
            planned = _plan_takes(store, body)
            if _identify_takes(store, planned) != body.get("expected"):
                raise UsageError("there are other takes by now; look at them again")
            done = len(further_takes.add_takes(store, planned, now=time.time()))
            return {"done": done, "notes": list(chain_remake.describe_left(store, planned.firsts))}

    return await change_store(request, add)


async def make_anew(request: Request) -> Response:
    """Make ``jobs`` (ids), and all that is made from their videos, anew; ``expected`` as ``preview_change`` told it."""

    def remake_them(store: Store, body: Body) -> dict[str, object]:
        with store.connection.transaction():
            planned = _plan_anew(store, body)
            if _identify_anew(planned) != body.get("expected"):
                raise UsageError("these chains have moved since you were asked; look at them again")
            chain_remake.remake_chains(store, planned, now=time.time(), catalog=find_catalog())
            return {"done": planned.videos}

    return await change_store(request, remake_them)


def _plan_anew(store: Store, body: Body) -> chain_remake.ChainRemake:
    return chain_remake.plan_chains(store, find_selected(store, body), catalog=find_catalog())


def _identify_anew(planned: chain_remake.ChainRemake) -> str:
    """A text that is the same as long as the same videos are made anew in the same way."""
    return _identify(
        (step.first.id, *((job.id, job.state) for job in step.jobs)) for steps in planned.rounds for step in steps
    )


def _plan_takes(store: Store, body: Body) -> further_takes.FurtherTakes:
    takes = body.get("takes")
    if type(takes) is not int:
        raise HTTPException(400, "takes is a number")
    return further_takes.plan_takes(store, find_selected(store, body), takes, catalog=find_catalog())


def _identify_takes(store: Store, planned: further_takes.FurtherTakes) -> str:
    """A text that is the same as long as no take is added to these jobs."""
    return _identify((first.id, store.takes.list_family(first)[-1].take, planned.count) for first in planned.firsts)


def _identify_jobs(jobs: Iterable[Job]) -> str:
    """A text that is the same as long as these jobs, and no others, are as they are now."""
    return _identify((job.id, job.state, job.held, job.attempts, job.client_request_id) for job in jobs)


def _identify(facts: Iterable[tuple[object, ...]]) -> str:
    return hashlib.sha256(repr(list(facts)).encode()).hexdigest()


def _check_seen(job: Job, body: Body) -> None:
    """Refuse a decision about what has moved: the log may have shown that the request became a paid video."""
    now = {"state": job.state.value, "request": job.client_request_id}
    if body.get("seen", now) != now:
        raise UsageError(f"{job.name!r} has moved since you were asked; look at it again")


async def _change_jobs(request: Request, act: str, change: Change) -> Response:
    return await change_store(request, lambda store, body: {"done": change(store, _find_jobs(store, body, act), body)})


async def preview_change(request: Request) -> Response:
    """What ``act`` would do to ``jobs`` (ids), or all of a ``cause``.

    ``act``: ``retry``, ``cancel``, ``resolve``, ``takes``, or ``anew`` (the jobs with all that is made from them).
    ``jobs``: how many of them it can be done to; ``others``: to how many it cannot. ``usd``: what those cost when they
    are submitted, by the latest list of prices or what their models have cost; ``unpriced`` of them have no price.
    ``expected`` goes into the request that does it: it is refused if the jobs are others or in another state by then.
    ``following``: the ``jobs`` that wait for the videos of these, with ``usd`` and ``unpriced``; ``made``: how many
    jobs were bought with their earlier videos.
    """

    def preview(store: Store, body: Body) -> dict[str, object]:
        if body.get("act") == "takes":
            planned = _plan_takes(store, body)
            cost = {"usd": planned.usd, "unpriced": planned.unpriced}
            return {"jobs": planned.takes, "others": 0, **cost, "expected": _identify_takes(store, planned)}
        if body.get("act") == "anew":
            remade = _plan_anew(store, body)
            cost = {"usd": round(remade.usd, 6), "unpriced": remade.unpriced}
            return {"jobs": remade.videos, "others": 0, **cost, "expected": _identify_anew(remade)}
        named = find_selected(store, body)
        jobs = choose_eligible(named, str(body.get("act")))
        return {
            **_sum_jobs(store, jobs),
            "others": len(named) - len(jobs),
            "expected": _identify_jobs(jobs),
            **_describe_chains(store, jobs, str(body.get("act"))),
        }

    return await change_store(request, preview, writing=False)


def _describe_chains(store: Store, jobs: Sequence[Job], act: str) -> dict[str, object]:
    if act not in ("retry", "cancel") or not store.chains.has_links():
        return {}
    following = store.chains.list_following(jobs, only_these=act == "cancel")
    return {"following": _sum_jobs(store, following), "made": store.chains.count_made(jobs)}


def _sum_jobs(store: Store, jobs: Sequence[Job]) -> dict[str, object]:
    """How many there are, and what they cost."""
    prices = list(price_jobs(store, jobs))
    known = [price for price in prices if price is not None]
    return {"jobs": len(jobs), "usd": round(sum(known), 6), "unpriced": len(prices) - len(known)}


def _find_jobs(store: Store, body: Body, act: str) -> list[Job]:
    """The jobs of a body.

    With ``expected``, those of many that ``act`` can be done to: they must be the ones that the person was told of.
    """
    jobs, expected = find_selected(store, body), body.get("expected")
    if expected is None:
        for job in jobs:
            _check_seen(job, body)
        return jobs
    eligible = choose_eligible(jobs, act)
    if _identify_jobs(eligible) != expected:
        raise UsageError(f"some have moved since you were asked: {len(eligible):,} jobs by now; look at them again")
    return eligible


def find_selected(store: Store, body: Body) -> list[Job]:
    """The jobs of a body in manifest order: all that failed for ``cause``, or ``jobs`` (ids)."""
    cause, ids = body.get("cause"), body.get("jobs")
    if isinstance(cause, str):
        return [job for job in store.jobs(JobState.FAILED) if find_cause(job.error) == cause]
    if not isinstance(ids, list) or not ids or len(ids) > MOST_JOBS or not all(isinstance(key, str) for key in ids):
        raise HTTPException(400, f"jobs are ids, at most {MOST_JOBS:,}")
    found = store.queries.list_jobs_by_id(ids)
    if len(found) != len(set(ids)):
        raise HTTPException(404, "there is no such job")
    return found


def choose_eligible(jobs: Iterable[Job], act: str) -> list[Job]:
    """Those of ``jobs`` that ``act`` can be done to; one that another job replaces is retried by itself only."""
    if act == "retry":
        return [job for job in jobs if job.state in manage.RETRIED and not manage.is_made_again(job)]
    if act == "cancel":
        return [job for job in jobs if job.state in manage.WITHDRAWN]
    if act == "resolve":  # the usage log is still asked for the others
        return [job for job in jobs if job.state is JobState.IN_DOUBT and job.held]
    raise HTTPException(400, "act is retry, cancel or resolve")


def price_jobs(store: Store, jobs: Sequence[Job]) -> Iterable[float | None]:
    """US dollars of each job when it is submitted; ``None`` if its price is not known."""
    quotes = store.prices.load_quotes({job.model for job in jobs})
    book = PriceBook(PriceList({model: quote.pricing for model, quote in quotes.items()}), store)
    for job in jobs:
        price = book.find_price(job.model, job.request)
        yield None if price is None else price.usd
