"""The videos behind the generations: their names, URLs, sizes, bytes."""

from __future__ import annotations

from hashlib import blake2b
from hmac import compare_digest

from batchveo.sandbox.call import Call
from batchveo.sandbox.generations import Generation
from batchveo.sandbox.sample_clips import FLAWED, LONGEST, SCENES, sample_video
from batchveo.sandbox.settings import Settings
from batchveo.sandbox.state import SandboxState

USUAL_TTL = 120.0
"""Seconds that ``expiring-url`` gives."""


def file_name(generation: Generation) -> str:
    """The last part of the video's URL."""
    return f"{generation.file}.mp4"


def file_url(world: SandboxState, call: Call, generation: Generation) -> str:
    """A URL of the video, signed until its time runs out where the settings or a fault ask for it."""
    url = f"{call.request.origin}/files/{file_name(generation)}"
    if world.faults.strikes("expiring-url", generation.ordinal):
        issued, seconds = f"{call.now:.3f}", _seconds(world)
        signature = _signature(world, generation, f"{issued} {seconds}")
        return f"{url}?Expires={seconds}&issued={issued}&signature={signature}"
    if world.settings.url_ttl is None:
        return url
    expires = f"{call.now + world.settings.url_ttl:.3f}"
    return f"{url}?expires={expires}&signature={_signature(world, generation, expires)}"


def url_works(world: SandboxState, call: Call, generation: Generation) -> bool:
    """Whether the requested URL is still good for the video."""
    sent = dict(call.request.query)
    signature = sent.get("signature", "")
    if world.faults.strikes("expiring-url", generation.ordinal):
        issued, seconds = sent.get("issued", ""), sent.get("Expires", "")
        genuine = _is_genuine(signature, world, generation, f"{issued} {seconds}")
        return genuine and call.now < float(issued) + float(seconds)
    if world.settings.url_ttl is None:
        return True
    expires = sent.get("expires", "")
    return _is_genuine(signature, world, generation, expires) and call.now < float(expires)


def _is_genuine(signature: str, world: SandboxState, generation: Generation, signed: str) -> bool:
    return compare_digest(signature.encode(), _signature(world, generation, signed).encode())


def file_bytes(settings: Settings, generation: Generation, *, encoding: int = 0) -> bytes:
    """The video; another ``encoding`` has other bytes and the same size."""
    return _video(generation, encoding=encoding, size=settings.video_bytes)


def file_size(settings: Settings, generation: Generation) -> int:
    """The video's length in bytes, without its padding being made."""
    return max(len(_video(generation)), settings.video_bytes or 0)


def _video(generation: Generation, *, encoding: int = 0, size: int | None = None) -> bytes:
    seconds = generation.seconds // 2 if generation.flaw == "short" else generation.seconds
    return sample_video(
        generation.flaw if generation.flaw in FLAWED else _scene(generation),
        label=f"{generation.id} {encoding:012}",
        seconds=min(max(seconds, 1), LONGEST),
        portrait=generation.portrait,
        size=size,
    )


def _scene(generation: Generation) -> str:
    digest = blake2b(f"{generation.id}\n{generation.request.get('prompt')}".encode("utf-8", "surrogatepass"))
    return SCENES[int.from_bytes(digest.digest()[:8], "big") % len(SCENES)]


def _seconds(world: SandboxState) -> str:
    return f"{USUAL_TTL if world.settings.url_ttl is None else world.settings.url_ttl:.0f}"


def _signature(world: SandboxState, generation: Generation, expires: str) -> str:
    return world.names.digest("url", generation.file, expires).hex()
