"""What the response to a poll means for the job."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

from batchveo.core.outcomes import (
    Blocked,
    Completed,
    GenerationFailed,
    PollError,
    PollOutcome,
    StillGenerating,
    Stop,
)
from batchveo.provider.error_text import SENTENCES, extract_words
from batchveo.provider.responses import (
    Response,
    describe_error,
    describe_page,
    find_video_urls,
    read_charged_usd,
    read_id,
    read_retry_after,
    read_usage_usd,
    to_one_line,
)

PASSING_STATUSES = frozenset({408, 425, 429})
"""Client errors of HTTP that say "later", not "no"."""


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


def read_status(word: str) -> StatusMeaning:
    """What the status ``word`` means, in any case and with any sign between its parts.

    A word in no list is unknown, and not an end: the generation is polled on.
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
    if not _is_about(fields.get("id"), generation_id):
        return PollError(reason="the answer speaks of another generation")
    return _interpret_status(response, fields)


def _is_about(named: object, generation_id: str) -> bool:
    """Whether a response is about this generation; some leave the ``:model`` of an id out."""
    found = read_id(named)
    return named is None or (found is not None and found.partition(":")[0] == generation_id.partition(":")[0])


def _interpret_status(response: Response, fields: Mapping[str, Any]) -> PollOutcome:
    word = to_one_line(fields["status"].strip().lower())
    meaning = read_status(word)
    words = _find_failure_words(fields)
    if meaning is StatusMeaning.DONE:
        urls = tuple(find_video_urls(fields.get("video")))
        if urls:
            return Completed(url=urls[0], cost_usd=read_charged_usd(response), others=urls[1:])
        return PollError(reason=f"{word}, but without a video URL{f': {words}' if words else ''}", final=True)
    if meaning is StatusMeaning.FAILED:
        return GenerationFailed(reason=_explain_failure(word, words), cost_usd=read_usage_usd(fields))
    if meaning is StatusMeaning.UNKNOWN and words:
        return PollError(reason=f"status {word!r}: {words}", final=True)
    return StillGenerating(word=word, known=meaning is StatusMeaning.WAITING)


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
