"""Requests and answers as plain values, without an HTTP library."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Ending(StrEnum):
    """What happens to the connection while the answer is sent."""

    WHOLE = "whole"
    CLOSED = "closed"
    RESET = "reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What the transport does to an answer on its way to the client.

    ``delay`` and ``pause`` are seconds, before the first byte and before each of the body's ``pieces``. With an
    ending other than ``WHOLE`` the connection ends after ``kept`` bytes of the body; if that is ``None``, before the
    status line. ``repeats``: how often the body is sent, one after the other.
    """

    delay: float = 0.0
    ending: Ending = Ending.WHOLE
    kept: int | None = None
    pieces: int = 1
    pause: float = 0.0
    repeats: int = 1

    @property
    def unanswered(self) -> bool:
        """Whether the client gets no byte at all."""
        return self.ending is not Ending.WHOLE and self.kept is None

    def split(self, body: bytes) -> Iterator[bytes]:
        """The pieces of the body that are sent."""
        sent = body if self.ending is Ending.WHOLE else body[: self.kept or 0]
        step = max(1, -(-len(sent) // self.pieces))
        for _ in range(self.repeats):
            for start in range(0, len(sent), step):
                yield sent[start : start + step]


AT_ONCE = Delivery()


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request; header names are lower-case, ``origin`` is the server as the client named it."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    origin: str = "http://sandbox.invalid"

    def values(self, name: str) -> list[str]:
        """Every value of a query parameter, in order."""
        return [value for key, value in self.query if key == name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One HTTP answer and its delivery; header names are lower-case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delivery: Delivery = AT_ONCE

    def json(self) -> dict[str, object]:
        """The body, read as a JSON object."""
        content: dict[str, object] = json.loads(self.body)
        return content

    def deliver(self, delivery: Delivery) -> Response:
        """The same answer, delivered in this way."""
        return replace(self, delivery=delivery)


def json_response(content: object, *, status: int = 200, headers: Mapping[str, str] = NO_HEADERS) -> Response:
    """An answer that carries ``content`` as JSON."""
    body = json.dumps(content, separators=(",", ":")).encode()
    return Response(status=status, headers={"content-type": "application/json", **headers}, body=body)


def page_response(status: int, title: str) -> Response:
    """A short HTML page, as gateways and content networks send instead of an answer."""
    body = f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\r\n".encode()
    return Response(status=status, headers={"content-type": "text/html"}, body=body)


def leave_unanswered(ending: Ending) -> Response:
    """No answer at all: the connection ends without a byte."""
    return Response(status=0, delivery=Delivery(ending=ending))
