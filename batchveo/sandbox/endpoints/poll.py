"""``GET /v2/video/generations``: ask how far a generation is."""

from __future__ import annotations

from batchveo.sandbox.call import Call
from batchveo.sandbox.errors import INTERNAL, MODERATED, Refused
from batchveo.sandbox.faults import POLL
from batchveo.sandbox.generations import Generation, Status
from batchveo.sandbox.http_messages import Ending, Response, page_response, unanswered
from batchveo.sandbox.prices import usage
from batchveo.sandbox.query import allow_only, single
from batchveo.sandbox.state import SandboxState
from batchveo.sandbox.videos import file_name, file_size, file_url

_ODD_WORDS = {
    Status.QUEUED: ("waiting",),
    Status.GENERATING: ("active", "postprocessing"),
    Status.COMPLETED: ("succeeded", "complete"),
    Status.ERROR: ("error",),
}

_BARE_WORDS = {"content-filtered": "content_filtered", "canceled": "canceled"}


def poll(world: SandboxState, call: Call) -> Response:
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
    status = generation.status(call.now)
    if status is Status.ERROR and generation.ending == "poll-403":
        raise Refused(403, MODERATED)
    word: str = status
    if status is Status.ERROR and generation.ending in _BARE_WORDS:
        word = _BARE_WORDS[generation.ending]
    elif fault == "odd-status":
        word = world.dice.choice(_ODD_WORDS[status], "word", call.ordinal)
    return _report(world, call, generation, word=word, fault=fault)


def _find(world: SandboxState, call: Call) -> Generation:
    allow_only(call.request, ("generation_id",))
    wanted = single(call.request, "generation_id")
    if not wanted:
        raise Refused(400, "Query validation error. generation_id: Required")
    generation = world.account(call.owner).generations.get(wanted)
    if generation is None or call.now < generation.known_at:
        raise Refused(404, "Generation not found")
    return generation


def _report(world: SandboxState, call: Call, generation: Generation, *, word: str, fault: str | None) -> Response:
    done = generation.status(call.now) is Status.COMPLETED and generation.ending != "no-url"
    used = generation.charged(call.now)
    content = {
        "id": generation.id,
        "status": word,
        "video": _video(world, call, generation, fault) if done else None,
        "error": _error(generation, call.now),
        "meta": {"usage": usage(used, usd_only=fault == "usd-only")} if done else None,
    }
    return call.reply(content, inference_id=generation.id, credits_used=used)


def _error(generation: Generation, now: float) -> dict[str, object] | None:
    if generation.status(now) is not Status.ERROR or generation.ending in _BARE_WORDS:
        return None
    if generation.ending == "odd-error":
        return {"code": 13, "details": generation.failure}
    return {"name": "GenerationError", "message": generation.failure}


def _video(world: SandboxState, call: Call, generation: Generation, fault: str | None) -> object:
    url = file_url(world, call, generation)
    if fault == "video-addresses":
        return [url]
    video = {
        "url": url,
        "content_type": "video/mp4",
        "file_name": file_name(generation),
        "file_size": file_size(world.settings, generation),
    }
    return [video] if fault == "video-list" else video
