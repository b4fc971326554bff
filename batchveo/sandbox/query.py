"""Query strings, read as strictly as the service reads them."""

from __future__ import annotations

import re
from collections.abc import Collection

from batchveo.sandbox.errors import bad_request
from batchveo.sandbox.http_messages import Request


def allow_only(request: Request, names: Collection[str]) -> None:
    """Refuse a query with a parameter that is not among these."""
    for name, _ in request.query:
        if name not in names:
            raise bad_request(f"Query validation error. Unrecognized parameter: '{name}'")


def single(request: Request, name: str) -> str | None:
    """The value of a parameter that may be given once."""
    values = request.values(name)
    if len(values) > 1:
        raise bad_request(f"Query validation error. {name}: Expected string, received array")
    return values[0] if values else None


def integer(request: Request, name: str, *, default: int, low: int, high: int) -> int:
    """The value of an integer parameter within these bounds."""
    text = single(request, name)
    if text is None:
        return default
    if not (re.fullmatch(r"[0-9]{1,9}", text) and low <= int(text) <= high):
        raise bad_request(f"Query validation error. {name}: Expected integer from {low} to {high}, received '{text}'")
    return int(text)


def choice(request: Request, name: str, options: Collection[str]) -> str | None:
    """The value of a parameter that takes one of these."""
    text = single(request, name)
    if text is not None:
        check_choice(name, text, options)
    return text


def check_choice(name: str, text: str, options: Collection[str]) -> None:
    """Refuse a value that is not among these."""
    if text not in options:
        expected = " | ".join(repr(option) for option in options)
        raise bad_request(f"Query validation error. {name}: Invalid enum value. Expected {expected}, received '{text}'")
