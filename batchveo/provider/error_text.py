"""The words of an error, whatever JSON it comes in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

NAMES = ("name", "type", "code", "error_code")
"""Keys whose values name an error; these come first."""
SENTENCES = ("message", "msg", "error", "errors", "detail", "details", "description", "reason", "failure_reason")
"""Keys whose values explain it, the clearest first. Documented are ``message`` (the API's own body), ``name``
with ``message`` (polls), ``detail[].msg`` and ``code`` with ``details`` (the makers' own bodies passed on)."""
PLACES = ("loc", "path", "field", "param", "property")
"""Keys that say which part of the request an error is about; at the top ``path`` is the call's own."""
DEEPEST = 4
MOST_PARTS = 8


def error_words(error: object) -> str:
    """What ``error`` says to a person, its parts in their order; empty if it says nothing."""
    return _joined(_parts(error, 0))


def _joined(parts: Iterator[str]) -> str:
    each_once = dict.fromkeys(part for part in parts if part)
    return ": ".join(list(each_once)[:MOST_PARTS])


def _parts(error: object, depth: int) -> Iterator[str]:
    if isinstance(error, str):
        yield error.strip()
    elif isinstance(error, int | float) and not isinstance(error, bool):
        yield str(error)
    elif depth >= DEEPEST:
        return
    elif isinstance(error, list):
        yield "; ".join(filter(None, (_joined(_parts(item, depth + 1)) for item in error[:MOST_PARTS])))
    elif isinstance(error, dict):
        yield from _parts_of_object(error, depth)


def _parts_of_object(error: Mapping[str, Any], depth: int) -> Iterator[str]:
    known = [key for key in (*NAMES, *SENTENCES) if error.get(key) not in (None, "", [], {})]
    if depth and not known:  # a field each, with what is wrong with it
        for key, value in error.items():
            words = _joined(_parts(value, depth + 1))
            yield f"{key}: {words}" if words else ""
        return
    if depth:
        yield from _place(error)
    for key in known:
        yield from _parts(error[key], depth + 1)


def _place(error: Mapping[str, Any]) -> Iterator[str]:
    for key in PLACES:
        place = error.get(key)
        if isinstance(place, list):
            place = ".".join(str(part) for part in place if part != "body")
        if isinstance(place, str) and place:
            yield place
            return
