"""``GET /v1/models/deprecations``: the models that are gone, and what replaces them."""

from __future__ import annotations

from batchveo.provider.catalog import MODELS
from batchveo.sandbox.call import Call
from batchveo.sandbox.http_messages import Response
from batchveo.sandbox.state import SandboxState
from batchveo.sandbox.times import iso


def deprecations(world: SandboxState, call: Call) -> Response:
    """A row for each model that the sandbox was told to withdraw."""
    gone = [model for model in MODELS if world.faults.strikes("404-withdrawn", model)]
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
    return call.reply({"object": "list", "generated_at": iso(call.now), "data": data})
