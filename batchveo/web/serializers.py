"""What the page shows, as JSON: cards, the history of a job, failures by cause, progress.

Times are seconds since the epoch, money is US dollars.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from batchveo.core.destination import Destination
from batchveo.core.durations import Durations
from batchveo.core.failure_causes import find_cause
from batchveo.core.hints import format_command, job_argument
from batchveo.core.models import Job, JobState
from batchveo.operations.status import describe_time_left, make_status_row
from batchveo.storage.stored_video import video_at
from batchveo.store import Store
from batchveo.store.job_search import CLIP, standing_of, text_of
from batchveo.store.page_index import PageIndex
from batchveo.store.waiting_jobs import AwaitedJob, BlockedCount
from batchveo.web.clip_checks import make_checks
from batchveo.web.file_presence import Problem, VideoPresence

MOST_CHANGES = 200
MOST_LABELS = 3
"""Values of ``meta`` on a card."""
CUT = 60
"""Characters of such a value."""
MOST_DOUBTS = 20
MOST_FLIGHTS = 12
"""Jobs in flight that are shown."""
LONGEST_DATA = 100
"""Characters of a data URI that are shown."""
_CARD_COLUMNS = (
    *("seq", "id", "name", "state", "model", "manifest", "seed", "cost_usd", "bytes"),
    *("generation_id", "attempts", "not_before", "submitted_at", "completed_at", "finished_at"),
    *("take", "verdict", "gate", "link"),
)


def make_cards(
    store: Store, found: Sequence[sqlite3.Row], presence: VideoPresence, *, anew: bool = False
) -> list[dict[str, object]]:
    """Jobs as the gallery shows them, with the problems of their videos, and what they wait for."""
    problems = presence.find_problems(found, anew=anew)  # type: ignore[arg-type]
    waiting = [row["seq"] for row in found if row["waits"]]
    waits = store.waiting.find_waits(waiting) if waiting else {}
    return [_make_card(row, problems.get(row["id"]), waits.get(row["seq"])) for row in found]


def _make_card(row: sqlite3.Row, problem: Problem | None, wait: AwaitedJob | None) -> dict[str, object]:
    """``video``: whether a video can be played; ``problem``: what is wrong with it."""
    error, standing = row["error"], standing_of(row["votes"])
    return {
        **{name: row[name] for name in _CARD_COLUMNS},
        "prompt": text_of(row["prompt"]),
        "split": text_of(row["split"]),
        **_describe_clip(row),
        **_describe_place(row, wait),
        "labels": _list_labels(text_of(row["meta"])),
        "choice": "picked" if standing.is_picked else "rejected" if standing.is_rejected else None,
        "rating": standing.rating,
        "held": bool(row["held"]),
        "index": row["repeat_index"],
        "error": None if error is None else error[:CLIP],
        "video": row["state"] == "succeeded" and row["file"] is not None and not (problem and problem.gone),
        "problem": problem and problem.make_row(),
    }


def _describe_place(row: sqlite3.Row, wait: AwaitedJob | None) -> dict[str, object]:
    """``chain``: the first job of the chain, ``None`` if it is in none; ``parents``, with the ``part`` that is taken.

    ``blocked_by``, ``waiting_for``: the job whose video is waited for, with its ``state``; at most one of both.
    """
    first = json.loads(row["chain"]) if row["chain"] else None
    other = None if wait is None else {"id": wait.id, "name": wait.name, "state": wait.state}
    return {
        "chain": first and {"id": first[0], "name": first[1]},
        "parents": [{"id": key, "name": name, "part": part} for key, name, part in json.loads(row["parents"])],
        "blocked_by": other if wait and wait.is_blocked else None,
        "waiting_for": other if wait and not wait.is_blocked else None,
    }


def _describe_clip(row: sqlite3.Row) -> dict[str, object]:
    """``duration`` (seconds) and ``aspect`` as measured, else as asked; ``resolution`` as asked; ``size``, ``fps``."""
    duration, resolution, aspect = (_plain(value) for value in json.loads(row["wanted"]))
    seconds, width, height, fps = json.loads(row["measured"] or "[null, null, null, null]")
    return {
        "duration": duration if seconds is None else round(seconds, 1),
        "resolution": resolution,
        "aspect": aspect if width is None else width / height,
        "size": None if width is None else [width, height],
        "fps": fps,
    }


def _list_labels(meta: str | None) -> dict[str, str]:
    """The first plain values of the manifest's ``meta``; the split is shown by itself."""
    values = json.loads(meta) if meta else {}
    plain = {key: _plain(value) for key, value in values.items() if key != "split"}
    return dict([(key[:CUT], str(value)[:CUT]) for key, value in plain.items() if value is not None][:MOST_LABELS])


def _plain(value: object) -> object:
    """``value`` if it is a text or a number of moderate length."""
    is_plain = isinstance(value, int | float) or (isinstance(value, str) and len(value) <= CLIP)
    return value if is_plain and not isinstance(value, bool) else None


def read_card(store: Store, job: Job, presence: VideoPresence) -> dict[str, object]:
    """The card of one job, with a new check of its video."""
    (card,) = make_cards(store, store.search.read_cards([job.seq]), presence, anew=True)
    return card


def make_detail(store: Store, job: Job, videos: Destination | None = None) -> dict[str, object]:
    """What a card lacks of a job; ``videos`` is where the videos are now, if they were moved."""
    seconds = None
    if job.completed_at is not None and job.submitted_at is not None:
        seconds = round(job.completed_at - job.submitted_at, 3)
    return {
        "prompt": job.prompt,
        "error": job.error,
        "request": _shorten_data(job.request),
        "catalogue": job.catalog,
        "unchecked": list(job.unchecked),
        "meta": dict(job.meta),
        "source": job.source,
        "line": job.line,
        "client_request_id": job.client_request_id,
        "file": str(video_at(job, videos)) if job.file else None,
        "sha256": job.sha256,
        "command": describe_command(store, job),
        "created_at": job.created_at,
        "generation_seconds": seconds,
        **make_checks(store, job),
        "attempts": [dict(row) for row in store.queries.list_attempts_of(job)],
        "events": [dict(row) for row in store.queries.list_moves(job)],
    }


def describe_command(store: Store, job: Job) -> str:
    """The command that a person may want next for a job, to be pasted into a shell."""
    key, state = job_argument(job.name, job.id), store.path.absolute()
    match job.state:
        case JobState.PENDING:
            return format_command("cancel", key, state=state)
        case JobState.IN_DOUBT:
            return format_command("resolve", key, "--resubmit", state=state)
        case JobState.FAILED | JobState.CANCELLED:
            return format_command("retry", key, state=state)
    return format_command("show", key, state=state)


def _shorten_data(value: object) -> object:
    """``value`` with the beginning of each data URI in place of the whole: an image is megabytes of Base64."""
    if isinstance(value, str) and value.startswith("data:") and len(value) > LONGEST_DATA:
        return f"{value[:LONGEST_DATA]}… ({len(value):,} characters)"
    if isinstance(value, list):
        return [_shorten_data(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _shorten_data(item) for name, item in value.items()}
    return value


def list_choices(index: PageIndex) -> dict[str, list[dict[str, object]]]:
    """The values to filter by, with their numbers of jobs."""
    choices = index.list_choices()
    return {name: [{"value": value, "jobs": jobs} for value, jobs in found] for name, found in choices.items()}


def make_progress(
    store: Store,
    *,
    since: int | None,
    now: float,
    presence: VideoPresence,
    blocked: Sequence[BlockedCount] | None = None,
) -> dict[str, object]:
    """Counts, money and speed, with the cards that changed after the event numbered ``since``.

    ``ahead`` is the time left, in the words of the terminal. ``many``: too many cards changed to be sent; the page
    must load its cards again. ``blocked``: the blocked jobs, if they are counted already.
    """
    cursor = store.search.read_latest_event()
    moved = [] if since is None else store.search.list_changes(since, most=MOST_CHANGES + 1)
    many = len(moved) > MOST_CHANGES
    status = make_status_row(store, now=now, blocked=blocked)
    status["in_doubt"] = status["in_doubt"][:MOST_DOUBTS]  # type: ignore[index]
    run = store.runs.find_latest()
    return {
        **status,
        "ahead": describe_time_left(status),
        "now": now,
        "flights": list_flights(store),
        "run": None if run is None else dict(run),
        "cursor": cursor,
        "many": many,
        "changed": [] if many else make_cards(store, moved, presence),
    }


def list_flights(store: Store) -> list[dict[str, object]]:
    """The oldest jobs in flight: ``since`` when each is being made or fetched, ``expected`` seconds of a generation."""
    found = store.progress.list_in_flight(most=MOST_FLIGHTS)
    durations = Durations()
    for model in {row["model"] for row in found}:
        durations.learn_all(model, store.queries.list_generation_seconds(model))
    return [
        {
            **{name: row[name] for name in ("id", "name", "model", "state")},
            "since": row["completed_at" if row["state"] == "downloading" else "submitted_at"] or 0.0,
            "expected": expected.median if (expected := durations.find_expected(row["model"])) else None,
        }
        for row in found
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why some jobs failed: how many of each model. ``example`` is the number of one of them, ``text`` its error."""

    cause: str
    jobs: int
    text: str
    example: int
    models: Mapping[str, int]


def list_failures(store: Store) -> list[dict[str, object]]:
    """The causes of failures: ``cause, jobs, text, models`` (jobs by model), ``example`` (an id), ``example_name``."""
    rows: list[dict[str, object]] = []
    for cause in group_failures(store.search.list_errors()):  # type: ignore[arg-type]
        job = store.queries.read_job(cause.example)
        rows.append({**asdict(cause), "example": job.id, "example_name": job.name})
    return rows


def group_failures(errors: Iterable[Mapping[str, object]]) -> list[Cause]:
    """The causes of rows of ``error, model, jobs, example``, the most frequent first."""
    found: dict[str, Cause] = {}
    for row in errors:
        cause = find_cause(str(row["error"]))
        jobs, model = int(str(row["jobs"])), str(row["model"])
        known = found.get(cause)
        if known is None:
            example = int(str(row["example"]))
            found[cause] = Cause(cause=cause, jobs=jobs, text=str(row["error"]), example=example, models={model: jobs})
        else:
            models = {**known.models, model: known.models.get(model, 0) + jobs}
            found[cause] = replace(known, jobs=known.jobs + jobs, models=models)
    return sorted(found.values(), key=lambda cause: (-cause.jobs, cause.cause))


def encode_json(value: object) -> bytes:
    """JSON in UTF-8; with lone surrogates, which UTF-8 cannot encode, everything beyond ASCII is escaped."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
