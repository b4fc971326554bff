"""What the page shows, as JSON: cards, a job's whole history, the causes of failures, the progress.

Times are seconds since the epoch, money is US dollars.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict

from batchveo.core.destination import Destination
from batchveo.core.models import Job
from batchveo.operations.status import describe_time_left, make_status_row
from batchveo.storage.reader import video_at
from batchveo.store import Store
from batchveo.store.job_search import CLIP, Filter, text_of
from batchveo.web.failure_groups import causes
from batchveo.web.file_presence import Presence, Problem

MOST_CHANGES = 200
MOST_DOUBTS = 20
_PLAIN = (
    *("seq", "id", "name", "state", "model", "manifest", "seed", "cost_usd", "bytes"),
    *("generation_id", "attempts", "not_before", "submitted_at", "completed_at", "finished_at"),
)


def cards(found: Sequence[sqlite3.Row], presence: Presence, *, anew: bool = False) -> list[dict[str, object]]:
    """Jobs as the gallery shows them, with what is wrong with their videos by a look at them."""
    problems = presence.problems(found, anew=anew)  # type: ignore[arg-type]
    return [card(row, problems.get(row["id"])) for row in found]


def card(row: sqlite3.Row, problem: Problem | None = None) -> dict[str, object]:
    """One job as the gallery shows it; ``video`` tells whether there is one to play, ``problem`` what is wrong."""
    error = row["error"]
    return {
        **{name: row[name] for name in _PLAIN},
        "prompt": text_of(row["prompt"]),
        "split": text_of(row["split"]),
        "held": bool(row["held"]),
        "index": row["repeat_index"],
        "error": None if error is None else error[:CLIP],
        "video": row["state"] == "succeeded" and row["file"] is not None and not (problem and problem.gone),
        "problem": problem and problem.row(),
    }


def detail(store: Store, job: Job, videos: Destination | None = None) -> dict[str, object]:
    """All that is known of one job; ``videos`` says where the videos are now, if they were moved."""
    seconds = None
    if job.completed_at is not None and job.submitted_at is not None:
        seconds = round(job.completed_at - job.submitted_at, 3)
    return {
        "prompt": job.prompt,
        "error": job.error,
        "request": dict(job.request),
        "meta": dict(job.meta),
        "source": job.source,
        "line": job.line,
        "client_request_id": job.client_request_id,
        "file": str(video_at(job, videos)) if job.file else None,
        "sha256": job.sha256,
        "created_at": job.created_at,
        "generation_seconds": seconds,
        "attempts": [dict(row) for row in store.queries.list_attempts_of(job)],
        "events": [dict(row) for row in store.queries.list_moves(job)],
    }


def card_of(store: Store, job: Job, presence: Presence) -> dict[str, object]:
    """The card of one job."""
    (told,) = cards(store.search.read_page(Filter(), after=job.seq - 1, most=1), presence, anew=True)
    return told


def failures(store: Store) -> list[dict[str, object]]:
    """The causes of failures: ``cause, jobs, text, example`` (an id) ``, example_name, models``."""
    shown = []
    for cause in causes(store.search.list_errors()):  # type: ignore[arg-type]
        job = store.queries.read_job(cause.example)
        shown.append({**asdict(cause), "example": job.id, "example_name": job.name})
    return shown


def choices(store: Store) -> dict[str, list[dict[str, object]]]:
    """What there is to filter by."""
    return {
        name: [{"value": text_of(row["value"]), "jobs": row["jobs"]} for row in rows]
        for name, rows in store.search.list_choices().items()
    }


def progress(store: Store, *, since: int | None, now: float, presence: Presence) -> dict[str, object]:
    """Counts, money and speed, with the cards that changed after the event numbered ``since``.

    ``ahead`` is what is left, in the words of the terminal.
    ``many`` instead of cards where they are too many to send: whoever asks had better look anew.
    """
    cursor = store.search.read_latest_event()
    moved = [] if since is None else store.search.list_changes(since, most=MOST_CHANGES + 1)
    many = len(moved) > MOST_CHANGES
    status = make_status_row(store, now=now)
    status["in_doubt"] = status["in_doubt"][:MOST_DOUBTS]  # type: ignore[index]
    run = store.runs.find_latest()
    return {
        **status,
        "ahead": describe_time_left(status),
        "now": now,
        "run": None if run is None else dict(run),
        "cursor": cursor,
        "many": many,
        "changed": [] if many else cards(moved, presence),
    }


def as_json(value: object) -> bytes:
    """JSON as UTF-8; halves of characters, which UTF-8 has no bytes for, are written as escapes."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
