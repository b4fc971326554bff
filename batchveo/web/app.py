"""The page's server, as an ASGI application."""

from __future__ import annotations

import sqlite3
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
from batchveo.core.expressions import ExpressionError
from batchveo.operations.quote import is_missing_database
from batchveo.store.page_index import PageIndex
from batchveo.web import api, changes, choices, media, selections
from batchveo.web.background import Background
from batchveo.web.file_presence import VideoPresence
from batchveo.web.first_run import FirstRun
from batchveo.web.near_copies import follow_near_copies
from batchveo.web.page import ICON, SCRIPT, STATE_ICONS, STYLE, bundle_script, bundle_style, make_live_page, read_asset
from batchveo.web.security import Guard, Secrets
from batchveo.web.thumbnails import Posters, has_media_extra

_TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


def make_app(state: Path, *, keys: Secrets, videos: Destination | None = None) -> ASGIApp:
    """The application for the database ``state``; ``videos`` is where the videos are now, if they were moved.

    If there is no database yet, it shows what to type until the first run has made one.
    """

    def make_page() -> ASGIApp:
        return _make_page(state, keys, videos)

    return Guard(FirstRun(state, make_page) if is_missing_database(state) else make_page(), keys=keys)


def _make_page(state: Path, keys: Secrets, videos: Destination | None) -> ASGIApp:
    inner = Starlette(routes=_ROUTES, exception_handlers=_HANDLERS)
    inner.state.path = state
    inner.state.index = PageIndex(state)
    inner.state.videos = videos
    inner.state.presence = VideoPresence(videos)
    inner.state.near_copies = follow_near_copies(state)
    inner.state.blocked = Background(state, lambda store: tuple(store.waiting.count_blocked()), ())
    inner.state.groups = {}
    inner.state.csrf = keys.csrf
    inner.state.posters = Posters(state.with_name(f"{state.name}.posters")) if has_media_extra() else None
    inner.state.decoding = anyio.CapacityLimiter(media.DECODING_AT_ONCE)
    return inner


def _send_page(request: Request) -> Response:
    state = request.app.state
    state.index.refresh_soon()
    state.near_copies.find()  # begun now, it is mostly ready for the first cards
    page = make_live_page(
        state.csrf, posters=state.posters is not None, title=state.path.stem, cursor=_read_cursor(request)
    )
    return HTMLResponse(page)


def _read_cursor(request: Request) -> int:
    """The number of the latest event; 0 if the state cannot be read, of which the page itself tells."""
    try:
        with api.open_store(request) as store:
            return store.search.read_latest_event()
    except (BatchveoError, sqlite3.Error, OSError):
        return 0


def _send_asset(request: Request) -> Response:
    name = request.path_params["name"]
    bundles = {STYLE: bundle_style, SCRIPT: bundle_script}
    if name not in (*bundles, ICON, *STATE_ICONS):
        raise HTTPException(404, "there is no such file")
    kind = _TYPES[name.rpartition(".")[2]]
    content = bundles[name]() if name in bundles else read_asset(name)
    return Response(content, media_type=kind, headers={"cache-control": "no-cache"})


async def _answer_refusal(request: Request, error: Exception) -> Response:  # noqa: ARG001 - starlette's signature
    if not isinstance(error, HTTPException):
        raise error
    return api.make_answer({"error": error.detail}, error.status_code)


async def _answer_slip(request: Request, error: Exception) -> Response:  # noqa: ARG001 - starlette's signature
    """The text of a filter, a field or a name is wrong: the page shows why beside it."""
    return api.make_answer({"error": str(error), "place": getattr(error, "place", None)}, 422)


async def _answer_failure(request: Request, error: Exception) -> Response:  # noqa: ARG001 - starlette's signature
    return api.make_answer({"error": f"the state cannot be used: {error}"}, 503)


_HANDLERS = {
    HTTPException: _answer_refusal,
    ExpressionError: _answer_slip,
    BatchveoError: _answer_failure,
    sqlite3.Error: _answer_failure,
    OSError: _answer_failure,
}
_ROUTES = [
    Route("/", _send_page),
    Route("/static/{name:path}", _send_asset),
    Route("/api/jobs", api.list_jobs),
    Route("/api/jobs/{id}", api.show_job),
    Route("/api/progress", api.show_progress),
    Route("/api/failures", api.list_failures),
    Route("/api/choices", api.list_choices),
    Route("/api/charts", api.show_charts),
    Route("/api/groups", choices.show_group),
    Route("/api/compare", choices.show_comparison),
    Route("/api/vote", choices.record_vote, methods=["POST"]),
    Route("/api/unvote", choices.undo_vote, methods=["POST"]),
    Route("/api/ids", selections.list_ids),
    Route("/api/fields", selections.list_fields),
    Route("/api/list", selections.list_selected, methods=["POST"]),
    Route("/api/preview", changes.preview_change, methods=["POST"]),
    Route("/api/retry", changes.retry_jobs, methods=["POST"]),
    Route("/api/cancel", changes.cancel_jobs, methods=["POST"]),
    Route("/api/resolve", changes.resolve_jobs, methods=["POST"]),
    Route("/api/reprompt", changes.replace_prompt, methods=["POST"]),
    Route("/api/anew", changes.make_anew, methods=["POST"]),
    Route("/api/takes", changes.add_takes, methods=["POST"]),
    Route("/videos/{id}.mp4", media.send_video),
    Route("/posters/{id}.jpg", media.send_poster),
    Route("/sidecars/{id}.json", media.send_sidecar),
]
