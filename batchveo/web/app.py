"""The page's server, as an ASGI application."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from batchveo.core.destination import Destination
from batchveo.core.errors import BatchveoError
from batchveo.web import actions, api, media
from batchveo.web.assets import ICON, STYLES, text_of
from batchveo.web.charts.data import charts
from batchveo.web.file_presence import Presence
from batchveo.web.page import live_page
from batchveo.web.requests import answer, reading
from batchveo.web.scripts import modules
from batchveo.web.security import Guard, Secrets
from batchveo.web.thumbnails import Posters, available

_TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


def app(state: Path, *, keys: Secrets, videos: Destination | None = None) -> ASGIApp:
    """Serves the jobs of ``state``; ``videos`` says where the videos are now, if they were moved."""
    inner = Starlette(routes=_ROUTES, exception_handlers=_HANDLERS)
    inner.state.path = state
    inner.state.videos = videos
    inner.state.presence = Presence(videos)
    inner.state.csrf = keys.csrf
    inner.state.posters = Posters(state.with_name(f"{state.name}.posters")) if available() else None
    inner.state.decoding = anyio.CapacityLimiter(media.DECODING_AT_ONCE)
    return Guard(inner, keys=keys)


def _page(request: Request) -> Response:
    state = request.app.state
    return HTMLResponse(live_page(state.csrf, posters=state.posters is not None, title=state.path.stem))


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in (ICON, *STYLES, *modules()):
        raise HTTPException(404, "there is no such file")
    kind = _TYPES[name.rpartition(".")[2]]
    return Response(text_of(name), media_type=kind, headers={"cache-control": "no-cache"})


def _charts(request: Request) -> Response:
    with reading(request) as store:
        return answer(charts(store, now=time.time(), night=request.query_params.get("night")))


async def _said(request: Request, error: Exception) -> Response:  # noqa: ARG001 - starlette's signature
    if not isinstance(error, HTTPException):
        raise error
    return answer({"error": error.detail}, error.status_code)


async def _unusable(request: Request, error: Exception) -> Response:  # noqa: ARG001 - starlette's signature
    return answer({"error": f"the state cannot be used: {error}"}, 503)


_HANDLERS = {HTTPException: _said, BatchveoError: _unusable, sqlite3.Error: _unusable, OSError: _unusable}
_ROUTES = [
    Route("/", _page),
    Route("/static/{name:path}", _static),
    Route("/api/jobs", api.jobs),
    Route("/api/jobs/{id}", api.job),
    Route("/api/progress", api.progress),
    Route("/api/failures", api.failures),
    Route("/api/choices", api.choices),
    Route("/api/charts", _charts),
    Route("/api/retry", actions.retry, methods=["POST"]),
    Route("/api/cancel", actions.cancel, methods=["POST"]),
    Route("/api/resolve", actions.resolve, methods=["POST"]),
    Route("/videos/{id}.mp4", media.video),
    Route("/posters/{id}.jpg", media.poster),
    Route("/sidecars/{id}.json", media.sidecar),
]
