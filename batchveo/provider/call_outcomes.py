"""What the response to a submit means for the job: one table, the first row that fits decides.

The codes and bodies are those of the service's public error page. It is silent about the rest; then only what was
refused in so many words is known not to have been bought, and everything else is in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from operator import attrgetter

from batchveo.core.outcomes import (
    Accepted,
    Blocked,
    Denied,
    Refused,
    RejectedTemporarily,
    Scope,
    Stop,
    SubmitOutcome,
    SubmitUncertain,
    Throttled,
    Withdrawn,
)
from batchveo.provider.responses import (
    Response,
    describe_error,
    describe_page,
    read_accepted_id,
    read_charged_usd,
    read_retry_after,
    to_one_line,
)

IS_OBJECT: Callable[[Response], bool] = attrgetter("is_object")
IS_API_ERROR: Callable[[Response], bool] = attrgetter("is_api_error")
MONEY = re.compile(r"credit|balance|billing|top.?up|funds|payment|insufficient", re.IGNORECASE)
"""Words of a refusal about money; they count only if the account's balance cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One row: which responses it is about, whom they concern, and what they mean for the job.

    ``concerns``: ``None`` if that is not known, as of a response from a proxy.
    """

    statuses: Collection[int]
    concerns: Scope | None
    means: Callable[[Response], SubmitOutcome]
    fits: Callable[[Response], bool] = lambda _: True


def _accept(response: Response) -> SubmitOutcome:
    generation = read_accepted_id(response)
    if generation is None:
        return SubmitUncertain(reason=to_one_line(f"accepted without a readable id{describe_page(response)}"))
    return Accepted(generation_id=generation, cost_usd=read_charged_usd(response))


def _deny(response: Response) -> Denied:
    reason = describe_error(response)
    return Denied(reason=reason, about_money=response.status == 402 or bool(MONEY.search(reason)))


def _throttle(response: Response) -> Throttled:
    return Throttled(reason=describe_error(response), retry_after=read_retry_after(response))


def _reject_for_now(response: Response) -> RejectedTemporarily:
    return RejectedTemporarily(reason=describe_error(response), retry_after=read_retry_after(response))


def _block(stop: Stop) -> Callable[[Response], SubmitOutcome]:
    return lambda response: Blocked(stop=stop, reason=describe_error(response))


def _withdraw(response: Response) -> Withdrawn:
    return Withdrawn(reason=describe_error(response))


def _refuse(response: Response) -> Refused:
    return Refused(reason=describe_error(response))


VERDICTS: tuple[Verdict, ...] = (
    Verdict(statuses=range(200, 300), concerns=Scope.JOB, means=_accept),
    Verdict(statuses={429}, concerns=Scope.KEY, means=_throttle),
    Verdict(statuses={401}, concerns=Scope.KEY, means=_block(Stop.KEY)),
    Verdict(statuses={402, 403}, concerns=Scope.MODEL, means=_deny),
    # documented for a withdrawn model; without an object it is a page, so the address is wrong
    Verdict(statuses={404, 410}, fits=IS_OBJECT, concerns=Scope.MODEL, means=_withdraw),
    Verdict(statuses={404, 405, 410}, concerns=Scope.SERVICE, means=_block(Stop.SERVICE)),
    Verdict(statuses={400, 413, 415, 422, 451}, fits=IS_OBJECT, concerns=Scope.JOB, means=_refuse),
    Verdict(statuses={500, 503}, fits=IS_API_ERROR, concerns=Scope.SERVICE, means=_reject_for_now),
)
"""Everything that is decided; what no row fits may have been accepted."""


def find_verdict(response: Response) -> Verdict | None:
    """The row that decides about ``response``."""
    return next((row for row in VERDICTS if response.status in row.statuses and row.fits(response)), None)


def interpret_submit(response: Response) -> SubmitOutcome:
    """What the response to a submit means for the job."""
    row = find_verdict(response)
    return SubmitUncertain(reason=describe_error(response)) if row is None else row.means(response)
