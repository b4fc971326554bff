"""``GET /v2/video/generations``: ask how far a generation is."""

from __future__ import annotations

from batchveo.sandbox.call import Call
from batchveo.sandbox.errors import INTERNAL, Refused
from batchveo.sandbox.faults import POLL
from batchveo.sandbox.generations import Generation, Status
from batchveo.sandbox.messages import Ending, Response, page_response, unanswered
from batchveo.sandbox.query import allow_only, single
from batchveo.sandbox.videos import file_name, file_size, file_url
from batchveo.sandbox.world import World

_ODD_WORDS = {
    Status.QUEUED: ("waiting",),
    Status.GENERATING: ("active", "postprocessing"),
    Status.COMPLETED: ("succeeded", "complete"),
    Status.ERROR: ("error",),
}


def poll(world: World, call: Call) -> Response:
    """The generation's status; its video once it is completed."""
    fault = world.faults.pick(POLL, call.name, call.ordinal)
    match fault:
        case "poll-drop":
            return unanswered(Ending.RESET)
        case "poll-502":
            return page_response(502, "502 Bad Gateway")
        case "poll-500":
            raise Refused(500, INTERNAL)
    generation = _find(world, call)
    status: str = generation.status(call.now)
    if fault == "odd-status":
        status = world.dice.choice(_ODD_WORDS[Status(status)], "word", call.ordinal)
    return _report(world, call, generation, status)


def _find(world: World, call: Call) -> Generation:
    allow_only(call.request, ("generation_id",))
    wanted = single(call.request, "generation_id")
    if not wanted:
        raise Refused(400, "Query validation error. generation_id: Required")
    generation = world.account(call.owner).generations.get(wanted)
    if generation is None or call.now < generation.known_at:
        raise Refused(404, "Generation not found")
    return generation


def _report(world: World, call: Call, generation: Generation, word: str) -> Response:
    status = generation.status(call.now)
    done = status is Status.COMPLETED
    used = generation.charged(call.now)
    content = {
        "id": generation.id,
        "status": word,
        "video": _video(world, call, generation) if done else None,
        "error": {"name": "GenerationError", "message": generation.failure} if status is Status.ERROR else None,
        "meta": {"usage": {"credits_used": used}} if done else None,
    }
    return call.reply(content, inference_id=generation.id, credits_used=used)


def _video(world: World, call: Call, generation: Generation) -> dict[str, object]:
    return {
        "url": file_url(world, call, generation),
        "content_type": "video/mp4",
        "file_name": file_name(generation),
        "file_size": file_size(world.settings, generation),
    }
