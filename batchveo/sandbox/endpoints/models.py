"""``GET`` of ``/v1/models``, ``/v1/models/deprecations`` and ``/models/metrics``: the catalogue and its figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from math import ceil
from urllib.parse import quote

from batchveo.provider.catalog import MODELS, Model
from batchveo.sandbox.calls import Call, check_parameters, format_moment, refuse_query
from batchveo.sandbox.http_messages import Request, Response
from batchveo.sandbox.prices import LISTINGS, describe_pricing
from batchveo.sandbox.service_state import ServiceState

_PARAMETERS = ("id", "include", "details", "type")
_TYPE = "internal/video-generations/submit"
_METRICS_SECONDS = 300
_MOST_ALIASES = 100
_PERCENTILES = (50, 75, 90, 99)


def list_models(_state: ServiceState, call: Call) -> Response:
    """The models that are asked for, or 304 if the client has this very answer."""
    request = call.request
    check_parameters(request, _PARAMETERS)
    priced = _wants_prices(request)
    data = [
        _describe_model(model, request.origin, priced=priced) for model in MODELS.values() if _is_wanted(model, request)
    ]
    answer = call.reply({"object": "list", "data": data})
    etag = f'"{blake2b(answer.body, digest_size=8).hexdigest()}"'
    if request.headers.get("if-none-match") in (etag, f"W/{etag}"):
        return Response(status=304, headers={"etag": etag})
    return Response(status=200, headers={**answer.headers, "etag": etag}, body=answer.body)


def _wants_prices(request: Request) -> bool:
    included = {"pricing", "all"} & _read_values(request, "include")
    return bool(included) or request.values("details") in (["true"], ["1"])


def _is_wanted(model: Model, request: Request) -> bool:
    listing = LISTINGS[model.id]
    ids, types = _read_values(request, "id"), request.values("type")
    return (not ids or not ids.isdisjoint((listing.id, *listing.aliases))) and (not types or _TYPE in types)


def _read_values(request: Request, name: str) -> set[str]:
    return {part for value in request.values(name) for part in value.split(",") if part}


def _describe_model(model: Model, origin: str, *, priced: bool) -> dict[str, object]:
    listing = LISTINGS[model.id]
    developer, _, name = f"google/{listing.id}".removeprefix("google/google/").rpartition("/")
    entry: dict[str, object] = {
        "id": listing.id,
        "aliases": list(listing.aliases),
        "type": _TYPE,
        "info": {
            "name": name,
            "developer": developer or "Google",
            "docsJson": f"{origin}/docs-json?model={quote(listing.id, safe='')}&endpoint={quote(_TYPE, safe='')}",
        },
        "tags": ["playground:video"],
    }
    return {**entry, "pricing": describe_pricing(model)} if priced else entry


def list_deprecations(state: ServiceState, call: Call) -> Response:
    """A row for each model that the fault ``404-withdrawn`` withdraws."""
    gone = [model for model in MODELS if state.faults.has_fault("404-withdrawn", model)]
    left = next((model for model in MODELS if model not in gone), None)
    data: list[dict[str, object]] = [
        {
            "id": model,
            "aliases": [],
            "status": "withdrawn",
            "deprecated_at": None,
            "shutdown_at": "2026-06-30",
            "replaced_by": left,
            "reason": "Withdrawn by its maker",
        }
        for model in gone
    ]
    return call.reply({"object": "list", "generated_at": format_moment(call.now), "data": data})


def list_metrics(state: ServiceState, call: Call) -> Response:
    """Percentiles of the generation times of the last minutes; a model without a recent success is absent."""
    check_parameters(call.request, ("aliases",))
    aliases = call.request.values("aliases")
    if len(aliases) > _MOST_ALIASES:
        raise refuse_query(f"aliases: at most {_MOST_ALIASES} values")
    measured = [
        _describe_metrics(model, durations)
        for model, durations in _collect_durations(state, call.now).items()
        if not aliases or model in aliases
    ]
    generated_at = format_moment(call.now)
    return call.reply({"window_seconds": _METRICS_SECONDS, "generated_at": generated_at, "models": measured})


def _collect_durations(state: ServiceState, now: float) -> Mapping[str, list[float]]:
    """Sorted seconds of each model's recent successes."""
    durations: dict[str, list[float]] = defaultdict(list)
    for account in state.accounts.values():
        for charge in reversed(account.list_charges(now)):
            if charge.at < now - _METRICS_SECONDS:
                break
            durations[charge.model].append(charge.at - account.generations[charge.generation_id].submitted_at)
    return {model: sorted(seconds) for model, seconds in durations.items()}


def _describe_metrics(model: str, durations: Sequence[float]) -> dict[str, object]:
    milliseconds = {
        f"p{share}": round(durations[ceil(len(durations) * share / 100) - 1] * 1000, 1) for share in _PERCENTILES
    }
    return {"alias": model, "endpoint": "/v2/video/generations", "metrics": {"duration_ms": milliseconds}}
