"""The JSON API of the page: what it shows, and the changes that ``retry``, ``cancel`` and ``resolve`` make too."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from batchveo.core.errors import BatchveoError, UsageError
from batchveo.core.failure_causes import find_cause
from batchveo.core.fields import parse_condition
from batchveo.core.models import Job, JobState
from batchveo.operations import manage
from batchveo.store import Store
from batchveo.store.job_search import Choice, Filter
from batchveo.web import serializers
from batchveo.web.charts.data import make_charts
from batchveo.web.clip_checks import find_near_copies

MOST_ON_A_PAGE = 500
USUAL_ON_A_PAGE = 120
LARGEST_BODY = 4 * 1024 * 1024

Body = Mapping[str, object]
Change = Callable[[Store, Sequence[Job], Body], int]


def list_jobs(request: Request) -> Response:
    """A page of cards, each with how many other clips look the same (``copies``).

    The first page has ``matching``, a count up to 10,001. With a search or a filter other than states, it has
    ``by_state`` too: the matches in each state. If a condition took too long, ``scanned`` says how many jobs were
    compared with it, and ``rest`` is what to ask for next (``after``).
    """
    query, index = request.query_params, request.app.state.index
    wanted, after, newest = _read_filter(query), _read_number(query, "after"), query.get("order") == "newest"
    most = min(_read_number(query, "most") or USUAL_ON_A_PAGE, MOST_ON_A_PAGE)
    matching = by_state = scanned = rest = None
    with open_store(request) as store:
        if wanted == Filter():
            found = store.search.read_page(after=after, newest=newest, most=most)
            more = len(found) == most
            if after is None:
                matching = store.counts().total if more else len(found)
        else:
            if after is None:
                matches = index.find_jobs(wanted, newest=newest, most=most)
                seqs, upto = matches.seqs, matches.upto
                matching, by_state = matches.total, matches.by_state
            else:
                seqs, upto = index.find_more_jobs(wanted, after=after, newest=newest, most=most)
            more = len(seqs) == most or upto is not None
            if upto is not None:  # the next page begins where there was no more time, unless this one is full
                scanned = _describe_scan(store, upto, newest=newest)
                rest = seqs[-1] if len(seqs) == most else upto
            # a run may have moved some of them since
            found = [row for row in store.search.read_cards(seqs) if wanted.has_state(row["state"])]
    copies = request.app.state.near_copies.find_counts()
    cards = [
        {**card, "copies": copies.get(card["seq"], 0)}
        for card in serializers.make_cards(found, request.app.state.presence)
    ]
    counts = {"matching": matching, "by_state": by_state}
    return make_answer({"jobs": cards, "more": more, **counts, "scanned": scanned, "rest": rest})


def show_job(request: Request) -> Response:
    """The whole history of one job."""
    videos, presence = request.app.state.videos, request.app.state.presence
    with open_store(request) as store:
        job = find_job(store, request)
        detail = {**serializers.make_detail(store, job, videos), "near": find_near_copies(store, job)}
        return make_answer({**serializers.read_card(store, job, presence), **detail})


def show_progress(request: Request) -> Response:
    """Counts, money, speed and the cards that changed after the event ``since``."""
    since = _read_number(request.query_params, "since")
    request.app.state.index.refresh_soon()  # while the page is open, so that a search need not wait
    with open_store(request) as store:
        presence = request.app.state.presence
        return make_answer(serializers.make_progress(store, since=since, now=time.time(), presence=presence))


def list_failures(request: Request) -> Response:
    """The failures by cause."""
    with open_store(request) as store:
        return make_answer({"causes": serializers.list_failures(store)})


def list_choices(request: Request) -> Response:
    """The values to filter by."""
    return make_answer(serializers.list_choices(request.app.state.index))


def show_charts(request: Request) -> Response:
    """The data of the charts of one night."""
    index, night = request.app.state.index, request.query_params.get("night")
    with open_store(request) as store:
        return make_answer(make_charts(store, index, now=time.time(), night=night))


async def retry_jobs(request: Request) -> Response:
    """Set ``jobs`` (ids), or all that failed for ``cause``, to pending."""
    return await _change_jobs(request, lambda store, jobs, _: manage.retry_jobs(store, jobs, now=time.time()))


async def cancel_jobs(request: Request) -> Response:
    """Cancel ``jobs``."""
    return await _change_jobs(request, lambda store, jobs, _: manage.cancel_jobs(store, jobs, now=time.time()))


async def resolve_jobs(request: Request) -> Response:
    """Resolve ``jobs`` in doubt: ``how`` is ``resubmit``, ``fail`` or ``generation`` (with ``generation_id``).

    ``seen`` has the ``state`` and the ``request`` (its id) that the person saw: the decision is about those.
    """
    return await _change_jobs(request, _resolve)


def _resolve(store: Store, jobs: Sequence[Job], body: Body) -> int:
    how, generation = body.get("how"), body.get("generation_id")
    if how not in ("resubmit", "fail", "generation"):
        raise HTTPException(400, "how is resubmit, fail or generation")
    generation_id = generation.strip() if isinstance(generation, str) else ""
    if how == "generation" and not generation_id:
        raise HTTPException(400, "the id of the generation is missing")
    for job in jobs:
        # while the question was open, the log may have shown that the request became a paid video
        now = {"state": job.state.value, "request": job.client_request_id}
        if body.get("seen", now) != now:
            raise UsageError(f"{job.name!r} has moved since you were asked; look at it again")
    moved = manage.resolve_jobs(
        store,
        jobs,
        now=time.time(),
        resubmit=how == "resubmit",
        fail=how == "fail",
        generation_id=generation_id if how == "generation" else None,
    )
    return len(moved)


async def _change_jobs(request: Request, change: Change) -> Response:
    return await change_store(request, lambda store, body: {"done": change(store, _find_jobs(store, body), body)})


async def change_store(request: Request, change: Callable[[Store, Body], Mapping[str, object]]) -> Response:
    """Change the database by the JSON object that was sent; what cannot be done is answered with 409 and why."""
    body = await _read_body(request)

    def work() -> Mapping[str, object]:
        with Store.existing(request.app.state.path) as store:
            return change(store, body)

    try:
        return make_answer(await run_in_threadpool(work))
    except BatchveoError as error:
        return make_answer({"error": str(error)}, 409)
    except UnicodeEncodeError:
        raise HTTPException(400, "half a character is in it") from None


def _find_jobs(store: Store, body: Body) -> list[Job]:
    cause, ids = body.get("cause"), body.get("jobs")
    if isinstance(cause, str):
        return [job for job in store.jobs(JobState.FAILED) if find_cause(job.error) == cause]
    if not isinstance(ids, list) or not ids:
        raise HTTPException(400, "jobs are ids")
    return [find_job_by_id(store, key) for key in dict.fromkeys(map(str, ids))]


def find_job(store: Store, request: Request) -> Job:
    """The job whose id is in the path of ``request``."""
    return find_job_by_id(store, request.path_params["id"])


def find_job_by_id(store: Store, key: str) -> Job:
    """The job of exactly that id."""
    job = store.queries.find_job_by_id(key)
    if job is None:
        raise HTTPException(404, "there is no such job")
    return job


def open_store(request: Request) -> Store:
    """The database for one request, read-only: a connection belongs to its thread."""
    return Store(request.app.state.path, writing=False)


def make_answer(value: object, status: int = 200) -> Response:
    """A response with ``value`` as JSON."""
    return Response(serializers.encode_json(value), status_code=status, media_type="application/json")


def _read_filter(query: QueryParams) -> Filter:
    """``state`` (several), ``model``, ``manifest``, ``split``, ``q``, ``gate``, ``choice`` and ``where``."""
    try:
        states = tuple(JobState(text) for text in query.getlist("state"))
    except ValueError:
        raise HTTPException(400, "there is no such state") from None
    choice, where = query.get("choice"), query.get("where", "").strip()
    if choice not in (None, *Choice):
        raise HTTPException(400, "there is no such choice")
    return Filter.of(
        query.get("q", "")[:1000],
        states=states,
        model=query.get("model"),
        manifest=query.get("manifest"),
        split=query.get("split"),
        rejected=query.get("gate") == "rejected",
        choice=None if choice is None else Choice(choice),
        where=parse_condition(where) if where else None,
    )


def _describe_scan(store: Store, upto: int, *, newest: bool) -> dict[str, int]:
    total = store.counts().total
    return {"jobs": total - upto + 1 if newest else upto, "total": total}


def _read_number(query: QueryParams, name: str) -> int | None:
    """A whole number of at most 18 digits."""
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise HTTPException(400, f"{name} is a number")
    return int(text)


async def _read_body(request: Request) -> Body:
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > LARGEST_BODY:
            raise HTTPException(413, "this is too long")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise HTTPException(400, "a JSON object is needed")
    return body
