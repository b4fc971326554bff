"""``GET /models/metrics``: how long the generations of the last minutes took."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import ceil

from batchveo.sandbox.call import Call
from batchveo.sandbox.errors import bad_request
from batchveo.sandbox.http_messages import Response
from batchveo.sandbox.query import allow_only
from batchveo.sandbox.state import SandboxState
from batchveo.sandbox.times import iso

_WINDOW = 300
_MOST_ALIASES = 100
_PERCENTILES = (50, 75, 90, 99)


def metrics(world: SandboxState, call: Call) -> Response:
    """Percentiles for each model asked for; one without a recent success is absent."""
    allow_only(call.request, ("aliases",))
    aliases = call.request.values("aliases")
    if len(aliases) > _MOST_ALIASES:
        raise bad_request(f"Query validation error. aliases: at most {_MOST_ALIASES} values")
    measured = [
        _entry(model, durations)
        for model, durations in _durations(world, call.now).items()
        if not aliases or model in aliases
    ]
    return call.reply({"window_seconds": _WINDOW, "generated_at": iso(call.now), "models": measured})


def _durations(world: SandboxState, now: float) -> Mapping[str, list[float]]:
    """Sorted seconds of each model's recent successes."""
    durations: dict[str, list[float]] = defaultdict(list)
    for account in world.accounts.values():
        for charge in reversed(account.charges(now)):
            if charge.at < now - _WINDOW:
                break
            durations[charge.model].append(charge.at - account.generations[charge.generation_id].submitted_at)
    return {model: sorted(seconds) for model, seconds in durations.items()}


def _entry(model: str, durations: Sequence[float]) -> dict[str, object]:
    milliseconds = {
        f"p{share}": round(durations[ceil(len(durations) * share / 100) - 1] * 1000, 1) for share in _PERCENTILES
    }
    return {"alias": model, "endpoint": "/v2/video/generations", "metrics": {"duration_ms": milliseconds}}
