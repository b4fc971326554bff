"""How long generations, and a run of many, take: by the service's metrics and by what the database has seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio

from batchveo.core.durations import Durations, Expectation, fit_percentiles
from batchveo.core.errors import KeyRejected
from batchveo.core.forecast import Forecast, forecast_run
from batchveo.provider import ApiClient, ProviderError
from batchveo.store import Store

METRICS, HISTORY = "the service's metrics", "earlier generations here"
METRICS_SECONDS = 5.0
"""Time limit for the metrics; a run can do without."""
AT_ONCE = 100
"""Models in one request of the metrics: the most that the service takes."""
PERCENTILES = ("p50", "p75", "p90", "p99")
LONGEST_MILLISECONDS = 24 * 3600 * 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEstimate:
    """The expected length of a run; ``forecast`` is ``None`` if nothing is known of the models in ``unknown``.

    ``sources`` name where the expectation comes from.
    """

    forecast: Forecast | None
    sources: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


async def estimate_duration(
    api: ApiClient,
    left: Mapping[str, int],
    store: Store | None,
    *,
    places: int,
    per_minute: float | None,
    in_row: int = 1,
) -> RunEstimate:
    """The estimate for ``left`` jobs of each model with ``places`` in flight and ``per_minute`` submits.

    ``in_row``: the most jobs of one chain, which are made one after another.
    """
    models = sorted(model for model, jobs in left.items() if jobs)
    metrics = await fetch_durations(api, models)
    seen = {model: store.queries.list_generation_seconds(model) if store else [] for model in models}
    durations = expect_durations(seen, metrics)
    expected = {model: known for model in models if (known := durations.find_expected(model)) is not None}
    used = {METRICS: any(model in metrics for model in expected), HISTORY: any(seen[model] for model in expected)}
    return RunEstimate(
        forecast=forecast_run(left, expected, places=places, per_minute=per_minute, in_row=in_row),
        sources=tuple(source for source, is_used in used.items() if is_used),
        unknown=tuple(model for model in models if model not in expected),
    )


def known_durations(store: Store, models: Iterable[str], metrics: Mapping[str, Expectation]) -> Durations:
    """What to expect of ``models``: the service's ``metrics``, corrected by what ``store`` has seen."""
    return expect_durations({model: store.queries.list_generation_seconds(model) for model in models}, metrics)


def expect_durations(seen: Mapping[str, Sequence[float]], metrics: Mapping[str, Expectation]) -> Durations:
    """What to expect of the models in ``seen``, each with its latest generation times in seconds."""
    durations = Durations()
    for model, seconds in seen.items():
        # the guess comes first: it replaces what was learned, and counts as a few generations
        if model in metrics:
            durations.set_guess(model, metrics[model])
        durations.learn_all(model, seconds)
    return durations


async def fetch_durations(api: ApiClient, models: Sequence[str]) -> Mapping[str, Expectation]:
    """What ``GET /models/metrics`` says of ``models``; nothing if the service does not answer."""
    if not models:
        return {}
    params = [("aliases", model) for model in models[:AT_ONCE]]
    with suppress(ProviderError, KeyRejected, TimeoutError), anyio.fail_after(METRICS_SECONDS):
        metrics = read_durations(await api.get_json("/models/metrics", params, auth=False))
        return {model: metrics[model] for model in models if model in metrics}
    return {}


def read_durations(body: object) -> dict[str, Expectation]:
    """The expectations in a response, by model; what cannot be read is left out."""
    rows = body.get("models") if isinstance(body, dict) else None
    metrics: dict[str, Expectation] = {}
    for row in rows if isinstance(rows, list) else ():
        name, expected = _read_row(row)
        if isinstance(name, str) and expected is not None:
            metrics[name] = expected
    return metrics


def _read_row(row: object) -> tuple[object, Expectation | None]:
    metrics = row.get("metrics") if isinstance(row, dict) else None
    durations = metrics.get("duration_ms") if isinstance(metrics, dict) else None
    if not isinstance(row, dict) or not isinstance(durations, dict):
        return None, None
    return row.get("alias"), fit_percentiles(*(_read_seconds(durations.get(name)) for name in PERCENTILES))


def _read_seconds(milliseconds: object) -> float:
    """Seconds; 0, which no percentile is, for what no generation takes (compared first: integers may be huge)."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return 0.0
    return milliseconds / 1000 if 1 <= milliseconds <= LONGEST_MILLISECONDS else 0.0
