"""``GET /v2/logs``: the requests of a window of time, newest first."""

from __future__ import annotations

import sys

from batchveo.sandbox import times
from batchveo.sandbox.call import Call
from batchveo.sandbox.errors import TOO_MANY, Refused, bad_request
from batchveo.sandbox.http_messages import Request, Response
from batchveo.sandbox.logs import LogFilter
from batchveo.sandbox.query import allow_only, check_choice, integer, single
from batchveo.sandbox.state import SandboxState

_PARAMETERS = ("period", "start", "end", "model", "status", "limit", "offset")
_STATUSES = ("succeeded", "failed")
_MOST_MODELS = 50
_LONGEST = 92 * times.DAY


def usage_log(world: SandboxState, call: Call) -> Response:
    """One page of the rows that have arrived by now."""
    _check_rate(world, call)
    request = call.request
    allow_only(request, _PARAMETERS)
    limit = integer(request, "limit", default=50, low=1, high=100)
    offset = integer(request, "offset", default=0, low=0, high=sys.maxsize)
    wanted = _filter(request, call.now)
    entries, total = world.account(call.owner).log.page(wanted, offset=offset, limit=limit, now=call.now)
    more = offset + len(entries) < total
    pagination = {"limit": limit, "offset": offset, "total": total, "has_more": more}
    return call.reply({"data": [entry.row(call.now) for entry in entries], "pagination": pagination})


def _check_rate(world: SandboxState, call: Call) -> None:
    calls = world.account(call.owner).log_calls
    wait = calls.wait(world.settings.log_calls_per_minute, call.now)
    if wait > 0:
        raise Refused(429, TOO_MANY, retry_after=wait if world.settings.retry_after else None)
    calls.add(call.now)


def _filter(request: Request, now: float) -> LogFilter:
    start, end = _window(request, now)
    models, statuses = request.values("model"), request.values("status")
    if len(models) > _MOST_MODELS:
        raise bad_request(f"Query validation error. model: at most {_MOST_MODELS} values")
    for status in statuses:
        check_choice("status", status, _STATUSES)
    return LogFilter(start=start, end=end, models=models, statuses=statuses)


def _window(request: Request, now: float) -> tuple[float, float]:
    period, start, end = (single(request, name) for name in ("period", "start", "end"))
    if (period is None) is (start is None) or (start is None) is not (end is None):
        raise bad_request("Query validation error. Give either period, or both start and end")
    try:
        opens = now - times.period(period) if period is not None else times.moment(start or "")
        closes = now if period is not None else times.moment(end or "")
    except (ValueError, OverflowError) as error:
        raise bad_request(f"Query validation error. {error}") from error
    if not 0 <= closes - opens <= _LONGEST:
        raise bad_request("Query validation error. The window ends after it starts, at most 92 days later")
    return opens, closes
