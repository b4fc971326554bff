"""``GET`` of ``/v2/billing``, ``/v2/billing/transactions`` and ``/v2/logs``: an account's money and its requests."""

from __future__ import annotations

import json
import math
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter

from batchveo.sandbox.account import Charge, LogQuery
from batchveo.sandbox.calls import (
    DAY,
    Call,
    check_choice,
    check_parameters,
    format_moment,
    parse_moment,
    parse_period,
    read_choice,
    read_integer,
    read_single,
    refuse_query,
)
from batchveo.sandbox.http_messages import Request, Response
from batchveo.sandbox.prices import to_usd
from batchveo.sandbox.service_state import ServiceState

_LEDGER_PARAMETERS = ("from", "to", "direction", "type", "limit", "cursor")
_DIRECTIONS = ("TOPUP", "CHARGE")
_TYPES = ("PAYMENT", "BONUS", "REFUND", "ADJUSTMENT", "MODEL_USAGE", "CREDITS_EXPIRED", "INIT")
_LOG_PARAMETERS = ("period", "start", "end", "model", "status", "limit", "offset")
_STATUSES = ("succeeded", "failed")
_MOST_MODELS = 50
_LONGEST_WINDOW = 92 * DAY
_AT: Callable[[Charge], float] = attrgetter("at")


def read_balance(state: ServiceState, call: Call) -> Response:
    """The balance; it includes what is reserved for generations in flight."""
    balance = to_usd(state.open_account(call.owner).read_balance(call.now))
    return call.reply({"current_balance": balance, "currency": "USD"})


def list_transactions(state: ServiceState, call: Call) -> Response:
    """One page of the ledger, newest first; its oldest entry is the opening balance."""
    request = call.request
    check_parameters(request, _LEDGER_PARAMETERS)
    limit = read_integer(request, "limit", default=50, low=1, high=100)
    query = _LedgerQuery.read(request)
    charges = state.open_account(call.owner).list_charges(call.now)
    newest = min(_read_position(request, len(charges)), bisect_left(charges, query.until, key=_AT))
    found = list(islice(_iter_entries(state, call, query, newest), limit + 1))
    more = len(found) > limit
    pagination = {"next_cursor": _make_cursor(found[limit][0]) if more else None, "has_more": more}
    return call.reply({"data": [entry.to_json() for _, entry in found[:limit]], "pagination": pagination})


def read_usage_log(state: ServiceState, call: Call) -> Response:
    """One page of the rows that have appeared by now."""
    request, account = call.request, state.open_account(call.owner)
    state.check_rate(account.log_calls, state.settings.log_calls_per_minute, call.now)
    check_parameters(request, _LOG_PARAMETERS)
    limit = read_integer(request, "limit", default=50, low=1, high=100)
    offset = read_integer(request, "offset", default=0, low=0, high=sys.maxsize)
    query = _read_log_query(request, call.now)
    entries, total = account.log.read_page(query, offset=offset, limit=limit, now=call.now)
    more = offset + len(entries) < total
    pagination = {"limit": limit, "offset": offset, "total": total, "has_more": more}
    return call.reply({"data": [entry.to_json(call.now) for entry in entries], "pagination": pagination})


@dataclass(frozen=True, slots=True, kw_only=True)
class _LedgerEntry:
    """One movement of the balance."""

    at: float
    direction: str
    type: str
    credits: int
    model: str | None = None
    reference: str | None = None

    @classmethod
    def from_charge(cls, charge: Charge) -> _LedgerEntry:
        return cls(
            at=charge.at,
            direction="CHARGE",
            type="MODEL_USAGE",
            credits=charge.credits,
            model=charge.model,
            reference=charge.generation_id,
        )

    def to_json(self) -> dict[str, object]:
        return {
            "created_at": format_moment(self.at),
            "direction": self.direction,
            "type": self.type,
            "amount": {"usd": to_usd(self.credits), "credits": self.credits},
            "model": self.model,
            "reference_id": self.reference,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _LedgerQuery:
    """The movements that are asked for."""

    since: float
    until: float
    direction: str | None
    type: str | None

    @classmethod
    def read(cls, request: Request) -> _LedgerQuery:
        since, until = _read_moment(request, "from", -math.inf), _read_moment(request, "to", math.inf)
        if until <= since:
            raise refuse_query("to must be later than from")
        return cls(
            since=since,
            until=until,
            direction=read_choice(request, "direction", _DIRECTIONS),
            type=read_choice(request, "type", _TYPES),
        )

    def admits(self, entry: _LedgerEntry) -> bool:
        return entry.at < self.until and self.direction in (None, entry.direction) and self.type in (None, entry.type)


def _iter_entries(
    state: ServiceState, call: Call, query: _LedgerQuery, newest: int
) -> Iterator[tuple[int, _LedgerEntry]]:
    # Position 0 is the opening balance, position n the n-th charge: a new charge never moves an older one, so a
    # cursor stays valid while charges arrive.
    account = state.open_account(call.owner)
    charges = account.list_charges(call.now)
    opening = _LedgerEntry(at=state.opened_at, direction="TOPUP", type="INIT", credits=account.opening)
    for position in range(newest, -1, -1):
        entry = _LedgerEntry.from_charge(charges[position - 1]) if position else opening
        if entry.at < query.since:
            return
        if query.admits(entry):
            yield position, entry


def _read_moment(request: Request, name: str, default: float) -> float:
    text = read_single(request, name)
    if text is None:
        return default
    try:
        return parse_moment(text, offset_required=True)
    except (ValueError, OverflowError) as error:
        raise refuse_query(f"{name}: {error}") from error


def _make_cursor(position: int) -> str:
    return urlsafe_b64encode(json.dumps({"v": 1, "p": position}).encode()).decode().rstrip("=")


def _read_position(request: Request, newest: int) -> int:
    cursor = read_single(request, "cursor")
    if cursor is None:
        return newest
    try:
        position = int(json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))["p"])
    except (ValueError, TypeError, KeyError) as error:
        raise refuse_query("cursor: not one of ours") from error
    if not 0 <= position <= newest or _make_cursor(position) != cursor:
        raise refuse_query("cursor: not one of ours")
    return position


def _read_log_query(request: Request, now: float) -> LogQuery:
    start, end = _read_window(request, now)
    models, statuses = request.values("model"), request.values("status")
    if len(models) > _MOST_MODELS:
        raise refuse_query(f"model: at most {_MOST_MODELS} values")
    for status in statuses:
        check_choice("status", status, _STATUSES)
    return LogQuery(start=start, end=end, models=models, statuses=statuses)


def _read_window(request: Request, now: float) -> tuple[float, float]:
    period, start, end = (read_single(request, name) for name in ("period", "start", "end"))
    if (period is None) is (start is None) or (start is None) is not (end is None):
        raise refuse_query("Give either period, or both start and end")
    try:
        opens = now - parse_period(period) if period is not None else parse_moment(start or "")
        closes = now if period is not None else parse_moment(end or "")
    except (ValueError, OverflowError) as error:
        raise refuse_query(str(error)) from error
    if not 0 <= closes - opens <= _LONGEST_WINDOW:
        raise refuse_query("The window ends after it starts, at most 92 days later")
    return opens, closes
