"""What a submit or a poll means for its job: a response, or an error without one, becomes an outcome.

For submits one table decides, by its first row that fits. Its codes and bodies are those of the service's public
error page, which is silent about all others. Only an explicit refusal is known to have bought nothing; everything
else is in doubt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from typing import Any

import httpx

from batchveo.core.outcomes import (
    Accepted,
    Blocked,
    Completed,
    Denied,
    GenerationFailed,
    PollError,
    PollOutcome,
    Refused,
    RejectedTemporarily,
    Scope,
    StillGenerating,
    Stop,
    SubmitOutcome,
    SubmitUncertain,
    Throttled,
    Withdrawn,
)
from batchveo.provider.http_errors import UNREACHED, describe_exception, describe_unreached, explain_distrust
from batchveo.provider.responses import (
    SENTENCES,
    Response,
    describe_error,
    describe_page,
    extract_words,
    find_video_urls,
    read_accepted_id,
    read_charged_usd,
    read_id,
    read_retry_after,
    read_usage_usd,
    to_one_line,
)

NEVER_SENT = (*UNREACHED, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.LocalProtocolError)
"""Errors before the first byte of the request."""
PASSING_STATUSES = frozenset({408, 425, 429})
"""Client errors of HTTP that mean "later", not "no"."""
MONEY = re.compile(r"credit|balance|billing|top.?up|funds|payment|insufficient", re.IGNORECASE)
"""Words of a refusal about money; they count only if the account's balance cannot be read."""

IS_OBJECT: Callable[[Response], bool] = attrgetter("is_object")
IS_API_ERROR: Callable[[Response], bool] = attrgetter("is_api_error")


# -- submits


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRule:
    """One row of the table: which responses it is for, whom they concern, and their outcome.

    ``concerns``: ``None`` if that is not known, as of a response from a proxy.
    """

    statuses: Collection[int]
    concerns: Scope | None
    outcome: Callable[[Response], SubmitOutcome]
    fits: Callable[[Response], bool] = lambda _: True


def _accept(response: Response) -> SubmitOutcome:
    generation = read_accepted_id(response)
    if generation is None:
        return SubmitUncertain(reason=to_one_line(f"accepted without a readable id{describe_page(response)}"))
    return Accepted(generation_id=generation, cost_usd=read_charged_usd(response))


def _deny(response: Response) -> Denied:
    reason = describe_error(response)
    return Denied(reason=reason, about_money=response.status == 402 or bool(MONEY.search(reason)))


def _explain(outcome: Callable[..., SubmitOutcome], **fields: Stop) -> Callable[[Response], SubmitOutcome]:
    return lambda response: outcome(reason=describe_error(response), **fields)


def _explain_wait(outcome: Callable[..., SubmitOutcome]) -> Callable[[Response], SubmitOutcome]:
    return lambda response: outcome(reason=describe_error(response), retry_after=read_retry_after(response))


SUBMIT_RULES: tuple[SubmitRule, ...] = (
    SubmitRule(statuses=range(200, 300), concerns=Scope.JOB, outcome=_accept),
    SubmitRule(statuses={429}, concerns=Scope.KEY, outcome=_explain_wait(Throttled)),
    SubmitRule(statuses={401}, concerns=Scope.KEY, outcome=_explain(Blocked, stop=Stop.KEY)),
    SubmitRule(statuses={402, 403}, concerns=Scope.MODEL, outcome=_deny),
    # documented for a withdrawn model; without an object it is a page, so the address is wrong
    SubmitRule(statuses={404, 410}, fits=IS_OBJECT, concerns=Scope.MODEL, outcome=_explain(Withdrawn)),
    SubmitRule(statuses={404, 405, 410}, concerns=Scope.SERVICE, outcome=_explain(Blocked, stop=Stop.SERVICE)),
    SubmitRule(statuses={400, 413, 415, 422, 451}, fits=IS_OBJECT, concerns=Scope.JOB, outcome=_explain(Refused)),
    SubmitRule(
        statuses={500, 503}, fits=IS_API_ERROR, concerns=Scope.SERVICE, outcome=_explain_wait(RejectedTemporarily)
    ),
)
"""Everything that is decided; a response that no row fits may have been accepted."""


def find_rule(response: Response) -> SubmitRule | None:
    """The row that decides about ``response``."""
    return next((row for row in SUBMIT_RULES if response.status in row.statuses and row.fits(response)), None)


def interpret_submit(response: Response) -> SubmitOutcome:
    """What the response to a submit means for the job."""
    row = find_rule(response)
    return SubmitUncertain(reason=describe_error(response)) if row is None else row.outcome(response)


def interpret_submit_error(error: Exception, *, sent: bool = True, address: str = "") -> SubmitOutcome:
    """What a submit without a response means: rejected if it cannot have arrived, in doubt in every other case.

    ``sent``: whether its first byte may have left. ``address``: the service's.
    """
    # a certificate that is not trusted ends the connection before the request, and waiting does not change it;
    # one that is shown later, on a connection that is in use, says nothing about the request
    if (not sent or isinstance(error, UNREACHED)) and (words := explain_distrust(error)) is not None:
        return Blocked(stop=Stop.CERTIFICATE, reason=to_one_line(words))
    if isinstance(error, UNREACHED):
        return RejectedTemporarily(reason=describe_unreached(error, address), unreachable=True)
    if not sent or isinstance(error, NEVER_SENT):
        return RejectedTemporarily(reason=describe_exception(error))
    return SubmitUncertain(reason=f"no answer to the submit: {describe_exception(error)}")


# -- polls


class StatusMeaning(Enum):
    """What a status word means."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


# Documented are queued, generating, completed and error; the others were seen on pages of the same endpoint.
WAITING = frozenset(
    {"queued", "generating", "waiting", "active", "pending", "processing", "running", "in_progress", "in_queue"}
)
DONE = frozenset({"completed", "complete", "succeeded", "success", "done", "finished"})
FAILURE = re.compile(
    r"error(ed)?|fail(ed|ure)?|cancell?ed|filtered|moderated|rejected|refused|denied|declined|blocked|flagged|aborted"
    r"|expired|time(d)?_?out|terminated|killed|crashed|unsafe|nsfw|banned|prohibited|forbidden|violation|invalid"
)
"""One part of a word of failure: ``content_filtered``, ``safety-rejected``, ``timed out``."""
BETWEEN = re.compile(r"[\s_\-./:]+")


@lru_cache(maxsize=256)  # the same few words come again and again
def read_status(word: str) -> StatusMeaning:
    """What the status ``word`` means, in any case and with any sign between its parts.

    A word in no list is unknown; then the generation is polled again.
    """
    parts = [part for part in BETWEEN.split(word.strip().lower()) if part]
    whole = "_".join(parts)
    if whole in WAITING:
        return StatusMeaning.WAITING
    if whole in DONE:
        return StatusMeaning.DONE
    # "retrying_failed" or "not_rejected" name a failure, and are none
    continues = any(part.endswith("ing") or part in ("pending", "retry", "not", "no", "un") for part in parts)
    if not continues and (any(map(FAILURE.fullmatch, parts)) or FAILURE.fullmatch(whole)):
        return StatusMeaning.FAILED
    return StatusMeaning.UNKNOWN


def interpret_poll(response: Response, *, generation_id: str) -> PollOutcome:
    """What the response to a poll of ``generation_id`` means for the job."""
    if response.status == 401:
        return Blocked(stop=Stop.KEY, reason=describe_error(response))
    if not response.is_success:
        return PollError(
            reason=describe_error(response),
            retry_after=read_retry_after(response),
            throttled=response.status == 429,
            unknown=response.status == 404,
            final=400 <= response.status < 500 and response.status not in PASSING_STATUSES,
        )
    if not response.is_object:
        reason = f"unreadable answer to a poll (HTTP {response.status}){describe_page(response)}"
        return PollError(reason=to_one_line(reason))
    fields = response.fields
    if not isinstance(fields.get("status"), str):
        words = _find_failure_words(fields)
        reason = f"the answer to a poll names no status{f': {words}' if words else ''}"
        return PollError(reason=reason, final=bool(words))
    if not _is_about(fields, generation_id):
        return PollError(reason="the answer speaks of another generation")
    return _interpret_status(response, fields)


def interpret_poll_error(error: Exception, *, address: str = "") -> PollError | Blocked:
    """What a poll without a response means. Asking again costs nothing, and helps unless a certificate is wrong."""
    if (words := explain_distrust(error)) is not None:
        return Blocked(stop=Stop.CERTIFICATE, reason=to_one_line(words))
    if isinstance(error, UNREACHED):
        return PollError(reason=describe_unreached(error, address), unreachable=True)
    return PollError(reason=describe_exception(error))


def _is_about(fields: Mapping[str, Any], generation_id: str) -> bool:
    """Whether a response is about this generation; some leave out the ``:model`` of an id."""
    if fields.get("id") is None:
        return True
    # some name the generation in generation_id, beside an id of their own: its video is paid for
    named = filter(None, (read_id(fields.get(name)) for name in ("id", "generation_id")))
    return any(found.partition(":")[0] == generation_id.partition(":")[0] for found in named)


def _interpret_status(response: Response, fields: Mapping[str, Any]) -> PollOutcome:
    word = to_one_line(fields["status"].strip().lower())
    meaning = read_status(word)
    if meaning is StatusMeaning.WAITING:  # nearly every poll
        return StillGenerating(word=word)
    words = _find_failure_words(fields)
    if meaning is StatusMeaning.DONE:
        urls = tuple(find_video_urls(fields.get("video")))
        if urls:
            return Completed(url=urls[0], cost_usd=read_charged_usd(response), others=urls[1:])
        return PollError(reason=f"{word}, but without a video URL{f': {words}' if words else ''}", final=True)
    if meaning is StatusMeaning.FAILED:
        return GenerationFailed(reason=_explain_failure(word, words), cost_usd=read_usage_usd(fields))
    # an error beside an unknown word ends the generation, whatever the word means
    if words:
        return PollError(reason=f"status {word!r}: {words}", final=True)
    return StillGenerating(word=word, known=False)


def _explain_failure(word: str, words: str) -> str:
    """Why the service ended a generation; its status word comes first if that is more than ``error``."""
    if not words:
        return f"the service ended it as {word!r}, without a reason"
    return words if word in ("error", "failed") else to_one_line(f"{word}: {words}")


def _find_failure_words(fields: Mapping[str, Any]) -> str:
    words = extract_words(fields.get("error")) or extract_words(
        {key: fields[key] for key in SENTENCES if key != "error" and key in fields}
    )
    return to_one_line(words)
