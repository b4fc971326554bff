"""The money ledger, page by page: ``GET /v2/billing/transactions``."""

from __future__ import annotations

from datetime import UTC, datetime

from batchveo.provider.client import ApiClient, ProviderError

MOST_PAGES = 100_000


async def read_charges(api: ApiClient, *, since: float) -> dict[str, float]:
    """What each generation was charged since then, in US dollars, by generation id.

    Raises ``ProviderError`` or ``KeyRejected``.
    """
    start = datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")
    params = [("from", start), ("direction", "CHARGE"), ("type", "MODEL_USAGE"), ("limit", "100")]
    charges: dict[str, float] = {}
    cursor: list[tuple[str, str]] = []
    for _ in range(MOST_PAGES):
        body = await api.get_json("/v2/billing/transactions", [*params, *cursor])
        rows, following = _page(body)
        for row in rows:
            _add(charges, row)
        if following is None:
            return charges
        cursor = [("cursor", following)]
    raise ProviderError("GET /v2/billing/transactions: the ledger has no end")


def _page(body: object) -> tuple[list[object], str | None]:
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(body, dict) or not isinstance(rows, list):
        raise ProviderError("GET /v2/billing/transactions: the answer has no rows")
    pagination = body.get("pagination")
    if not isinstance(pagination, dict) or not pagination.get("has_more"):
        return rows, None
    cursor = pagination.get("next_cursor")
    return rows, cursor if isinstance(cursor, str) and cursor else None


def _add(charges: dict[str, float], row: object) -> None:
    amount = row.get("amount") if isinstance(row, dict) else None
    reference = row.get("reference_id") if isinstance(row, dict) else None
    usd = amount.get("usd") if isinstance(amount, dict) else None
    if isinstance(reference, str) and isinstance(usd, int | float):
        charges[reference] = charges.get(reference, 0.0) + float(usd)
