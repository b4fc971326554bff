"""Scores: numbers and labels that other tools give clips, with names such as ``clip.score``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from batchveo.core.expressions import Value
from batchveo.core.fields import FIELDS, META, REQUEST

LONGEST_NAME = 200
LONGEST_LABEL = 20_000
"""Characters of a label, which may be a caption."""
MOST_DEPTH = 8
"""Objects inside of each other."""
_SOURCE = re.compile(r"[^\W\d][\w-]*")
_LARGEST_INTEGER = 2**63 - 1
"""The largest whole number of the database; larger ones are kept as floating-point numbers."""
_SHOWN = 80


class ScoreError(ValueError):
    """What a tool gave is no score; ``str()`` says why."""


def check_source(name: str) -> str:
    """The name of a tool, with which the names of its scores begin; raises ``ScoreError``."""
    if not _SOURCE.fullmatch(name) or len(name) > LONGEST_NAME:
        raise ScoreError(f"{name[:_SHOWN]!r} cannot be the name of a tool: letters, digits, _ and -, a letter first")
    if name in FIELDS or name in (META, REQUEST):
        raise ScoreError(f"{name} is the name of a field: choose another name for the tool")
    return name


def read_scores(values: Mapping[str, object], source: str) -> dict[str, Value]:
    """The scores among ``values``, by their whole names: ``source.name``, or a name that has a dot already.

    Objects may be nested: ``{"clip": {"score": 0.3}}`` is ``clip.score``. Nothing, such as ``null``, is left out.
    Raises ``ScoreError`` for what is neither a number nor a text.
    """
    scores: dict[str, Value] = {}
    _add_scores(scores, values, "", source, 0)
    return scores


def _add_scores(scores: dict[str, Value], values: Mapping[str, object], prefix: str, source: str, depth: int) -> None:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            if depth == MOST_DEPTH:
                raise ScoreError(f"{name[:_SHOWN]} is nested too deeply")
            _add_scores(scores, value, f"{name}.", source, depth + 1)
            continue
        score = _read_score(name, value)
        if score is not None:
            scores[name_score(name, source)] = score


def name_score(name: str, source: str) -> str:
    """The whole name of a score; raises ``ScoreError``."""
    whole = name if "." in name else f"{source}.{name}"
    parts = whole.split(".")
    if not all(part.strip() for part in parts) or len(whole) > LONGEST_NAME or not _is_text(whole):
        raise ScoreError(f"{name[:_SHOWN]!r} cannot be the name of a score")
    check_source(parts[0])
    return whole


def _read_score(name: str, value: object) -> Value:
    match value:
        case None | bool():
            return value
        case int() if abs(value) > _LARGEST_INTEGER:
            return _read_score(name, _round_integer(value))
        case int():
            return value
        case float() if math.isfinite(value):
            return value
        case float():
            raise ScoreError(f"{name[:_SHOWN]} is {value}, not a finite number")
        case str() if len(value) > LONGEST_LABEL:
            raise ScoreError(f"{name[:_SHOWN]} is a text of more than {LONGEST_LABEL:,} characters")
        case str() if not _is_text(value):
            raise ScoreError(f"{name[:_SHOWN]} holds half a surrogate pair")
        case str():
            return value.strip() or None
        case _:
            raise ScoreError(f"{name[:_SHOWN]} is a {type(value).__name__}, neither a number nor a text")


def _round_integer(value: int) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
