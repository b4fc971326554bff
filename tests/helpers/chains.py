"""Chains of jobs for runs on virtual time."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256

from batchveo.core.gates import CheckPolicy
from batchveo.core.links import ChainPlace, Link, ParentLink
from batchveo.core.models import Job, JobSpec
from batchveo.sandbox import Service
from batchveo.storage.stored_video import local_copy, video_at
from tests.helpers.factories import make_spec

LITE = "google/veo-3-1-lite-generate-preview"
TAKES_URL = "google/veo-3.1-i2v-fast"
"""A model that begins with an image, of which it takes an address alone."""
FIELDS = {
    "video": ("video_url", "google/veo3-1-fast-extend-video"),
    "id": ("previous_interaction_id", "google/gemini-omni-flash-preview"),
}
"""The field that takes each part of a video, and a model that has it; all other parts are frames."""
POLICY = CheckPolicy(gates=("black_seconds < 0.5",)).to_json()


def make_link(
    name: str,
    parents: dict[str, JobSpec],
    *,
    policy: str | None = None,
    tries: int | None = None,
    by_url: bool = False,
) -> JobSpec:
    """A job that takes each of these parts of the videos of other jobs; without any, the first of a chain.

    ``by_url``: its model takes an image only by an address.
    """
    model = next((FIELDS[part][1] for part in parents if part in FIELDS), TAKES_URL if by_url and parents else LITE)
    request: dict[str, object] = {"model": model, "prompt": name}
    links = []
    place = None
    for field, (part, parent) in zip(("image_url", "last_image_url"), parents.items(), strict=False):
        request[FIELDS.get(part, (field,))[0]] = Link(part, parent.id).reference
        links.append(ParentLink(part=part, parent=parent.id, takes_data=not by_url))
    if parents:
        places = [parent.chain for parent in parents.values()]
        first = next(iter(parents.values()))
        place = ChainPlace(
            chain=first.id if first.chain is None else first.chain.chain,
            link=1 + max(1 if before is None else before.link for before in places),
            parents=tuple(links),
        )
    return make_spec(name, model=model, request=request, chain=place, policy=policy, tries=tries)


def make_chain(
    length: int, name: str = "shot", *, part: str = "last", policy: str | None = None, by_url: bool = False
) -> list[JobSpec]:
    """Jobs that each take a part of the video of the one before."""
    chain: list[JobSpec] = []
    for number in range(length):
        parents = {part: chain[-1]} if chain else {}
        tries = None if policy is None else 2
        chain.append(make_link(f"{name} {number}", parents, policy=policy, tries=tries, by_url=by_url))
    return chain


def make_tree() -> list[JobSpec]:
    """A chain of four, from whose second link another way goes on; and a chain that uses its last frame."""
    shots = make_chain(4)
    night = make_link("night", {"last": shots[1]})
    later = make_link("later", {"last": night})
    other = make_link("other", {})
    bridge = make_link("bridge", {"last": other, "first": shots[3]})
    return [*shots, night, later, other, bridge]


def assert_frames_sent(service: Service, jobs: Sequence[Job]) -> None:
    """Each request holds the last frame of its parent's video; the sandbox keeps the hash of what it got."""
    from batchveo.media.frames import read_frame

    by_id = {job.id: job for job in jobs}
    for generation in service.generations:
        job = by_id[str(generation.client_request_id).split(".")[1]]
        if job.link > 1:
            with local_copy(video_at(by_id[Link.parse(str(job.request["image_url"])).parent])) as path:
                uri = f"data:image/png;base64,{b64encode(read_frame(path, 'last')).decode()}"
            assert sha256(uri.encode()).hexdigest() in str(generation.request["image_url"])
