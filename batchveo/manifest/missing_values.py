"""What spreadsheets, data frames and programs write where no text is."""

from __future__ import annotations

import re

from batchveo.manifest.problems import Fault, shown

LONGEST = 24
"""Longer texts are never one of these: most prompts need no closer look."""

_WORDS = frozenset(
    (
        "nan",
        "nat",
        "none",
        "null",
        "nil",
        "n/a",
        "na",
        "<na>",
        "undefined",
        "(null)",
        "(none)",
        "\\n",
        "[object object]",
    )
)
# a spreadsheet's errors in any of its languages: #REF!, #NAME?, #BEZUG!, #N/A, #NV, #DIV/0!, Err:502; ### is a
# column that was too narrow
_ERROR = re.compile(r"#[^\W\d_][\w/ ]*[!?]|#N/?[A-Z]|#GETTING_DATA|ERR:[0-9]{3}|#+")


LONGEST_MARK = 3
"""Dashes that stand for an empty cell; a longer row of them is a line somebody drew."""
_FIRST = frozenset(word[0] for word in _WORDS) | frozenset("NUE#e-–—")
"""What one of these begins with: a look at that decides for most of the short texts."""


def check_text(value: str) -> None:
    """Raise ``Fault`` for a text that is no text but the trace of a missing value or of a failed formula."""
    if len(value) <= LONGEST and (reason := _find_reason(value.strip())):
        raise Fault(f"{shown(value)} is {reason}, not a text", "write the text, or leave it out")


def is_no_text(value: str) -> bool:
    """Whether ``check_text`` would refuse the value."""
    return len(value) <= LONGEST and _find_reason(value.strip()) is not None


def _find_reason(value: str) -> str | None:
    if value[:1] not in _FIRST:
        return None
    if len(value) <= LONGEST_MARK and not value.strip("-–—"):
        return "a mark for an empty cell"
    if value.casefold() in _WORDS:
        return "what a program writes where nothing is"
    if _ERROR.fullmatch(value.upper()) and (value.isupper() or not value.startswith("#") or not value.strip("#")):
        return "a spreadsheet's error"
    return None
