"""The words in which the service says how a generation stands.

Documented are ``queued``, ``generating``, ``completed`` and ``error``; the others were seen on other pages of the
same endpoint. A word that is in no list is not an end: the generation is polled on.
"""

from __future__ import annotations

import re
from enum import Enum


class Standing(Enum):
    """What a status word means."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


WAITING = frozenset(
    {"queued", "generating", "waiting", "active", "pending", "processing", "running", "in_progress", "in_queue"}
)
DONE = frozenset({"completed", "complete", "succeeded", "success", "done", "finished"})
FAILURE = re.compile(
    r"error(ed)?|fail(ed|ure)?|cancell?ed|filtered|moderated|rejected|refused|denied|declined|blocked|flagged|aborted"
    r"|expired|time(d)?_?out|terminated|killed|crashed|unsafe|nsfw|banned|prohibited|forbidden|violation|invalid"
)
"""What one part of a word of failure looks like: ``content_filtered``, ``safety-rejected``, ``timed out``."""
BETWEEN = re.compile(r"[\s_\-./:]+")


def standing_of(word: str) -> Standing:
    """What ``word`` means, in any case and with any sign between its parts."""
    parts = [part for part in BETWEEN.split(word.strip().lower()) if part]
    whole = "_".join(parts)
    if whole in WAITING:
        return Standing.WAITING
    if whole in DONE:
        return Standing.DONE
    goes_on = any(part.endswith("ing") or part in ("pending", "retry", "not", "no", "un") for part in parts)
    if not goes_on and (any(map(FAILURE.fullmatch, parts)) or FAILURE.fullmatch(whole)):
        return Standing.FAILED
    return Standing.UNKNOWN
