"""Chains of jobs for runs on virtual time."""

from __future__ import annotations

from batchveo.core.gates import CheckPolicy
from batchveo.core.links import ChainPlace, Link, ParentLink
from batchveo.core.models import JobSpec
from tests.helpers.factories import make_spec

LITE = "google/veo-3-1-lite-generate-preview"
FIELDS = {
    "video": ("video_url", "google/veo3-1-fast-extend-video"),
    "id": ("previous_interaction_id", "google/gemini-omni-flash-preview"),
}
POLICY = CheckPolicy(gates=("black_seconds < 0.5",)).to_json()


def make_chain(length: int, name: str = "shot", *, part: str = "last", policy: str | None = None) -> list[JobSpec]:
    """Jobs that each take a part of the video of the one before."""
    field, taker = FIELDS.get(part, ("image_url", LITE))
    tries = None if policy is None else 2
    chain: list[JobSpec] = []
    for number in range(length):
        model = taker if chain else LITE
        request: dict[str, object] = {"model": model, "prompt": f"{name} {number}"}
        place = None
        if chain:
            parent = chain[-1].id
            request[field] = Link(part, parent).reference
            place = ChainPlace(
                chain=chain[0].id, link=number + 1, parents=(ParentLink(part=part, parent=parent, takes_data=True),)
            )
        chain.append(
            make_spec(
                f"{name} {number}",
                model=model,
                request=request,
                chain=place,
                policy=policy,
                tries=tries,
            )
        )
    return chain
