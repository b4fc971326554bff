"""Refusals, and the body in which the service words them."""

from __future__ import annotations

from math import ceil

from batchveo.sandbox.http_messages import NO_HEADERS, Response, json_response
from batchveo.sandbox.times import iso

WRONG_KEY = "This request requires a valid API key. You can create one at https://aimlapi.com/app/keys"
NO_CREDITS = (
    "You've run out of credits. Please top up your balance or update your payment method to continue: "
    "https://aimlapi.com/app/billing/"
)
TOO_MANY = "Too Many Requests"
INTERNAL = "Internal server error"
UNAVAILABLE = "Service unavailable"
TIMED_OUT = "Generation timeout"
NOT_PAID = "Payment required"
NOT_IN_PLAN = "Your plan does not include this model"
MODERATED = "The request was moderated"
WITHDRAWN = "This model has been withdrawn"


class Refused(Exception):
    """A call is refused with this status and message; ``retry_after`` is seconds."""

    def __init__(self, status: int, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.retry_after = retry_after


def bad_request(message: str) -> Refused:
    """A 400 with this message."""
    return Refused(400, message)


def error_response(refused: Refused, *, path: str, request_id: str, now: float) -> Response:
    """The refusal as the service words it."""
    headers = NO_HEADERS
    if refused.retry_after is not None:
        headers = {"retry-after": str(max(1, ceil(refused.retry_after)))}
    content = {
        "message": refused.message,
        "path": path,
        "requestId": request_id,
        "statusCode": refused.status,
        "timestamp": iso(now),
    }
    return json_response(content, status=refused.status, headers=headers)
