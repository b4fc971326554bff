"""Failures by their cause: texts that differ only in ids, numbers and addresses are one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_VARIES = (
    (re.compile(r"https?://\S+"), "URL"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "ID"),
    (re.compile(r"\b(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{16,}\b"), "ID"),
    (re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])", re.IGNORECASE), "N"),
)
_LONGEST = 500
_STATUS = re.compile(r"\b(?:HTTP|status)\s+[1-5]\d\d\b|^[1-5]\d\d\b", re.IGNORECASE)
NO_REASON = "no reason was given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why some jobs failed. ``example`` is the number of one of them, ``text`` the words it failed with."""

    cause: str
    jobs: int
    text: str
    example: int
    models: tuple[str, ...]


def cause_of(error: str | None) -> str:
    """``error`` without what varies from job to job; statuses of HTTP stay, since they tell causes apart."""
    text = " ".join((error or "")[:_LONGEST].split())
    kept = _STATUS.search(text)
    for pattern, word in _VARIES:
        text = pattern.sub(lambda found, word=word: _unless(kept, found, word), text)  # type: ignore[misc]
    return text or NO_REASON


def causes(errors: Iterable[Mapping[str, object]]) -> list[Cause]:
    """The causes behind rows of ``error, model, jobs, example``, the commonest first."""
    found: dict[str, Cause] = {}
    for row in errors:
        key = cause_of(str(row["error"]))
        known = found.get(key)
        found[key] = _first(key, row) if known is None else _more(known, row)
    return sorted(found.values(), key=lambda cause: (-cause.jobs, cause.cause))


def _unless(kept: re.Match[str] | None, found: re.Match[str], word: str) -> str:
    return found.group() if kept is not None and found.group() in kept.group() else word


def _first(key: str, row: Mapping[str, object]) -> Cause:
    models = (str(row["model"]),)
    return Cause(
        cause=key,
        jobs=int(str(row["jobs"])),
        text=str(row["error"]),
        example=int(str(row["example"])),
        models=models,
    )


def _more(known: Cause, row: Mapping[str, object]) -> Cause:
    models = tuple(dict.fromkeys((*known.models, str(row["model"]))))
    return Cause(
        cause=known.cause,
        jobs=known.jobs + int(str(row["jobs"])),
        text=known.text,
        example=known.example,
        models=models,
    )
