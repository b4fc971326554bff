"""``POST /v2/video/generations``: buy a generation."""

from __future__ import annotations

from batchveo.sandbox.call import Call
from batchveo.sandbox.errors import (
    INTERNAL,
    MODERATED,
    NO_CREDITS,
    NOT_IN_PLAN,
    NOT_PAID,
    TIMED_OUT,
    TOO_MANY,
    UNAVAILABLE,
    WITHDRAWN,
    Refused,
)
from batchveo.sandbox.faults import AFTER_ACCEPTING, BEFORE_ACCEPTING
from batchveo.sandbox.generations import Generation, Status
from batchveo.sandbox.http_messages import Delivery, Ending, Response, page_response, unanswered
from batchveo.sandbox.logs import LoggedRequest
from batchveo.sandbox.prices import usage
from batchveo.sandbox.state import SandboxState
from batchveo.sandbox.validate import Order, named_model, read_order

LEGACY_PATH = "/v2/generate/video/google/generation"
_LATE_IN_LOG = 10
_REFUSALS = {
    "402": (402, NOT_PAID),
    "403": (403, NO_CREDITS),
    "403-moderated": (403, MODERATED),
    "answer-500": (500, INTERNAL),
    "answer-503": (503, UNAVAILABLE),
}


def submit(world: SandboxState, call: Call) -> Response:
    """Accept the order or refuse it; either way the usage log will tell.

    Only what never reaches the API leaves no row: a wrong key, a dropped connection, a gateway's 502.
    """
    fault = world.faults.pick(BEFORE_ACCEPTING, call.name, call.ordinal)
    if fault == "drop-before":
        return unanswered(Ending.RESET)
    if fault == "answer-502":
        return page_response(502, "502 Bad Gateway")
    if fault == "page-503":
        return page_response(503, "503 Service Temporarily Unavailable")
    try:
        generation = _accept(world, call, fault)
    except Refused:
        _record(world, call, None)
        raise
    _record(world, call, generation)
    mishap = world.faults.pick(AFTER_ACCEPTING, call.name, call.ordinal)
    return _spoilt(world, call, generation, mishap) if mishap else _accepted(call, generation)


def _accept(world: SandboxState, call: Call, fault: str | None) -> Generation:
    _check_rate(world, call, forced=fault == "throttle")
    if fault is not None:
        raise Refused(*_REFUSALS[fault])
    order = read_order(call.request.body)
    _check_model(world, order)
    _check_means(world, call, order)
    return world.fates.draw(
        order,
        ordinal=call.ordinal,
        now=call.now,
        request_id=call.id,
        client_request_id=call.client_request_id,
        legacy=call.request.path == LEGACY_PATH,
    )


def _check_rate(world: SandboxState, call: Call, *, forced: bool) -> None:
    limit = world.settings.rate_per_minute
    submits = world.account(call.owner).submits
    wait = submits.wait(limit, call.now) if limit is not None else 0.0
    if forced or wait > 0:
        raise _throttled(world, max(wait, 1.0))
    submits.add(call.now)


def _check_model(world: SandboxState, order: Order) -> None:
    """Of these faults a model has one for good, or none."""
    if world.faults.strikes("404-withdrawn", order.named):
        raise Refused(404, WITHDRAWN)
    if world.faults.strikes("403-plan", order.named):
        raise Refused(403, NOT_IN_PLAN)


def _check_means(world: SandboxState, call: Call, order: Order) -> None:
    account = world.account(call.owner)
    if order.credits > account.available(call.now):
        raise Refused(403, NO_CREDITS)
    limit = world.settings.concurrency
    if limit is not None and account.in_flight(call.now) >= limit:
        raise _throttled(world, (account.next_ready() or call.now) - call.now)


def _throttled(world: SandboxState, wait: float) -> Refused:
    return Refused(429, TOO_MANY, retry_after=wait if world.settings.retry_after else None)


def _record(world: SandboxState, call: Call, generation: Generation | None) -> None:
    late = world.faults.strikes("late-log", call.ordinal)
    entry = LoggedRequest(
        ordinal=call.ordinal,
        created=call.now,
        shown_at=call.now + world.settings.log_lag * (_LATE_IN_LOG if late else 1),
        model=generation.model if generation else named_model(call.request.body),
        request_id=call.id,
        inference_id=generation.id if generation else world.names.word(21, "refused", call.ordinal),
        client_request_id=call.client_request_id,
        generation=generation,
        owner=call.owner,
    )
    world.record(entry)


def _accepted(call: Call, generation: Generation, delivery: Delivery | None = None) -> Response:
    answer = call.reply(_receipt(generation), status=201, inference_id=generation.id)
    return answer if delivery is None else answer.delivered(delivery)


def _receipt(generation: Generation) -> dict[str, object]:
    return {"id": generation.id, "status": Status.QUEUED, "model": generation.model}


def _spoilt(world: SandboxState, call: Call, generation: Generation, mishap: str) -> Response:
    match mishap:
        case "lose-answer":
            return unanswered(Ending.CLOSED)
        case "late-answer":
            return _accepted(call, generation, Delivery(delay=world.settings.late_by))
        case "answer-502-accepted":
            return page_response(502, "502 Bad Gateway")
        case "answer-504-accepted":
            return call.refuse(Refused(504, TIMED_OUT))
        case "generation-id":
            renamed = {"generation_id": generation.id, "status": Status.QUEUED}
            return call.reply(renamed, status=201, inference_id=generation.id)
        case "priced-answer":
            priced = {**_receipt(generation), "meta": {"usage": usage(generation.credits)}}
            return call.reply(priced, status=201, inference_id=generation.id)
        case "no-id":
            return call.reply({"status": Status.QUEUED}, status=201)
        case _:
            return _unreadable(generation)


def _unreadable(generation: Generation) -> Response:
    body = f'{{"id":"{generation.id[:5]}'.encode()
    return Response(status=201, headers={"content-type": "application/json"}, body=body)
