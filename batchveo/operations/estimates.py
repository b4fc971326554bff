"""How long a night with a state's jobs will be, and where that is known from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from batchveo.core.durations import Durations, Expectation
from batchveo.core.forecast import Forecast, forecast
from batchveo.operations.service_metrics import recent_durations
from batchveo.provider import ApiClient
from batchveo.store import Store

METRICS, HISTORY = "the service's metrics", "earlier generations here"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEstimate:
    """The expected length of a run; ``forecast`` is ``None`` where nothing is known of the models in ``unknown``.

    ``sources`` say where it is known from.
    """

    forecast: Forecast | None
    sources: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


async def night(
    api: ApiClient, left: Mapping[str, int], state: Store | None, *, places: int, per_minute: float | None
) -> RunEstimate:
    """What to expect of a run with ``left`` jobs of each model; the service has a few seconds to tell its part."""
    models = sorted(model for model, jobs in left.items() if jobs)
    told = await recent_durations(api, models)
    expected: dict[str, Expectation] = {}
    sources: set[str] = set()
    for model in models:
        seen = state.queries.list_generation_seconds(model) if state else []
        belief = _belief(model, told.get(model), seen)
        if belief is not None:
            expected[model] = belief
            sources |= ({METRICS} if model in told else set()) | ({HISTORY} if seen else set())
    return RunEstimate(
        forecast=forecast(left, expected, places=places, per_minute=per_minute),
        sources=tuple(source for source in (METRICS, HISTORY) if source in sources),
        unknown=tuple(model for model in models if model not in expected),
    )


def _belief(model: str, told: Expectation | None, seen: list[float]) -> Expectation | None:
    """What a run would believe at its start: the service's word first, then what was seen here."""
    durations = Durations()
    if told is not None:
        durations.guess(model, told)
    durations.recall(model, seen)
    return durations.expected(model)
