"""Lists that the service keeps, read page by page: the usage log and the ledger."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
LONGEST_HOURS = 92 * 24
"""The longest window of the usage log."""

Row = Mapping[str, Any]


# -- the usage log: one row a request, of this key alone


def read_success(row: Row) -> tuple[str, str] | None:
    """Client request id and generation id of a row about a success that has both."""
    request, generation = row.get("client_request_id"), read_id(row.get("inference_id"))
    if row.get("status") == "succeeded" and isinstance(request, str) and generation is not None:
        return request, generation
    return None


def hours_since(when: float, now: float) -> int:
    """A window that reaches back to ``when``, and one hour more for clocks that differ."""
    return min(math.ceil(max(0.0, now - when) / 3600.0) + 1, LONGEST_HOURS)


async def read_log(api: ApiClient, *, hours: int, take: Callable[[Sequence[Row]], bool]) -> bool:
    """Pass the log's rows to ``take``, newest first, until it returns true; returns whether the end was reached.

    ``hours`` counts back from the service's own clock. Raises ``ProviderError`` or ``KeyRejected``.
    """
    # rows that arrive at the head push the others down: one may come twice, but none is missed
    offset = 0
    for _ in range(MOST_PAGES):
        await api.log_calls.wait_for_call()
        params = [("period", f"{hours}h"), ("limit", str(PAGE)), ("offset", str(offset))]
        body, rows = await read_rows(api, USAGE_LOG, params)
        if take(rows):
            return False
        if not _has_more(body.get("pagination"), offset, len(rows)):
            return True
        if not rows:  # more is promised and nothing comes: this is not the end
            return False
        offset += len(rows)
    return False


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
    start = datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")
    params = [("from", start), ("direction", "CHARGE"), ("type", "MODEL_USAGE"), ("limit", str(PAGE))]
    charges: dict[str, float] = {}
    cursor: list[tuple[str, str]] = []
    for _ in range(MOST_LEDGER_PAGES):
        body, rows = await read_rows(api, LEDGER, [*params, *cursor])
        for row in rows:
            _add_charge(charges, row)
        following = _find_next_cursor(body.get("pagination"))
        if following is None:
            return charges
        cursor = [("cursor", following)]
    raise ProviderError(f"GET {LEDGER}: the ledger has no end")


def _find_next_cursor(pagination: object) -> str | None:
    if not isinstance(pagination, dict) or not pagination.get("has_more"):
        return None
    cursor = pagination.get("next_cursor")
    return cursor if isinstance(cursor, str) and cursor else None


def _add_charge(charges: dict[str, float], row: Row) -> None:
    amount, reference = row.get("amount"), row.get("reference_id")
    usd = amount.get("usd") if isinstance(amount, dict) else None
    if isinstance(reference, str) and isinstance(usd, int | float):
        charges[reference] = charges.get(reference, 0.0) + float(usd)


# -- one page of any list


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
