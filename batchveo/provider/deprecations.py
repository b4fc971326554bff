"""Models that the service has withdrawn or will: ``GET /v1/models/deprecations``, which needs no key."""

from __future__ import annotations

from batchveo.provider.client import ApiClient, ProviderError
from batchveo.provider.responses import to_one_line

PATH = "/v1/models/deprecations"


async def read_replacement(api: ApiClient, model: str) -> str | None:
    """What the feed says became of ``model``, for a person: since when it is gone and what replaces it.

    ``None`` if the feed does not name it, by its id or an alias. Raises ``ProviderError`` or ``KeyRejected``.
    """
    body = await api.get_json(PATH, auth=False)
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise ProviderError(f"GET {PATH}: the answer has no rows")
    return next((_words(row) for row in rows if isinstance(row, dict) and _is_about(row, model)), None)


def _is_about(row: dict[str, object], model: str) -> bool:
    aliases = row.get("aliases")
    return row.get("id") == model or (isinstance(aliases, list) and model in aliases)


def _words(row: dict[str, object]) -> str:
    day = row.get("shutdown_at") or row.get("deprecated_at")
    since = f" since {day}" if isinstance(day, str) else ""
    instead = row.get("replaced_by")
    if isinstance(instead, list):
        instead = " or ".join(str(each) for each in instead)
    advice = f"; use {instead} instead" if isinstance(instead, str) and instead else ""
    return to_one_line(f"{row.get('status') or 'withdrawn'}{since}{advice}")
