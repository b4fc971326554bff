"""What a request to the page's server asks for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from batchveo.core.models import Job, JobState
from batchveo.store import Store
from batchveo.store.job_search import Filter
from batchveo.web.serializers import as_json

MOST_ON_A_PAGE = 500
USUAL_ON_A_PAGE = 120
LARGEST_BODY = 4 * 1024 * 1024


def answer(value: object, status: int = 200) -> Response:
    """JSON."""
    return Response(as_json(value), status_code=status, media_type="application/json")


def state_path(request: Request) -> Path:
    """The state that is looked at."""
    path: Path = request.app.state.path
    return path


def reading(request: Request) -> Store:
    """The state, opened for one request: a connection belongs to its thread."""
    return Store(state_path(request), writing=False)


def filter_of(query: QueryParams) -> Filter:
    """``state`` (several), ``model``, ``manifest``, ``split``, ``q``."""
    try:
        states = tuple(JobState(text) for text in query.getlist("state"))
    except ValueError:
        raise HTTPException(400, "there is no such state") from None
    return Filter.of(
        query.get("q", "")[:1000],
        states=states,
        model=query.get("model"),
        manifest=query.get("manifest"),
        split=query.get("split"),
    )


def number(query: QueryParams, name: str) -> int | None:
    """A whole number of up to 18 digits."""
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise HTTPException(400, f"{name} is a number")
    return int(text)


def job_asked_for(store: Store, request: Request) -> Job:
    """The job whose id stands in the path."""
    job = store.queries.find_job_by_id(request.path_params["id"])
    if job is None:
        raise HTTPException(404, "there is no such job")
    return job


async def body_of(request: Request) -> Mapping[str, object]:
    """The JSON object that a request carries."""
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
