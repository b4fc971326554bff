"""``POST`` and ``GET`` of ``/v2/video/generations``: buy a generation, and poll it."""

from __future__ import annotations

from batchveo.sandbox.account import LoggedRequest
from batchveo.sandbox.answer_shapes import AnswerShape, find_shape
from batchveo.sandbox.calls import (
    INTERNAL,
    MODERATED,
    NO_CREDITS,
    Call,
    Refused,
    check_parameters,
    read_single,
    refuse_query,
)
from batchveo.sandbox.endpoints.deprecations import is_withdrawn
from batchveo.sandbox.endpoints.videos import make_url, name_file, read_size
from batchveo.sandbox.generations import (
    Generation,
    GenerationRequest,
    Status,
    read_generation_request,
    read_model_name,
)
from batchveo.sandbox.http_messages import Delivery, Ending, Response, leave_unanswered, page_response
from batchveo.sandbox.service_state import ServiceState
from batchveo.sandbox.settings import AFTER_ACCEPTING, BEFORE_ACCEPTING, POLL

PATH = "/v2/video/generations"
LEGACY_PATH = "/v2/generate/video/google/generation"
_LATE_IN_LOG = 10
_REFUSALS = {
    "402": (402, "Payment required"),
    "403": (403, NO_CREDITS),
    "403-moderated": (403, MODERATED),
    "answer-500": (500, INTERNAL),
    "answer-503": (503, "Service unavailable"),
}
_UNDOCUMENTED_WORDS = {
    Status.QUEUED: ("waiting",),
    Status.GENERATING: ("active", "postprocessing"),
    Status.COMPLETED: ("succeeded", "complete"),
    Status.ERROR: ("error",),
}
_VIDEO_FAULTS = {"video-addresses": "addresses", "video-list": "objects"}
_ERRORLESS_ENDINGS = {"content-filtered": "content_filtered", "canceled": "canceled"}
"""The statuses of generations that end without a video and without an error."""


def submit_generation(state: ServiceState, call: Call) -> Response:
    """Accept or refuse a submit; the usage log gets a row in both cases.

    Only requests that never reach the API have no row: a wrong key, a dropped connection, a gateway's 502.
    """
    match fault := state.faults.pick_fault(BEFORE_ACCEPTING, call.name, call.ordinal):
        case "drop-before":
            return leave_unanswered(Ending.RESET)
        case "answer-502":
            return page_response(502, "502 Bad Gateway")
        case "page-503":
            return page_response(503, "503 Service Temporarily Unavailable")
    try:
        generation = _accept(state, call, fault)
    except Refused:
        _log_request(state, call, None)
        raise
    # before any answer is chosen: whatever happens to the answer, the generation is bought
    _log_request(state, call, generation)
    return _answer_submit(state, call, generation, state.faults.pick_fault(AFTER_ACCEPTING, call.name, call.ordinal))


def _accept(state: ServiceState, call: Call, fault: str | None) -> Generation:
    if fault == "throttle":
        raise state.throttle(1.0)
    state.check_rate(state.open_account(call.owner).submits, state.settings.rate_per_minute, call.now)
    if fault is not None:
        raise Refused(*_REFUSALS[fault])
    request = read_generation_request(call.request.body, state.catalog)
    _check_model(state, request)
    _check_account(state, call, request)
    return state.factory.make_generation(
        request,
        ordinal=call.ordinal,
        now=call.now,
        request_id=call.id,
        client_request_id=call.client_request_id,
        legacy=call.request.path == LEGACY_PATH,
    )


def _check_model(state: ServiceState, request: GenerationRequest) -> None:
    # drawn for the model and not for the call: a model has one of these faults always, or never
    if is_withdrawn(state, request.model):
        raise Refused(404, "This model has been withdrawn")
    if state.faults.has_fault("403-plan", request.model_name):
        raise Refused(403, "Your plan does not include this model")


def _check_account(state: ServiceState, call: Call, request: GenerationRequest) -> None:
    account = state.open_account(call.owner)
    if request.credits > account.read_available(call.now):
        raise Refused(403, NO_CREDITS)
    limit = state.settings.concurrency
    if limit is not None and account.count_in_flight(call.now) >= limit:
        raise state.throttle((account.find_next_end() or call.now) - call.now)


def _log_request(state: ServiceState, call: Call, generation: Generation | None) -> None:
    late = state.faults.has_fault("late-log", call.ordinal)
    entry = LoggedRequest(
        ordinal=call.ordinal,
        created=call.now,
        shown_at=call.now + state.settings.log_lag * (_LATE_IN_LOG if late else 1),
        model=generation.model if generation else read_model_name(call.request.body),
        request_id=call.id,
        inference_id=generation.id if generation else state.ids.draw_word(21, "refused", call.ordinal),
        client_request_id=call.client_request_id,
        generation=generation,
        owner=call.owner,
    )
    state.add_request(entry)


def _answer_submit(state: ServiceState, call: Call, generation: Generation, fault: str | None) -> Response:
    shape = _find_shape(state, generation)
    receipt: dict[str, object] = {shape.id_name: generation.id, "status": Status.QUEUED, "model": generation.model}
    inference_id: str | None = generation.id
    if shape.usage_on_submit:
        receipt["meta"] = shape.describe_usage(generation.credits)
    match fault:
        case "lose-answer":
            return leave_unanswered(Ending.CLOSED)
        case "answer-502-accepted":
            return page_response(502, "502 Bad Gateway")
        case "answer-504-accepted":
            return call.refuse(Refused(504, "Generation timeout"))
        case "unreadable-answer":
            body = f'{{"id":"{generation.id[:5]}'.encode()
            return Response(status=201, headers={"content-type": "application/json"}, body=body)
        case "generation-id":
            receipt = {"generation_id": generation.id, "status": Status.QUEUED}
        case "priced-answer":
            receipt["meta"] = AnswerShape().describe_usage(generation.credits)
        case "no-id":
            receipt, inference_id = {"status": Status.QUEUED}, None
    answer = call.reply(receipt, status=201, inference_id=inference_id)
    return answer.deliver(Delivery(delay=state.settings.late_by)) if fault == "late-answer" else answer


def poll_generation(state: ServiceState, call: Call) -> Response:
    """The status of a generation; its video once it is complete."""
    match fault := state.faults.pick_fault(POLL, call.name, call.ordinal):
        case "poll-drop":
            return leave_unanswered(Ending.RESET)
        case "poll-502":
            return page_response(502, "502 Bad Gateway")
        case "poll-500":
            raise Refused(500, INTERNAL)
    generation = _find_generation(state, call)
    status = generation.status(call.now)
    if status is Status.ERROR and generation.ending == "poll-403":
        raise Refused(403, MODERATED)
    has_video = status is Status.COMPLETED and generation.ending != "no-url"
    charged = generation.count_charged(call.now)
    shape = AnswerShape(usage=("usd_spent",)) if fault == "usd-only" else _find_shape(state, generation)
    content = {
        "id": generation.id,
        "status": _word_status(state, call, generation, fault),
        "video": _describe_video(state, call, generation, fault) if has_video else None,
        "error": _describe_error(generation) if status is Status.ERROR else None,
        "meta": shape.describe_usage(charged) if has_video else None,
    }
    return call.reply(content, inference_id=generation.id, credits_used=charged)


def _find_generation(state: ServiceState, call: Call) -> Generation:
    check_parameters(call.request, ("generation_id",))
    wanted = read_single(call.request, "generation_id")
    if not wanted:
        raise refuse_query("generation_id: Required")
    generation = state.open_account(call.owner).generations.get(wanted)
    # on this account alone: another key, with per_key, must not find the generation
    if generation is None or call.now < generation.known_at:
        raise Refused(404, "Generation not found")
    return generation


def _word_status(state: ServiceState, call: Call, generation: Generation, fault: str | None) -> str:
    status = generation.status(call.now)
    if status is Status.ERROR and generation.ending in _ERRORLESS_ENDINGS:
        return _ERRORLESS_ENDINGS[generation.ending]
    if fault == "odd-status":
        return state.chances.draw_choice(_UNDOCUMENTED_WORDS[status], "word", call.ordinal)
    return status


def _describe_error(generation: Generation) -> dict[str, object] | None:
    if generation.ending in _ERRORLESS_ENDINGS:
        return None
    if generation.ending == "odd-error":
        return {"code": 13, "details": generation.failure}
    return {"name": "GenerationError", "message": generation.failure}


def _describe_video(state: ServiceState, call: Call, generation: Generation, fault: str | None) -> object:
    url = make_url(state, call, generation)
    shape = _VIDEO_FAULTS.get(fault or "") or _find_shape(state, generation).video
    if shape == "addresses":
        return [url]
    video = {
        "url": url,
        "content_type": "video/mp4",
        "file_name": name_file(generation),
        "file_size": read_size(state.settings, generation),
    }
    return [video] if shape == "objects" else video


def _find_shape(state: ServiceState, generation: Generation) -> AnswerShape:
    # a journal may know a model that is no longer in the catalogue
    model = state.catalog.get(generation.model)
    return AnswerShape() if model is None else find_shape(model)
