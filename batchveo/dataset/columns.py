"""The columns of a dataset: all that made a clip and all that its file holds, with types for every value."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cache, lru_cache
from pathlib import PurePosixPath, PureWindowsPath

from batchveo.core.expressions import Value
from batchveo.core.fields import MISMATCHES, read_field
from batchveo.core.measures import MEASURES, Measures
from batchveo.core.models import Job
from batchveo.core.votes import Standing
from batchveo.provider.catalog import MODELS
from batchveo.storage.probe import MediaInfo
from batchveo.storage.sidecar import format_time, generation_seconds

Row = dict[str, object]
"""One clip: a value or ``None`` for each of ``COLUMNS``, its place in a chain, and its scores. A model outside the
catalogue may have values of other types than in ``COLUMNS``; ``TypeSurvey`` finds types that hold all of them."""


class Kind(Enum):
    """The type of a column, with the Python type of its values."""

    TEXT = str
    INTEGER = int
    NUMBER = float
    FLAG = bool


_SORTED = json.JSONEncoder(ensure_ascii=False, sort_keys=True)
"""``json.dumps`` with options makes such an encoder at each call."""
_OWN = ("prompt", "negative_prompt", "seed")
_LIST_MARK = "|"

SAMPLE = 100
"""Rows that every loader reads before it decides on types; it reads some megabytes, or ten thousand rows."""
_MOST_SHAPES = 1000
"""Shapes of rows that a survey remembers; nearly all rows of a dataset have one of a few."""
_INT64 = 1 << 63
_EXACT = 1 << 53
"""Whole numbers up to here are exact as floating point numbers; larger ones may change."""


PARAMETERS: Mapping[str, Kind] = {
    "aspect_ratio": Kind.TEXT,
    "duration": Kind.INTEGER,
    "resolution": Kind.TEXT,
    "generate_audio": Kind.FLAG,
    "provider": Kind.TEXT,
    "auto_fix": Kind.FLAG,
    "enhance_prompt": Kind.FLAG,
    "image_url": Kind.TEXT,
    "image_urls": Kind.TEXT,
    "last_image_url": Kind.TEXT,
    "video_url": Kind.TEXT,
    "person_generation": Kind.TEXT,
}
"""The parameters that have a column of their own; the column ``request`` holds the others too, as JSON."""

_HEADERS: Mapping[str, Kind] = {
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
MEASURED = tuple(_HEADERS)
"""The columns that ``probe_video`` fills."""

_SAME_AS = {"seconds": "duration_seconds", "video_codec": "codec"}
"""Measures that a column of the headers stands for, if it has another name."""
CHECKED: Mapping[str, Kind] = {
    **{
        measure.name: Kind(measure.type)
        for measure in MEASURES.values()
        if measure.name not in _HEADERS and measure.name != "codec"
    },
    MISMATCHES: Kind.INTEGER,
}
"""The columns that checks of clips fill."""

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
    "catalogue": Kind.TEXT,
    **_HEADERS,
    **CHECKED,
    "verdict": Kind.TEXT,
    "take": Kind.INTEGER,
    "picks": Kind.INTEGER,
    "rejects": Kind.INTEGER,
    "rating": Kind.NUMBER,
}
"""Every column but those of scores in its order, with its usual type. Requested values come before those of the file's
headers, and these before what checks found: ``duration`` is the request's, ``seconds`` the file's."""

CHAIN_COLUMNS: Mapping[str, Kind] = {"chain": Kind.TEXT, "link": Kind.INTEGER, "parent": Kind.TEXT}
"""Further columns of the clips of chains; a dataset without chains has none of them."""

SCORE_PREFIX = "score_"
"""The beginning of the columns of scores; no other column has it."""
_USUAL_KINDS = {**COLUMNS, **CHAIN_COLUMNS}
_USUAL_TYPES = {name: kind.value for name, kind in _USUAL_KINDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts:
    """What is known of a clip beside its job: its measures, the scores of other tools, and what people say of it.

    ``chain``: the id of the first job of its chain; ``parents``: those of the jobs of whose videos it was made.
    """

    measures: Measures | None = None
    scores: Mapping[str, Value] = field(default_factory=dict)
    standing: Standing = field(default_factory=Standing)
    chain: str | None = None
    parents: Sequence[str] = ()


def name_score_columns(scores: Iterable[str]) -> dict[str, str]:
    """A column for each score: ``score_clip_motion`` for ``clip.motion``, which no loader takes for something else."""
    columns: dict[str, str] = {}
    for score in sorted(scores):
        column = SCORE_PREFIX + re.sub(r"[^A-Za-z0-9]+", "_", score)
        if column.lower() in map(str.lower, columns.values()):  # as databases compare names
            column += f"_{hashlib.sha256(score.encode('utf-8', 'surrogatepass')).hexdigest()[:6]}"
        columns[score] = column
    return columns


def build_row(
    job: Job,
    *,
    split: str,
    file_name: str,
    measured: Mapping[str, object],
    facts: ClipFacts,
    score_columns: Mapping[str, str],
) -> Row:
    """The row of a succeeded job; ``measured`` has the values of ``MEASURED``, or is empty.

    ``score_columns``: the columns of scores by their names; only those that the clip has are in the row.
    """
    # The defaults belong to the request: a later default of the service would change what the row means.
    request, defaulted = _add_defaults(job)
    row: Row = {
        "file_name": file_name,
        "text": job.prompt,
        "negative_prompt": _flatten(request.get("negative_prompt")),
        "split": split,
        "model": job.model,
        "seed": _flatten(request.get("seed")),
        **{name: _flatten(request.get(name)) for name in PARAMETERS},
        "defaulted": ",".join(defaulted),
        "request": _to_json(request),
        "meta": _to_json(job.meta),
        "name": job.name,
        "repeat_index": job.index,
        "job_id": job.id,
        "generation_id": job.generation_id,
        "client_request_id": job.client_request_id,
        "manifest": _hide_folder(job.manifest),
        "source": _hide_folder(job.source),
        "line": job.line,
        "attempts": job.attempts,
        "created_at": format_time(job.created_at),
        "submitted_at": format_time(job.submitted_at),
        "completed_at": format_time(job.completed_at),
        "finished_at": format_time(job.finished_at),
        "generation_seconds": generation_seconds(job),
        "cost_usd": job.cost_usd,
        "bytes": job.bytes,
        "sha256": job.sha256,
        "catalogue": job.catalog,
        **{name: measured.get(name) for name in MEASURED},
        **_read_checked(job, facts.measures),
        "verdict": job.verdict,
        "take": job.take,
        "picks": facts.standing.picks,
        "rejects": facts.standing.rejects,
        "rating": facts.standing.rating,
    }
    if facts.chain is not None:
        row |= {"chain": facts.chain, "link": job.link, "parent": _LIST_MARK.join(facts.parents) or None}
    scores = ((score_columns[name], _read_score(value)) for name, value in facts.scores.items())
    return row | {name: value for name, value in scores if value is not None}


@lru_cache  # each clip asks for it twice, and few files have many clips
def _hide_folder(path: str) -> str:
    """A file as its manifest or the command named it; of an absolute path the name only: datasets get published."""
    flavour = PureWindowsPath if PureWindowsPath(path).is_absolute() else PurePosixPath
    return flavour(path).name if flavour(path).is_absolute() else path


def _read_checked(job: Job, measures: Measures | None) -> Row:
    return dict.fromkeys(CHECKED) if measures is None else {n: read_field(n, job, measures) for n in CHECKED}


def _read_score(value: Value) -> str | float | None:
    """A score as it is written: a text, or a number; tools may write 1 for one clip and 0.5 for the next."""
    if value is None or isinstance(value, str):
        return value
    return float(value) if math.isfinite(value) else None


def _add_defaults(job: Job) -> tuple[dict[str, object], tuple[str, ...]]:
    """The request with the defaults of the service, by the catalogue, and the names of what they fill in."""
    absent = {name: default for name, default in _find_defaults(job.model).items() if name not in job.request}
    return {**job.request, **absent}, tuple(absent)


@cache
def _find_defaults(name: str) -> Mapping[str, object]:
    model = MODELS.get(name)
    params = model.params if model else {}
    return {name: param.default for name, param in params.items() if param.default is not None}


def measured_columns(info: MediaInfo) -> Row:
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


def measures_as_headers(measures: Measures) -> Row:
    """What measures say of the columns that ``measured_columns`` fills; they do not know the others."""
    return {name: getattr(measures, measure) for name in MEASURED if (measure := _SAME_AS.get(name, name)) in MEASURES}


def _flatten(value: object) -> object:
    """The value of a parameter as one cell: a list joined by ``|``, a nested value as JSON."""
    if value is None or isinstance(value, str):  # most of them
        return value
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return _LIST_MARK.join(map(str, value))
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, sort_keys=True)
    return value


def _to_json(value: Mapping[str, object]) -> str:
    return _SORTED.encode(dict(value))


@dataclass(frozen=True, slots=True)
class ColumnTypes:
    """A type for each column, from all rows: loaders take one type per column for all splits.

    A column has its type in ``COLUMNS``, one of scores holds numbers, unless some value does not fit: whole numbers
    beside fractions become numbers, any other mixture becomes text. ``kinds`` has all columns in their order;
    ``mixed``: those with values of another type.
    """

    kinds: Mapping[str, Kind]
    mixed: Collection[str]

    def fit_row(self, row: Row) -> Row:
        """The row with a value for each column, in its type."""
        if not self.mixed and row.keys() == self.kinds.keys():
            return row
        fitted = {name: row.get(name) for name in self.kinds}
        return {**fitted, **{name: _convert(self.kinds[name], fitted[name]) for name in self.mixed}}


@dataclass(slots=True)
class TypeSurvey:
    """Reads rows one by one, for the types of their columns and the rows that show a type first.

    ``further``: the columns of chains and scores that the rows may have.
    """

    further: Sequence[str] = ()
    _found: dict[str, set[Kind]] = field(default_factory=dict)
    _largest: dict[str, int] = field(default_factory=dict)
    _integers: dict[tuple[object, ...], list[str]] = field(default_factory=dict)
    """By shape (columns and types of a row), the columns with whole numbers."""
    _unseen: set[str] = field(default_factory=set)
    _rows: int = 0
    _leaders: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._unseen.update(COLUMNS, self.further)

    def add_row(self, row: Row) -> None:
        """Read one row."""
        # type(), not isinstance: a flag is an int to Python, but no whole number in a table.
        shape = (*row, *map(type, row.values()))
        integers = self._integers.get(shape)
        if integers is None:
            integers = self._add_shape(row)
            if len(self._integers) < _MOST_SHAPES:
                self._integers[shape] = integers
        for name in integers:
            if not -_EXACT <= row[name] <= _EXACT:  # type: ignore[operator]  # a whole number
                self._largest[name] = max(self._largest.get(name, 0), abs(row[name]))  # type: ignore[arg-type]
        self._rows += 1

    def find_types(self) -> ColumnTypes:
        """The types that hold every value; what no row has of ``further`` is no column."""
        further = {name: _usual_kind(name) for name in self.further if name not in self._unseen}
        usual = {**COLUMNS, **further}
        kinds = {name: self._find_type(name, kind) for name, kind in usual.items()}
        return ColumnTypes(kinds, [name for name in kinds if name in self._found or kinds[name] is not usual[name]])

    def find_leaders(self) -> frozenset[str]:
        """The ids of jobs whose rows show the type of a column first, but after the sample of a loader."""
        return frozenset(self._leaders)

    def _add_shape(self, row: Row) -> list[str]:
        """Note the types of a row; returns the columns of its whole numbers."""
        for name, value in row.items():
            if value is not None and type(value) is not _USUAL_TYPES.get(name, float):
                self._found.setdefault(name, {_usual_kind(name)}).add(_kind_of(value))
        shown = {name for name in self._unseen if row.get(name) is not None}
        # A row inside the sample is seen by the loader anyway; later ones must lead the table.
        if shown and self._rows >= SAMPLE:
            self._leaders.add(str(row["job_id"]))
        self._unseen -= shown
        return [name for name, value in row.items() if type(value) is int]

    def _find_type(self, name: str, usual: Kind) -> Kind:
        kinds = self._found.get(name, {usual})
        largest = self._largest.get(name, 0)
        if kinds == {Kind.INTEGER, Kind.NUMBER}:  # a float must hold every whole number exactly
            return Kind.NUMBER if largest <= _EXACT else Kind.TEXT
        (kind,) = kinds if len(kinds) == 1 else (Kind.TEXT,)
        return Kind.TEXT if kind is Kind.INTEGER and largest >= _INT64 else kind


def _usual_kind(name: str) -> Kind:
    return _USUAL_KINDS.get(name, Kind.NUMBER)


def _kind_of(value: object) -> Kind:
    return next((kind for kind in Kind if type(value) is kind.value), Kind.TEXT)


def _convert(kind: Kind, value: object) -> object:
    if value is None or type(value) is kind.value:
        return value
    if kind is Kind.NUMBER:
        return float(value)  # type: ignore[arg-type]  # a whole number that is exact
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
