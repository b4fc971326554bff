"""``GET /v2/billing`` with its transactions: the money."""

from __future__ import annotations

import json
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from batchveo.sandbox import times
from batchveo.sandbox.account import Charge
from batchveo.sandbox.call import Call
from batchveo.sandbox.errors import bad_request
from batchveo.sandbox.http_messages import Request, Response
from batchveo.sandbox.prices import usd
from batchveo.sandbox.query import allow_only, choice, integer, single
from batchveo.sandbox.state import SandboxState

_PARAMETERS = ("from", "to", "direction", "type", "limit", "cursor")
_DIRECTIONS = ("TOPUP", "CHARGE")
_TYPES = ("PAYMENT", "BONUS", "REFUND", "ADJUSTMENT", "MODEL_USAGE", "CREDITS_EXPIRED", "INIT")


def billing(world: SandboxState, call: Call) -> Response:
    """The balance; what is reserved for generations under way is still in it."""
    balance = usd(world.account(call.owner).balance(call.now))
    return call.reply({"current_balance": balance, "currency": "USD"})


def transactions(world: SandboxState, call: Call) -> Response:
    """One page of the ledger, newest first; its oldest entry is the opening balance."""
    request = call.request
    allow_only(request, _PARAMETERS)
    limit = integer(request, "limit", default=50, low=1, high=100)
    wanted = _Wanted.read(request)
    newest = _position(request, len(world.account(call.owner).charges(call.now)))
    found = list(islice(_matches(world, call, wanted, newest), limit + 1))
    more = len(found) > limit
    pagination = {"next_cursor": _cursor(found[limit][0]) if more else None, "has_more": more}
    return call.reply({"data": [entry.row() for _, entry in found[:limit]], "pagination": pagination})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One movement of the balance."""

    at: float
    direction: str
    type: str
    credits: int
    model: str | None = None
    reference: str | None = None

    def row(self) -> dict[str, object]:
        return {
            "created_at": times.iso(self.at),
            "direction": self.direction,
            "type": self.type,
            "amount": {"usd": usd(self.credits), "credits": self.credits},
            "model": self.model,
            "reference_id": self.reference,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """Which movements are asked for."""

    since: float
    until: float
    direction: str | None
    type: str | None

    @classmethod
    def read(cls, request: Request) -> _Wanted:
        since, until = _moment(request, "from", -math.inf), _moment(request, "to", math.inf)
        if until <= since:
            raise bad_request("Query validation error. to must be later than from")
        return cls(
            since=since,
            until=until,
            direction=choice(request, "direction", _DIRECTIONS),
            type=choice(request, "type", _TYPES),
        )

    def matches(self, entry: _Entry) -> bool:
        return (
            self.since <= entry.at < self.until
            and self.direction in (None, entry.direction)
            and self.type in (None, entry.type)
        )


def _matches(world: SandboxState, call: Call, wanted: _Wanted, newest: int) -> Iterator[tuple[int, _Entry]]:
    # Position 0 is the opening balance, position n the n-th charge: what is new never moves what is old.
    charges = world.account(call.owner).charges(call.now)
    for position in range(newest, -1, -1):
        entry = _charged(charges[position - 1]) if position else _opening(world, call)
        if wanted.matches(entry):
            yield position, entry


def _opening(world: SandboxState, call: Call) -> _Entry:
    return _Entry(at=world.opened_at, direction="TOPUP", type="INIT", credits=world.account(call.owner).opening)


def _charged(charge: Charge) -> _Entry:
    return _Entry(
        at=charge.at,
        direction="CHARGE",
        type="MODEL_USAGE",
        credits=charge.credits,
        model=charge.model,
        reference=charge.generation_id,
    )


def _moment(request: Request, name: str, default: float) -> float:
    text = single(request, name)
    if text is None:
        return default
    try:
        return times.moment(text, offset_required=True)
    except (ValueError, OverflowError) as error:
        raise bad_request(f"Query validation error. {name}: {error}") from error


def _cursor(position: int) -> str:
    return urlsafe_b64encode(json.dumps({"v": 1, "p": position}).encode()).decode().rstrip("=")


def _position(request: Request, newest: int) -> int:
    cursor = single(request, "cursor")
    if cursor is None:
        return newest
    try:
        position = int(json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))["p"])
    except (ValueError, TypeError, KeyError) as error:
        raise bad_request("Query validation error. cursor: not one of ours") from error
    if not 0 <= position <= newest or _cursor(position) != cursor:
        raise bad_request("Query validation error. cursor: not one of ours")
    return position
