"""A job as a row of the database: its columns, its request as JSON, and the normal form of that request.

In the normal form, texts are in NFC, without spaces and invisible marks at their ends. Two requests of one normal form
ask for the same video. What is sent stays as it was written.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from batchveo.core.models import InputFile, JobSpec

canonical_json = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
).encode
"""A request as JSON, the same for equal requests: keys sorted, no spaces, readable in every script."""

_in_order = json.JSONEncoder(ensure_ascii=False).encode


Row = tuple[
    str, str, str, str, str, str, int, str, str, str, int | None, str | None, int | None, str | None, str | None, int
]
"""The columns of a ``JobRow`` as a plain tuple, which SQLite accepts faster than a named one."""


class JobRow(NamedTuple):
    """The columns of a staged job; a tuple, since a manifest can have a million of them.

    ``request`` is canonical JSON, ``meta`` is JSON in the user's order. ``inputs`` and ``unchecked`` are JSON, or
    ``None`` if there are none, as for nearly all jobs. The others are those of ``JobSpec``.
    """

    id: str
    name: str
    stem: str
    fold: str
    model: str
    request: str
    repeat_index: int
    meta: str
    manifest: str
    source: str
    line: int | None
    inputs: str | None
    tries: int | None
    unchecked: str | None = None
    policy: str | None = None
    priority: int = 0

    @classmethod
    def from_spec(cls, spec: JobSpec) -> JobRow:
        """The row of ``spec``."""
        return cls(
            id=spec.id,
            name=spec.name,
            stem=spec.stem,
            fold=spec.stem,
            model=spec.model,
            request=canonical_json(spec.request),
            repeat_index=spec.index,
            meta=meta_json(spec.meta),
            manifest=spec.manifest,
            source=spec.source,
            line=spec.line,
            inputs=inputs_json(spec.inputs),
            tries=spec.tries,
            unchecked=fields_json(spec.unchecked),
            policy=spec.policy,
            priority=spec.priority,
        )

    def to_spec(self) -> JobSpec:
        """The record of this row."""
        return JobSpec(
            id=self.id,
            name=self.name,
            stem=self.stem,
            model=self.model,
            request=json.loads(self.request),
            index=self.repeat_index,
            meta=json.loads(self.meta),
            inputs=input_files(self.inputs),
            tries=self.tries,
            manifest=self.manifest,
            source=self.source,
            line=self.line,
            unchecked=field_names(self.unchecked),
            policy=self.policy,
            priority=self.priority,
        )


def meta_json(meta: object) -> str:
    """JSON on one line, in the order of the keys, readable in every script."""
    return _in_order(meta) if meta else "{}"


def inputs_json(inputs: Sequence[InputFile]) -> str | None:
    """Input files as JSON; ``None`` if there are none."""
    if not inputs:
        return None
    return canonical_json([[item.sha256, item.media_type, item.path] for item in inputs])


def input_files(text: str | None) -> tuple[InputFile, ...]:
    """Parse the JSON that ``inputs_json`` returned."""
    rows = [] if text is None else json.loads(text)
    return tuple(InputFile(sha256=sha256, media_type=kind, path=path) for sha256, kind, path in rows)


def fields_json(names: Sequence[str]) -> str | None:
    """Names of fields as JSON; ``None`` if there are none."""
    return canonical_json(names) if names else None


def field_names(text: str | None) -> tuple[str, ...]:
    """Parse the JSON that ``fields_json`` returned."""
    return () if text is None else tuple(json.loads(text))


MARKS = "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"
"""Characters without a width that stay at the ends of text that was copied from elsewhere."""

ENDS = "".join(char for char in map(chr, range(0x3001)) if char.isspace()) + MARKS
"""The characters that are removed at the ends of a text."""

_KEY_BYTES = 10
_MAY_DIFFER = re.compile(rf'"[{ENDS}]|[{ENDS}]"|\\')


def normal_text(text: str) -> str:
    """The text in NFC, without spaces and marks at its ends."""
    return unicodedata.normalize("NFC", text).strip(ENDS)


def normal_request(request: str) -> str:
    """The normal form of a request, both in canonical JSON; most requests are in normal form already."""
    if _is_surely_normal(request):
        return request
    if "\\" not in request:
        return _normalize_unescaped(request)
    value = json.loads(request)
    normal = _normalize_value(value)
    return request if normal == value else canonical_json(normal)


def normal_key(request: str, repeat_index: int) -> str:
    """A key that is equal for two jobs that ask for the same video; ``request`` is canonical JSON."""
    return sha256(f"{repeat_index} {normal_request(request)}".encode()).digest()[:_KEY_BYTES].hex()


def _is_surely_normal(request: str) -> bool:
    # a look at the characters decides for nearly all of a million requests; only the others are parsed
    if request.isascii():  # ASCII JSON has every space character but " " as an escape
        return '" ' not in request and ' "' not in request and "\\" not in request
    return not _MAY_DIFFER.search(request) and unicodedata.is_normalized("NFC", request)


def _normalize_unescaped(request: str) -> str:
    """The normal form of JSON without escapes: what is between two quotes is a text, or a key if a colon follows."""
    parts = request.split('"')
    for place in range(1, len(parts), 2):
        if not parts[place + 1].startswith(":"):
            parts[place] = normal_text(parts[place])
    return '"'.join(parts)


def _normalize_value(value: object) -> object:
    if isinstance(value, str):
        return normal_text(value)
    if isinstance(value, list):
        return [_normalize_value(item) for item in value]
    if isinstance(value, dict):
        return {key: _normalize_value(item) for key, item in value.items()}
    return value
