"""``GET /v1/models``: the catalogue, with prices on request."""

from __future__ import annotations

from hashlib import blake2b
from urllib.parse import quote as quoted

from batchveo.provider.catalog import MODELS, Model
from batchveo.sandbox.call import Call
from batchveo.sandbox.http_messages import Request, Response
from batchveo.sandbox.prices import LISTINGS, quote
from batchveo.sandbox.query import allow_only
from batchveo.sandbox.state import SandboxState

_PARAMETERS = ("id", "include", "details", "type")
_TYPE = "internal/video-generations/submit"


def models(_world: SandboxState, call: Call) -> Response:
    """The models asked for, or 304 where the client holds this very answer."""
    request = call.request
    allow_only(request, _PARAMETERS)
    priced = _wants_prices(request)
    data = [_entry(model, request.origin, priced=priced) for model in MODELS.values() if _wanted(model, request)]
    answer = call.reply({"object": "list", "data": data})
    etag = f'"{blake2b(answer.body, digest_size=8).hexdigest()}"'
    if request.headers.get("if-none-match") in (etag, f"W/{etag}"):
        return Response(status=304, headers={"etag": etag})
    return Response(status=200, headers={**answer.headers, "etag": etag}, body=answer.body)


def _wants_prices(request: Request) -> bool:
    included = {"pricing", "all"} & _values(request, "include")
    return bool(included) or request.values("details") in (["true"], ["1"])


def _wanted(model: Model, request: Request) -> bool:
    listing = LISTINGS[model.id]
    ids, types = _values(request, "id"), request.values("type")
    return (not ids or not ids.isdisjoint((listing.id, *listing.aliases))) and (not types or _TYPE in types)


def _values(request: Request, name: str) -> set[str]:
    return {part for value in request.values(name) for part in value.split(",") if part}


def _entry(model: Model, origin: str, *, priced: bool) -> dict[str, object]:
    listing = LISTINGS[model.id]
    developer, _, name = f"google/{listing.id}".removeprefix("google/google/").rpartition("/")
    entry: dict[str, object] = {
        "id": listing.id,
        "aliases": list(listing.aliases),
        "type": _TYPE,
        "info": {
            "name": name,
            "developer": developer or "Google",
            "docsJson": f"{origin}/docs-json?model={quoted(listing.id, safe='')}&endpoint={quoted(_TYPE, safe='')}",
        },
        "tags": ["playground:video"],
    }
    return {**entry, "pricing": quote(model)} if priced else entry
