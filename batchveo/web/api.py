"""The JSON API of the page: what it shows. ``changes`` has what a person changes."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from batchveo.core.errors import BatchveoError
from batchveo.core.fields import parse_condition
from batchveo.core.models import Job, JobState
from batchveo.store import Store
from batchveo.store.job_search import Choice, Filter, Order, Waits
from batchveo.web import serializers
from batchveo.web.chains import make_strip
from batchveo.web.charts.data import make_charts
from batchveo.web.clip_checks import find_near_copies

MOST_ON_A_PAGE = 500
USUAL_ON_A_PAGE = 120
MOMENT = 0.1
"""Seconds that the progress waits for a count of the blocked jobs; with a million jobs it is an older one."""
LARGEST_BODY = 4 * 1024 * 1024

Body = Mapping[str, object]


def list_jobs(request: Request) -> Response:
    """The cards at ``most`` positions from ``at`` on, and how many jobs match (``matching``).

    ``order``: one of ``Order``, or ``auto`` (newest finished first while a run is going on); the answer names it.
    ``upto``: a moment; in the order by finish, later ones are only counted (``newer``). ``counts``: the jobs by state,
    model, manifest and split, if the index was asked. ``groups``: the sizes of the groups of one prompt.
    ``scanned``: if there was no time to search all jobs, how many were searched; the same question goes on with it.
    ``copies`` of a card: how many other clips look the same; its place in a chain is described in ``chains``.
    """
    query = request.query_params
    wanted, at = read_filter(query), read_number(query, "at") or 0
    most, upto = min(read_number(query, "most") or USUAL_ON_A_PAGE, MOST_ON_A_PAGE), _read_moment(query, "upto")
    with open_store(request) as store:
        total, order = store.counts().total, read_order(query, store)
        # without a filter, positions are numbers of jobs: the page need not wait for the index, which may take seconds
        if wanted == Filter() and order in (Order.MANIFEST, Order.ADDED) and store.search.is_gapless(total):
            newest = order is Order.ADDED
            found = store.search.read_page(after=total + 1 - at if newest else at, newest=newest, most=most)
            facts: dict[str, object] = {"matching": total, "counts": None, "newer": 0, "groups": None, "scanned": None}
        else:
            matches = request.app.state.index.find_jobs(wanted, order, at=at, most=most, upto=upto)
            found = store.search.read_cards(matches.seqs)
            facts = {
                "matching": matches.total,
                "counts": matches.counts,
                "newer": matches.newer,
                "groups": matches.groups,
                "scanned": None if matches.compared is None else {"jobs": matches.compared, "total": total},
            }
        cards = serializers.make_cards(store, found, request.app.state.presence)
    copies = request.app.state.near_copies.find()
    cards = [{**card, "copies": copies.get(card["seq"], 0)} for card in cards]
    return make_answer({"jobs": cards, "at": at, "order": order, "now": time.time(), **facts})


def show_job(request: Request) -> Response:
    """The whole history of one job."""
    videos, presence = request.app.state.videos, request.app.state.presence
    with open_store(request) as store:
        job = find_job(store, request)
        detail = {
            **serializers.make_detail(store, job, videos),
            **make_strip(store, job, presence),
            "near": find_near_copies(store, job),
        }
        return make_answer({**serializers.read_card(store, job, presence), **detail})


def show_progress(request: Request) -> Response:
    """Counts, money, speed and the cards that changed after the event ``since``."""
    since = read_number(request.query_params, "since")
    request.app.state.index.refresh_soon()  # while the page is open, so that a search need not wait
    blocked = request.app.state.blocked.find(MOMENT)
    with open_store(request) as store:
        presence = request.app.state.presence
        return make_answer(
            serializers.make_progress(store, since=since, now=time.time(), presence=presence, blocked=blocked)
        )


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


async def change_store(
    request: Request, change: Callable[[Store, Body], Mapping[str, object]], *, writing: bool = True
) -> Response:
    """Change the database by the JSON object that was sent; what cannot be done is answered with 409 and why.

    Without ``writing`` it is only read.
    """
    body = await _read_body(request)

    def work() -> Mapping[str, object]:
        with Store.existing(request.app.state.path) if writing else open_store(request) as store:
            return change(store, body)

    try:
        return make_answer(await run_in_threadpool(work))
    except BatchveoError as error:
        return make_answer({"error": str(error)}, 409)
    except UnicodeEncodeError:
        raise HTTPException(400, "half a character is in it") from None


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


def read_filter(query: QueryParams) -> Filter:
    """The filter of a query: ``state`` (several), ``model``, ``manifest``, ``split``, ``q`` and so on."""
    try:
        states = tuple(JobState(text) for text in query.getlist("state"))
    except ValueError:
        raise HTTPException(400, "there is no such state") from None
    choice, waits, where = query.get("choice"), query.get("waits"), query.get("where", "").strip()
    if choice not in (None, *Choice):
        raise HTTPException(400, "there is no such choice")
    if waits not in (None, *Waits):
        raise HTTPException(400, "waits is waiting or blocked")
    return Filter.of(
        query.get("q", "")[:1000],
        states=states,
        model=query.get("model"),
        manifest=query.get("manifest"),
        split=query.get("split"),
        waits=None if waits is None else Waits(waits),
        chain=query.get("chain"),
        rejected=query.get("gate") == "rejected",
        choice=None if choice is None else Choice(choice),
        where=parse_condition(where) if where else None,
    )


def read_order(query: QueryParams, store: Store) -> Order:
    """The ``order`` of a query; ``auto`` depends on whether a run is going on."""
    text = query.get("order", Order.MANIFEST)
    if text == "auto":
        return Order.FINISHED if store.runs.is_running() else Order.MANIFEST
    if text not in tuple(Order):
        raise HTTPException(400, "there is no such order")
    return Order(text)


def _read_moment(query: QueryParams, name: str) -> float | None:
    """Seconds since the epoch."""
    text = query.get(name)
    if text is None:
        return None
    try:
        moment = float(text)
    except ValueError:
        moment = math.nan
    if not math.isfinite(moment):
        raise HTTPException(400, f"{name} is a number of seconds")
    return moment


def read_number(query: QueryParams, name: str) -> int | None:
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
