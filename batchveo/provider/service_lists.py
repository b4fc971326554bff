"""Lists that the service keeps, read page by page: the usage log and the ledger."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from batchveo.provider.client import ApiClient, ProviderError
from batchveo.provider.responses import read_id

USAGE_LOG = "/v2/logs"
LEDGER = "/v2/billing/transactions"

PAGE = 100
"""Rows a page: the most that the service gives."""
MOST_PAGES = 5_000
"""Pages of the usage log in one reading."""
MOST_LEDGER_PAGES = 100_000
NOT_WHOLE = "the usage log was not read to its end"
"""For a person, if ``read_log`` has not reached the end."""
_MOST_USD = 1e12
LONGEST_HOURS = 92 * 24
"""The longest window of the usage log."""

FIRST = ""
"""The position of the first page of a list."""

Row = Mapping[str, Any]
Params = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some rows of a list, newest first. ``following``: the position of the next page, ``None`` after the last.

    If the list promises more and gives nothing, ``following`` is the position of this page. ``left``: the number of
    rows on later pages, if the list has it.
    """

    rows: Sequence[Row]
    following: str | None
    left: int | None = None


# -- the usage log: one row a request, of this key alone


def read_success(row: Row) -> tuple[str, str] | None:
    """Client request id and generation id of a row about a success that has both."""
    request, generation = row.get("client_request_id"), read_id(row.get("inference_id"))
    if row.get("status") == "succeeded" and isinstance(request, str) and generation is not None:
        return _make_storable(request), generation
    return None


def hours_since(when: float, now: float) -> int:
    """A window that reaches back to ``when``, and one hour more for clocks that differ."""
    return min(math.ceil(max(0.0, now - when) / 3600.0) + 1, LONGEST_HOURS)


async def read_log(api: ApiClient, *, hours: int, take: Callable[[Sequence[Row]], bool]) -> bool:
    """Pass the log's rows to ``take``, newest first, until it returns true; returns whether the end was reached.

    ``hours`` counts back from the service's own clock. Raises ``ProviderError`` or ``KeyRejected``.
    """
    position = FIRST
    for _ in range(MOST_PAGES):
        page = await read_log_page(api, [("period", f"{hours}h")], position)
        if take(page.rows):
            return False
        if page.following is None:
            return True
        if page.following == position:
            return False
        position = page.following
    return False


async def read_log_page(api: ApiClient, span: Params, position: str) -> Page:
    """One page of the log of this time, newest first. Raises ``ProviderError`` or ``KeyRejected``."""
    # rows that arrive at the head push the others down: one may come twice, but none is missed
    await api.log_calls.wait_for_call()
    offset = int(position or "0")
    params = [*span, ("limit", str(PAGE)), ("offset", str(offset))]
    body, rows = await read_rows(api, USAGE_LOG, params)
    pagination = body.get("pagination")
    following = None
    if _has_more(pagination, offset, len(rows)):
        following = str(offset + len(rows)) if rows else position
    total = pagination.get("total") if isinstance(pagination, dict) else None
    left = total - offset - len(rows) if isinstance(total, int) else None
    return Page(rows=rows, following=following, left=left)


def log_span(start: float, end: float) -> Params:
    """The parameters of the log for a time: seconds since the epoch, at most ``LONGEST_HOURS``."""
    return [("start", _format_moment(start)), ("end", _format_moment(end))]


def _has_more(pagination: object, offset: int, rows: int) -> bool:
    """Whether further pages follow; if the answer is not clear about it, a full page means yes."""
    if not isinstance(pagination, dict) or "has_more" not in pagination:
        return rows >= PAGE
    total = pagination.get("total")
    return bool(pagination["has_more"]) or (isinstance(total, int) and total > offset + rows > offset)


# -- the ledger: one row a charge, of the whole account


async def read_charges(api: ApiClient, *, since: float) -> dict[str, float]:
    """The charge of each generation since then, in US dollars, by generation id.

    Raises ``ProviderError`` or ``KeyRejected``.
    """
    charges: dict[str, float] = {}
    position, read = FIRST, set[str]()
    # what seems not to be charged is bought again, so a list that breaks off or turns in a circle is not an answer
    while position not in read and len(read) < MOST_LEDGER_PAGES:
        read.add(position)
        page = await read_ledger_page(api, ledger_span(since), position)
        for generation, usd in filter(None, map(read_charge, page.rows)):
            charges[generation] = charges.get(generation, 0.0) + usd
        if page.following is None:
            return charges
        position = page.following
    raise ProviderError(f"GET {LEDGER}: the ledger has no end")


async def read_ledger_page(api: ApiClient, span: Params, position: str) -> Page:
    """One page of the charges of this time, newest first. Raises ``ProviderError`` or ``KeyRejected``."""
    cursor = [("cursor", position)] if position else []
    params = [*span, ("direction", "CHARGE"), ("type", "MODEL_USAGE"), ("limit", str(PAGE)), *cursor]
    body, rows = await read_rows(api, LEDGER, params)
    return Page(rows=rows, following=_find_next_cursor(body.get("pagination"), position, len(rows)))


def ledger_span(start: float, end: float | None = None) -> Params:
    """The parameters of the ledger for a time, which may be open at its end: seconds since the epoch."""
    until = [] if end is None else [("to", _format_moment(end))]
    return [("from", _format_moment(start)), *until]


def _find_next_cursor(pagination: object, position: str, rows: int) -> str | None:
    known = pagination if isinstance(pagination, dict) else {}
    cursor = known.get("next_cursor")
    if not known.get("has_more", cursor or rows >= PAGE):  # if the answer is not clear about it, a full page means yes
        return None
    return cursor if isinstance(cursor, str) and cursor else position


def read_charge(row: Row) -> tuple[str, float] | None:
    """Generation id and US dollars of a charge that has both. Raises ``ProviderError`` if it is no amount of money."""
    amount, reference = row.get("amount"), row.get("reference_id")
    usd = amount.get("usd") if isinstance(amount, dict) else None
    if not isinstance(reference, str) or not isinstance(usd, int | float):
        return None
    if not abs(usd) < _MOST_USD:  # NaN, too
        raise ProviderError(f"GET {LEDGER}: a charge is no amount of money")
    return _make_storable(reference), float(usd)


# -- one page of any list


def _make_storable(text: str) -> str:
    """``text``, but with escapes in place of halves of characters, which no database takes."""
    return text.encode(errors="backslashreplace").decode()


async def read_rows(
    api: ApiClient, path: str, params: Sequence[tuple[str, str]] = (), *, auth: bool = True
) -> tuple[Row, list[Row]]:
    """One page: the whole answer, and the rows in it. Raises ``ProviderError`` or ``KeyRejected``."""
    body = await api.get_json(path, params, auth=auth)
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise ProviderError(f"GET {path}: the answer has no rows")
    # a row that is no object still counts as one, so that the offset stays right
    return body, [row if isinstance(row, dict) else {} for row in rows]


def read_moment(row: Row) -> float | None:
    """When a row of either list was made, in seconds since the epoch; ``None`` if that cannot be read."""
    text = row.get("created") or row.get("created_at")
    try:
        moment = datetime.fromisoformat(str(text))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _format_moment(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
