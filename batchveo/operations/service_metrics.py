"""How long generations took of late: by the service's own measure, and by ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import anyio

from batchveo.core.durations import Durations, Expectation, from_percentiles
from batchveo.core.errors import KeyRejected
from batchveo.provider import ApiClient, ProviderError
from batchveo.store import Store

METRICS_SECONDS = 5.0
"""How long a run waits for them; it does without."""
AT_ONCE = 100
"""Models asked for; the service takes no more in one call."""
PERCENTILES = ("p50", "p75", "p90", "p99")
LONGEST_MILLISECONDS = 24 * 3600 * 1000.0


async def recent_durations(api: ApiClient, models: Sequence[str]) -> Mapping[str, Expectation]:
    """What ``GET /models/metrics`` tells of ``models``; nothing where it cannot be had."""
    if not models:
        return {}
    params = [("aliases", model) for model in models[:AT_ONCE]]
    with suppress(ProviderError, KeyRejected, TimeoutError), anyio.fail_after(METRICS_SECONDS):
        told = read_durations(await api.ask("/models/metrics", params, auth=False))
        return {model: told[model] for model in models if model in told}
    return {}


def known_durations(store: Store, models: Iterable[str], told: Mapping[str, Expectation]) -> Durations:
    """What to expect of ``models``: what the service has ``told``, corrected by what this state has seen."""
    durations = Durations()
    for model in models:
        if model in told:
            durations.guess(model, told[model])
        durations.recall(model, store.queries.list_generation_seconds(model))
    return durations


def read_durations(body: object) -> dict[str, Expectation]:
    """The expectations in an answer, by model; what cannot be read is left out."""
    rows = body.get("models") if isinstance(body, dict) else None
    told: dict[str, Expectation] = {}
    for row in rows if isinstance(rows, list) else ():
        name, expected = _read(row)
        if isinstance(name, str) and expected is not None:
            told[name] = expected
    return told


def _read(row: object) -> tuple[object, Expectation | None]:
    metrics = row.get("metrics") if isinstance(row, dict) else None
    durations = metrics.get("duration_ms") if isinstance(metrics, dict) else None
    if not isinstance(row, dict) or not isinstance(durations, dict):
        return None, None
    return row.get("alias"), from_percentiles(*(_seconds(durations.get(name)) for name in PERCENTILES))


def _seconds(milliseconds: object) -> float:
    """Seconds; 0, which is no percentile, for what no generation takes (compared first: integers may be huge)."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return 0.0
    return milliseconds / 1000 if 1 <= milliseconds <= LONGEST_MILLISECONDS else 0.0
