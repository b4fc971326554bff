"""What the answer to a submit means: one table, the first row that fits decides.

The codes and bodies are those of the service's public error page. Where it is silent, only what was refused in so
many words is known not to have been bought: everything else is in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

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
    Answer,
    accepted_id,
    accepted_usd,
    error_reason,
    is_api_error,
    one_line,
    retry_after,
    seen_in,
)

Fits = Callable[[Answer], bool]
Means = Callable[[Answer], SubmitOutcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One row: the answers that it is about, whom they concern, and what they mean for the job.

    ``concerns``: ``None`` if that is not known, as of an answer from something in between.
    """

    statuses: Collection[int]
    fits: Fits
    concerns: Scope | None
    means: Means


def _always(_answer: Answer) -> bool:
    return True


def _is_object(answer: Answer) -> bool:
    return isinstance(answer.json(), dict)


def _accepted(answer: Answer) -> SubmitOutcome:
    generation = accepted_id(answer)
    if generation is None:
        return SubmitUncertain(reason=one_line(f"accepted without a readable id{seen_in(answer)}"))
    return Accepted(generation_id=generation, cost_usd=accepted_usd(answer))


def _denied(answer: Answer) -> Denied:
    reason = error_reason(answer)
    return Denied(reason=reason, about_money=answer.status == 402 or bool(MONEY.search(reason)))


MONEY = re.compile(r"credit|balance|billing|top.?up|funds|payment|insufficient", re.IGNORECASE)
"""What a refusal about money says; asked only if the account's balance cannot be read."""

VERDICTS: tuple[Verdict, ...] = (
    Verdict(statuses=range(200, 300), fits=_always, concerns=Scope.JOB, means=_accepted),
    Verdict(
        statuses={429},
        fits=_always,
        concerns=Scope.KEY,
        means=lambda answer: Throttled(reason=error_reason(answer), retry_after=retry_after(answer)),
    ),
    Verdict(
        statuses={401},
        fits=_always,
        concerns=Scope.KEY,
        means=lambda answer: Blocked(stop=Stop.KEY, reason=error_reason(answer)),
    ),
    Verdict(statuses={402, 403}, fits=_always, concerns=Scope.MODEL, means=_denied),
    Verdict(
        statuses={404, 410},  # documented for a withdrawn model
        fits=_is_object,
        concerns=Scope.MODEL,
        means=lambda answer: Withdrawn(reason=error_reason(answer)),
    ),
    Verdict(
        statuses={404, 405, 410},
        fits=_always,
        concerns=Scope.SERVICE,
        means=lambda answer: Blocked(stop=Stop.SERVICE, reason=error_reason(answer)),
    ),
    Verdict(
        statuses={400, 413, 415, 422, 451},
        fits=_is_object,
        concerns=Scope.JOB,
        means=lambda answer: Refused(reason=error_reason(answer)),
    ),
    Verdict(
        statuses={500, 503},
        fits=is_api_error,
        concerns=Scope.SERVICE,
        means=lambda answer: RejectedTemporarily(reason=error_reason(answer), retry_after=retry_after(answer)),
    ),
)
"""Everything that is decided; what no row fits may have been accepted."""


def verdict_of(answer: Answer) -> Verdict | None:
    """The row that decides about ``answer``."""
    return next((row for row in VERDICTS if answer.status in row.statuses and row.fits(answer)), None)


def submit_outcome(answer: Answer) -> SubmitOutcome:
    """What the answer to a submit means for the job."""
    row = verdict_of(answer)
    return SubmitUncertain(reason=error_reason(answer)) if row is None else row.means(answer)
