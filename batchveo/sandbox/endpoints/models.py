"""``GET`` of ``/v1/models``, ``/model/<id>``, ``/docs-json`` and ``/models/metrics``: the models and their figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from urllib.parse import quote

from batchveo.provider.catalog import Catalog, Model
from batchveo.sandbox.calls import Call, Refused, check_parameters, format_moment, read_single, refuse_query
from batchveo.sandbox.documents import write_document
from batchveo.sandbox.endpoints.deprecations import is_listed, is_withdrawn
from batchveo.sandbox.http_messages import Request, Response
from batchveo.sandbox.prices import find_price
from batchveo.sandbox.service_state import ServiceState

DOCUMENT_PATH = "/docs-json"
MODEL_PREFIX = "/model/"
_PARAMETERS = ("id", "include", "details", "type")
_TYPE = "internal/video-generations/submit"
_METRICS_SECONDS = 300
_MOST_ALIASES = 100
_PERCENTILES = (50, 75, 90, 99)


def list_models(state: ServiceState, call: Call) -> Response:
    """The models that are asked for, or 304 if the client has this very answer."""
    request = call.request
    check_parameters(request, _PARAMETERS)
    priced = _wants_prices(request)
    data = [
        _describe_model(model, request.origin, priced=priced)
        for model in _list_wanted(state.catalog, request)
        if is_listed(state, model)
    ]
    return call.reply_cached({"object": "list", "data": data}, tagged=data)


def _wants_prices(request: Request) -> bool:
    included = {"pricing", "all"} & _read_values(request, "include")
    return bool(included) or request.values("details") in (["true"], ["1"])


def _list_wanted(catalog: Catalog, request: Request) -> Iterator[Model]:
    """The models that are asked for, by any of their names, in the catalogue's order."""
    types = request.values("type")
    if types and _TYPE not in types:
        return
    ids = _read_values(request, "id")
    wanted = {model.id for name in ids if (model := catalog.get(name))} if ids else set(catalog)
    yield from (catalog[name] for name in catalog if name in wanted)


def _read_values(request: Request, name: str) -> set[str]:
    return {part for value in request.values(name) for part in value.split(",") if part}


def _describe_model(model: Model, origin: str, *, priced: bool) -> dict[str, object]:
    # the service lists some models under another name than the one in their documents
    listed, *others = (*model.aliases, model.id)
    developer, _, name = listed.rpartition("/")
    entry: dict[str, object] = {
        "id": listed,
        "aliases": others,
        "type": _TYPE,
        "info": {
            "name": name,
            "developer": developer or None,
            "docsJson": f"{origin}{DOCUMENT_PATH}?model={quote(listed, safe='')}&endpoint={quote(_TYPE, safe='')}",
        },
        "tags": ["playground:video"],
    }
    return {**entry, "pricing": find_price(model).describe()} if priced else entry


def read_model(state: ServiceState, call: Call) -> Response:
    """One model with its price, also a deprecated one that the list no longer has; 404 for any other."""
    model = state.catalog.get(call.request.path.removeprefix(MODEL_PREFIX))
    if model is None or is_withdrawn(state, model):
        raise Refused(404, "Model not found")
    card = _describe_model(model, call.request.origin, priced=True)
    return call.reply_cached(card, tagged=card)


def read_document(state: ServiceState, call: Call) -> Response:
    """The OpenAPI document of a model, or 304 if the client has it."""
    check_parameters(call.request, ("model", "endpoint"))
    model = state.catalog.get(read_single(call.request, "model") or "")
    if model is None or is_withdrawn(state, model) or read_single(call.request, "endpoint") != _TYPE:
        raise Refused(404, "There is no such document")
    document = write_document(model)
    return call.reply_cached(document, tagged=document)


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
