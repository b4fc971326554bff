"""The JSON API of selections: ids by position, the files of many jobs, the fields that a filter can be made of."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from batchveo.core.fields import FIELDS, REQUEST_FIELDS, Kind
from batchveo.core.models import JobState
from batchveo.storage.stored_video import video_at
from batchveo.store import Store
from batchveo.web.api import (
    Body,
    change_store,
    make_answer,
    open_store,
    read_filter,
    read_number,
    read_order,
)
from batchveo.web.changes import MOST_JOBS, find_selected

FACTS = ("cost_usd", "generation_seconds", "attempts", "rating", "take")
"""Facts of a job that a filter is offered for, beside its parameters, measures and ``meta``."""


def list_ids(request: Request) -> Response:
    """``id, state, held`` of the jobs at ``most`` positions from ``at`` on; filters and order as for cards."""
    query = request.query_params
    wanted, at = read_filter(query), read_number(query, "at") or 0
    most = min(read_number(query, "most") or 0, MOST_JOBS)
    with open_store(request) as store:
        found = request.app.state.index.find_jobs(wanted, read_order(query, store), at=at, most=most)
        jobs = [[row["id"], row["state"], bool(row["held"])] for row in store.search.read_states(found.seqs)]
        return make_answer({"jobs": jobs})


def list_fields(request: Request) -> Response:
    """The fields that a filter can be made of: keys of ``meta`` and parameters, each with some values; numbers."""
    with open_store(request) as store:
        meta = store.search.list_values("meta")
        sent = store.search.list_values("request")
    fields = [
        {"name": f"meta.{_quote(key)}", "label": key, "group": "Meta", "kind": "any", "values": values}
        for key, values in meta.items()
    ]
    fields += [
        {"name": name, "label": name, "group": "Request", "kind": "any", "values": sent.get(name, [])}
        for name in REQUEST_FIELDS
        if name in sent
    ]
    fields += [
        {"name": field.name, "label": field.meaning, "group": "Time", "kind": "time"}
        for field in FIELDS.values()
        if field.is_time
    ]
    measured = [field.name for field in FIELDS.values() if field.in_gates and field.name not in REQUEST_FIELDS]
    for name in dict.fromkeys((*FACTS, *measured)):
        field = FIELDS[name]
        if field.kind in (Kind.NUMBER, Kind.BOOLEAN):
            group = "Result" if name in FACTS else "Measured"
            fields.append({"name": name, "label": name, "group": group, "kind": field.kind, "unit": field.unit})
    return make_answer({"fields": fields})


def _quote(key: str) -> str:
    """A key as a part of a field's name."""
    if key and all(letter.isalnum() or letter in "_-" for letter in key):
        return key
    return '"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"'


async def list_selected(request: Request) -> Response:
    """``id, name, state, model, file`` of ``jobs`` (ids); ``file`` is ``None`` without a video."""
    videos = request.app.state.videos

    def list_them(store: Store, body: Body) -> dict[str, object]:
        rows = [
            {
                "id": job.id,
                "name": job.name,
                "state": job.state.value,
                "model": job.model,
                "file": str(video_at(job, videos)) if job.file and job.state is JobState.SUCCEEDED else None,
            }
            for job in find_selected(store, body)
        ]
        return {"jobs": rows}

    return await change_store(request, list_them, writing=False)
