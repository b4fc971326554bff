"""The cause of a failure: its error without what differs from job to job."""

from __future__ import annotations

import re

NO_REASON = "no reason was given"
LONGEST_ERROR = 500
"""Characters of an error that its cause is found by."""
_VARIABLE_PARTS = (
    (re.compile(r"https?://\S+"), "URL"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE), "ID"),
    (re.compile(r"\b(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{16,}\b"), "ID"),
    (re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])", re.IGNORECASE), "N"),
)
_STATUS = re.compile(r"\b(?:HTTP|status)\s+[1-5]\d\d\b|^[1-5]\d\d\b", re.IGNORECASE)


def find_cause(error: str | None) -> str:
    """``error`` with words in place of ids, numbers and addresses, so that equal failures have equal causes."""
    text = " ".join((error or "")[:LONGEST_ERROR].split())
    status = _STATUS.search(text)
    kept = status.group() if status else ""  # an HTTP status is a number too, but it tells causes apart
    for pattern, word in _VARIABLE_PARTS:
        text = pattern.sub(lambda found, word=word: found[0] if found[0] in kept else word, text)  # type: ignore[misc]
    return text or NO_REASON
