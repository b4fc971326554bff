"""The columns of a dataset: everything that made a clip, with what is in its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum

from batchveo.core.models import Job
from batchveo.provider.catalog import MODELS, ParamType
from batchveo.storage.probe import MediaInfo

Row = dict[str, object]
"""One clip: a value for each of ``COLUMNS``, ``None`` where there is none. A model outside the catalogue may have
values of other types than ``COLUMNS`` says; ``ColumnTypes`` finds types that hold all of them."""


class Kind(Enum):
    """The type of a column, with the Python type of its values."""

    TEXT = str
    INTEGER = int
    NUMBER = float
    FLAG = bool


_OWN = ("prompt", "negative_prompt", "seed")
_KINDS = {ParamType.INTEGER: Kind.INTEGER, ParamType.BOOLEAN: Kind.FLAG}
_LIST_MARK = "|"


def _parameters() -> dict[str, Kind]:
    """What some model takes, besides what has a place of its own."""
    params = {name: param for model in MODELS.values() for name, param in model.params.items()}
    return {name: _KINDS.get(param.type, Kind.TEXT) for name, param in params.items() if name not in _OWN}


PARAMETERS = _parameters()

COLUMNS: Mapping[str, Kind] = {
    "file_name": Kind.TEXT,
    "text": Kind.TEXT,
    "negative_prompt": Kind.TEXT,
    "split": Kind.TEXT,
    "model": Kind.TEXT,
    "seed": Kind.INTEGER,
    **PARAMETERS,
    "defaulted": Kind.TEXT,
    "request": Kind.TEXT,
    "meta": Kind.TEXT,
    "name": Kind.TEXT,
    "repeat_index": Kind.INTEGER,
    "job_id": Kind.TEXT,
    "generation_id": Kind.TEXT,
    "client_request_id": Kind.TEXT,
    "manifest": Kind.TEXT,
    "source": Kind.TEXT,
    "line": Kind.INTEGER,
    "attempts": Kind.INTEGER,
    "created_at": Kind.TEXT,
    "submitted_at": Kind.TEXT,
    "completed_at": Kind.TEXT,
    "finished_at": Kind.TEXT,
    "generation_seconds": Kind.NUMBER,
    "cost_usd": Kind.NUMBER,
    "bytes": Kind.INTEGER,
    "sha256": Kind.TEXT,
    "width": Kind.INTEGER,
    "height": Kind.INTEGER,
    "fps": Kind.NUMBER,
    "frame_rate": Kind.TEXT,
    "seconds": Kind.NUMBER,
    "frames": Kind.INTEGER,
    "video_codec": Kind.TEXT,
    "pixel_format": Kind.TEXT,
    "has_sound": Kind.FLAG,
    "audio_codec": Kind.TEXT,
    "audio_channels": Kind.INTEGER,
    "audio_rate": Kind.INTEGER,
}
"""Every column, in its order, with its usual type. What was asked for comes before what was measured: ``duration``
is the request's, ``seconds`` the file's."""

MEASURED = tuple(COLUMNS)[tuple(COLUMNS).index("width") :]
"""The columns that ``media.probe`` fills."""


def row_of(job: Job, *, split: str, file_name: str, measured: Mapping[str, object]) -> Row:
    """The row of a succeeded job; ``measured`` has the values of ``MEASURED``, or nothing."""
    request, defaulted = completed(job)
    seconds = None
    if job.completed_at is not None and job.submitted_at is not None:
        seconds = round(job.completed_at - job.submitted_at, 3)
    row: Row = {
        "file_name": file_name,
        "text": job.prompt,
        "negative_prompt": _flat(request.get("negative_prompt")),
        "split": split,
        "model": job.model,
        "seed": _flat(request.get("seed")),
        **{name: _flat(request.get(name)) for name in PARAMETERS},
        "defaulted": ",".join(defaulted),
        "request": _json(request),
        "meta": _json(job.meta),
        "name": job.name,
        "repeat_index": job.index,
        "job_id": job.id,
        "generation_id": job.generation_id,
        "client_request_id": job.client_request_id,
        "manifest": job.manifest,
        "source": job.source,
        "line": job.line,
        "attempts": job.attempts,
        "created_at": _iso(job.created_at),
        "submitted_at": _iso(job.submitted_at),
        "completed_at": _iso(job.completed_at),
        "finished_at": _iso(job.finished_at),
        "generation_seconds": seconds,
        "cost_usd": job.cost_usd,
        "bytes": job.bytes,
        "sha256": job.sha256,
        **{name: measured.get(name) for name in MEASURED},
    }
    return {name: row[name] for name in COLUMNS}


def completed(job: Job) -> tuple[dict[str, object], tuple[str, ...]]:
    """The request with what the service fills in, by the catalogue, with the names of what was filled in."""
    model = MODELS.get(job.model)
    params = model.params if model else {}
    absent = {n: p.default for n, p in params.items() if p.default is not None and n not in job.request}
    return {**job.request, **absent}, tuple(absent)


def measured_by(info: MediaInfo) -> Row:
    """The measured columns of a file. A silent clip has no channels: 0, not an unknown number of them."""
    return {
        "width": info.width,
        "height": info.height,
        "fps": info.fps,
        "frame_rate": None if info.frame_rate is None else str(info.frame_rate),
        "seconds": info.duration,
        "frames": info.frames,
        "video_codec": info.video_codec,
        "pixel_format": info.pixel_format,
        "has_sound": info.has_sound,
        "audio_codec": info.audio_codec,
        "audio_channels": info.channels if info.has_sound else 0,
        "audio_rate": info.sample_rate if info.has_sound else 0,
    }


def _flat(value: object) -> object:
    """The value of a parameter as one cell: lists by ``|``, whatever is nested as JSON."""
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return _LIST_MARK.join(map(str, value))
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return value


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, sort_keys=True)


def _iso(when: float | None) -> str | None:
    return None if when is None else datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")
