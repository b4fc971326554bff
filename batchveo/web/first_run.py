"""The page before the first run: what to type, until the database is there."""

from __future__ import annotations

import html
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from batchveo.core.hints import format_command
from batchveo.operations.quote import is_missing_database
from batchveo.store.database import open_untouched
from batchveo.web.page import ICON, name_page, read_asset

PAGE, SCRIPT = "first-run.html", "first-run.js"
STYLES = ("tokens.css", "layout.css", "first-run.css")
ASKED = "/api/progress"
"""What the waiting page asks for; the answer has a content once there is a run."""
WAITING = "This page shows the run as soon as it begins."
_TYPES = {SCRIPT: "text/javascript", ICON: "image/svg+xml", **dict.fromkeys(STYLES, "text/css")}
HAS_RUNS = "SELECT EXISTS (SELECT 1 FROM runs)"


class Step(NamedTuple):
    """A command to type, and what it does."""

    command: str
    purpose: str


class FirstRun:
    """Answers requests until the first run has made its database, which ``make_page`` then shows.

    Nothing is written meanwhile.
    """

    def __init__(self, state: Path, make_page: Callable[[], ASGIApp]) -> None:
        self._state = state
        self._make_page = make_page
        self._page: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request as the page does, once it can."""
        if self._page is None and is_ready(self._state):
            self._page = self._make_page()
        answer = self._page or self._answer(scope)
        await answer(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        name = str(scope["path"]).removeprefix("/static/")
        if name == "/":
            return HTMLResponse(make_first_page(self._state))
        if name in _TYPES:
            return Response(read_asset(name), media_type=_TYPES[name], headers={"cache-control": "no-cache"})
        if name == ASKED:
            return Response(status_code=204)
        return PlainTextResponse(f"there is no database at {self._state} yet\n", status_code=404)


def is_ready(state: Path) -> bool:
    """Whether a run has begun with this database, or the page must say what is wrong with it.

    An empty file, or a database that is being made, has no run.
    """
    if is_missing_database(state):
        return False
    try:
        with closing(open_untouched(state)) as db:
            return bool(db.execute(HAS_RUNS).fetchone()[0])
    except (sqlite3.OperationalError, OSError):
        return False
    except sqlite3.DatabaseError:  # no database, or a broken one: it would be waited for without end
        return True


def list_steps(state: Path) -> list[Step]:
    """The three commands that lead to the first videos."""
    return [
        Step(format_command("init"), "Write a first manifest, videos.yaml. It takes your own table or list too."),
        Step(format_command("plan", "videos.yaml", state=state), "Check it and see the price; nothing is bought."),
        Step(
            format_command("run", "videos.yaml", state=state),
            "Generate the videos. Your key is in AIMLAPI_API_KEY; with --sandbox it is a trial without a key and cost.",
        ),
    ]


def make_first_page(state: Path) -> str:
    """The page as HTML."""
    items = "\n".join(
        f'<li><p>{html.escape(step.purpose)}</p><div class="command"><code id="command-{number}">'
        f'{html.escape(step.command)}</code><button type="button" class="quiet" data-copies="command-{number}" '
        f'aria-label="Copy: {html.escape(step.command)}" hidden>Copy</button></div></li>'
        for number, step in enumerate(list_steps(state), 1)
    )
    page = read_asset(PAGE)
    for name, value in {
        "name": name_page(state.stem)["name"],
        "commands": items,
        "waiting": html.escape(WAITING),
    }.items():
        page = page.replace(f"{{{{{name}}}}}", value)
    return page
