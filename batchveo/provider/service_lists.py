"""The usage log, page by page: ``GET /v2/logs``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from batchveo.provider.client import ApiClient, ProviderError
from batchveo.provider.responses import read_id

PAGE = 100
"""Rows a page: the most the service gives."""
MOST_PAGES = 5_000
"""Pages a reading."""
NOT_WHOLE = "the usage log was not read to its end"
"""For a person, where ``read_log`` has not come to it."""
LONGEST_HOURS = 92 * 24
"""The log's longest window."""

Row = Mapping[str, Any]


def read_success(row: Row) -> tuple[str, str] | None:
    """Client request id and generation id of a row that tells of a success under a request id of someone's."""
    request, generation = row.get("client_request_id"), read_id(row.get("inference_id"))
    if row.get("status") == "succeeded" and isinstance(request, str) and generation is not None:
        return request, generation
    return None


def hours_since(when: float, now: float) -> int:
    """A window that reaches back to ``when``, with an hour to spare for clocks that differ."""
    return min(math.ceil(max(0.0, now - when) / 3600.0) + 1, LONGEST_HOURS)


async def read_log(api: ApiClient, *, hours: int, take: Callable[[Sequence[Row]], bool]) -> bool:
    """Hand the log's rows to ``take``, newest first, until it says that it has enough; tells whether the end came.

    The window is relative, so that the service's clock counts. Rows that arrive at the head meanwhile push
    others down, so one may come twice, but none is missed. Raises ``ProviderError`` or ``KeyRejected``.
    """
    offset = 0
    for _ in range(MOST_PAGES):
        await api.log_calls.take()
        params = [("period", f"{hours}h"), ("limit", str(PAGE)), ("offset", str(offset))]
        rows, more = _page(await api.get_json("/v2/logs", params), offset)
        if take(rows):
            return False
        if not more:
            return True
        if not rows:  # more is promised and nothing comes: not an end to be believed
            return False
        offset += len(rows)
    return False


def _page(body: object, offset: int) -> tuple[list[Row], bool]:
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(rows, list):
        raise ProviderError("GET /v2/logs: the answer has no rows")
    # a row that is no object still takes a place, so that the offset stays right
    return [row if isinstance(row, dict) else {} for row in rows], _more(body.get("pagination"), offset, len(rows))


def _more(pagination: object, offset: int, rows: int) -> bool:
    """Whether further pages follow; where the answer is not clear about it, a full page means yes."""
    if not isinstance(pagination, dict) or "has_more" not in pagination:
        return rows >= PAGE
    total = pagination.get("total")
    return bool(pagination["has_more"]) or (isinstance(total, int) and total > offset + rows > offset)
