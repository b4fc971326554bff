"""A call to the service: its request, read as strictly as the service reads it, and its answer or refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import blake2b
from math import ceil

from batchveo.sandbox.http_messages import NO_HEADERS, Request, Response, json_response
from batchveo.sandbox.prices import to_usd

NO_CREDITS = (
    "You've run out of credits. Please top up your balance or update your payment method to continue: "
    "https://aimlapi.com/app/billing/"
)
INTERNAL = "Internal server error"
MODERATED = "The request was moderated"
HOUR = 3600.0
DAY = 24 * HOUR
_MOST_AGE = 300
"""Seconds for which a client may keep an answer about models."""

_TRACEABLE = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_PERIOD = re.compile(r"([1-9][0-9]{0,5})([hd])")


class Refused(Exception):
    """A call is refused with this status and message; ``retry_after`` is seconds.

    With ``details`` the answer lists these as ``{"detail": [{"msg"}]}``, as some makers of models do.
    """

    def __init__(
        self, status: int, message: str, *, retry_after: float | None = None, details: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after
        self.details = details


def refuse_query(problem: str) -> Refused:
    """The refusal of a query string: a 400."""
    return Refused(400, f"Query validation error. {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as the endpoints see it; ``ordinal`` counts the calls of the same ``name``.

    ``now`` is seconds since the epoch; ``owner`` names the account that the call is about.
    """

    name: str
    request: Request
    now: float
    ordinal: int
    id: str
    owner: str = ""

    @property
    def client_request_id(self) -> str | None:
        """The client's own id for the request; an id that breaks the rules is ignored, as the service does."""
        sent = self.request.headers.get("x-client-request-id", "")
        return sent if _TRACEABLE.fullmatch(sent) else None

    def reply(
        self,
        content: object,
        *,
        status: int = 200,
        inference_id: str | None = None,
        credits_used: int = 0,
    ) -> Response:
        """A JSON answer with the service's own headers."""
        cost = {"x-aimlapi-credits-used": str(credits_used), "x-aimlapi-usd-spent": str(to_usd(credits_used))}
        inference = {"x-inference-id": inference_id} if inference_id else {}
        return json_response(content, status=status, headers={**self._echo, **cost, **inference})

    def refuse(self, refused: Refused) -> Response:
        """The answer to a refused call, worded as the service words it."""
        wait = {} if refused.retry_after is None else {"retry-after": str(max(1, ceil(refused.retry_after)))}
        content: dict[str, object] = {
            "message": refused.message,
            "path": self.request.path,
            "requestId": self.id,
            "statusCode": refused.status,
            "timestamp": format_moment(self.now),
        }
        if refused.details:
            content = {"detail": [{"msg": problem} for problem in refused.details]}
        return json_response(content, status=refused.status, headers={**self._echo, **wait})

    def reply_cached(self, content: object, tagged: object) -> Response:
        """A JSON answer that clients may keep, or 304 if the client has it; the ETag is of ``tagged`` alone."""
        answer = self.reply(content)
        tag = blake2b(json.dumps(tagged, separators=(",", ":")).encode(), digest_size=8).hexdigest()
        headers = {"etag": f'W/"{tag}"', "cache-control": f"public, max-age={_MOST_AGE}"}
        sent = self.request.headers.get("if-none-match", "").split(",")
        if f'"{tag}"' in (each.strip().removeprefix("W/") for each in sent):
            return Response(status=304, headers=headers)
        return replace(answer, headers={**answer.headers, **headers})

    @property
    def _echo(self) -> Mapping[str, str]:
        sent = self.client_request_id
        return {"x-client-request-id": sent} if sent else NO_HEADERS


def check_parameters(request: Request, names: Collection[str]) -> None:
    """Refuse a query with a parameter that is not among these."""
    for name, _ in request.query:
        if name not in names:
            raise refuse_query(f"Unrecognized parameter: '{name}'")


def read_single(request: Request, name: str) -> str | None:
    """The value of a parameter that may be given once."""
    values = request.values(name)
    if len(values) > 1:
        raise refuse_query(f"{name}: Expected string, received array")
    return values[0] if values else None


def read_integer(request: Request, name: str, *, default: int, low: int, high: int) -> int:
    """The value of an integer parameter within these bounds."""
    text = read_single(request, name)
    if text is None:
        return default
    if not (re.fullmatch(r"[0-9]{1,9}", text) and low <= int(text) <= high):
        raise refuse_query(f"{name}: Expected integer from {low} to {high}, received '{text}'")
    return int(text)


def read_choice(request: Request, name: str, options: Collection[str]) -> str | None:
    """The value of a parameter that takes one of these."""
    text = read_single(request, name)
    if text is not None:
        check_choice(name, text, options)
    return text


def check_choice(name: str, text: str, options: Collection[str]) -> None:
    """Refuse a value that is not among these."""
    if text not in options:
        expected = " | ".join(repr(option) for option in options)
        raise refuse_query(f"{name}: Invalid enum value. Expected {expected}, received '{text}'")


def format_moment(moment: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_moment(text: str, *, offset_required: bool = False) -> float:
    """ISO 8601 as seconds since the epoch; without an offset it is UTC. Raises ``ValueError`` for other texts."""
    read = datetime.fromisoformat(text)
    if read.tzinfo is None:
        if offset_required:
            raise ValueError("a UTC offset is required")
        read = read.replace(tzinfo=UTC)
    return read.timestamp()


def parse_period(text: str) -> float:
    """Seconds of a period such as ``24h`` or ``7d``; raises ``ValueError`` for other texts."""
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise ValueError("a period is a positive integer followed by h or d")
    return int(match[1]) * (HOUR if match[2] == "h" else DAY)
