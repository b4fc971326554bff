"""The requests that look: they change nothing."""

from __future__ import annotations

import time
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from batchveo.store.job_search import Filter
from batchveo.web import serializers
from batchveo.web.requests import (
    MOST_ON_A_PAGE,
    USUAL_ON_A_PAGE,
    answer,
    filter_of,
    job_asked_for,
    number,
    reading,
)


def jobs(request: Request) -> Response:
    """A page of cards. ``matching`` (counted up to 10,001) comes with the first one.

    With a search or another filter than states, ``by_state`` has what fits it in each state, wanted or not.
    """
    query = request.query_params
    wanted = filter_of(query)
    after = number(query, "after")
    most = min(number(query, "most") or USUAL_ON_A_PAGE, MOST_ON_A_PAGE)
    with reading(request) as store:
        found = store.search.read_page(wanted, after=after, newest=query.get("order") == "newest", most=most)
        more = len(found) == most
        matching = store.search.count_matches(wanted) if after is None and more else None
        is_narrowed = replace(wanted, states=()) != Filter()
        by_state = store.search.count_matches_by_state(wanted) if after is None and is_narrowed else None
    total = len(found) if after is None and not more else matching
    return answer(
        {
            "jobs": serializers.cards(found, request.app.state.presence),
            "more": more,
            "matching": total,
            "by_state": by_state,
        }
    )


def job(request: Request) -> Response:
    """One job's whole history."""
    with reading(request) as store:
        found = job_asked_for(store, request)
        videos, presence = request.app.state.videos, request.app.state.presence
        return answer({**serializers.card_of(store, found, presence), **serializers.detail(store, found, videos)})


def progress(request: Request) -> Response:
    """Counts, money, speed, what changed."""
    since = number(request.query_params, "since")
    with reading(request) as store:
        presence = request.app.state.presence
        return answer(serializers.progress(store, since=since, now=time.time(), presence=presence))


def failures(request: Request) -> Response:
    """The failures by cause."""
    with reading(request) as store:
        return answer({"causes": serializers.failures(store)})


def choices(request: Request) -> Response:
    """What there is to filter by; kept until jobs are added, since it means a look at every one."""
    with reading(request) as store:
        total = store.counts().total
        known = getattr(request.app.state, "choices", None)
        if known is None or known[0] != total:
            known = request.app.state.choices = (total, serializers.choices(store))
    return answer(known[1])
