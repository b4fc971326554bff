"""What a written scalar is: text, a number, true or false, or the trace of a missing value.

By the core schema of YAML 1.2, not by PyYAML's own rules, which are those of YAML 1.1: there ``16:9`` is the
number 969 and ``no`` is false.
"""

from __future__ import annotations

import math
import re

from batchveo.manifest.problems import Fault, shown

Scalar = str | int | float | bool | None

LARGEST = 2**63 - 1
"""The largest whole number of 64 bits."""

EXACT = 2**53 - 1
"""The largest whole number that JSON carries to every reader unchanged (RFC 8259, section 6)."""

LONGEST = 24
"""Longer texts are never the trace of a missing value: most prompts need no closer look."""

LONGEST_MARK = 3
"""Dashes that mark an empty cell; a longer row of them is a line that somebody drew."""

_MAY_BE_VALUE = frozenset("-+.0123456789~nNtTfF")
_VALUES: dict[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WHOLE = re.compile(r"([-+]?[0-9]{1,100})(?:\.0*)?")
_ROUNDED = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?[eE][-+]?[0-9]+")
_NOTHING = {
    "[object object]",
    *["nan", "nat", "none", "null", "nil", "n/a", "na", "<na>", "undefined", "(null)", "(none)", "\\n"],
}
_MAY_BE_TRACE = frozenset(word[0] for word in _NOTHING) | frozenset("NUE#e-–—")
# a spreadsheet's errors in any of its languages: #REF!, #NAME?, #BEZUG!, #N/A, #NV, #DIV/0!, Err:502; ### is a
# column that was too narrow
_ERROR = re.compile(r"#[^\W\d_][\w/ ]*[!?]|#N/?[A-Z]|#GETTING_DATA|ERR:[0-9]{3}|#+")


def resolve_scalar(text: str) -> Scalar:
    """The value of an unquoted scalar. Raises ``Fault`` for infinities, NaN and absurdly long numbers."""
    if text and text[0] not in _MAY_BE_VALUE:
        return text
    if text in _VALUES:
        return _VALUES[text]
    if _INTEGER.fullmatch(text):
        return _parse_integer(text)
    if _FLOAT.fullmatch(text):
        return _parse_float(text)
    if _NOT_FINITE.fullmatch(text):
        raise Fault(f"{text} is not a finite number")
    return text


def _parse_integer(text: str) -> int:
    return parse_whole(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def parse_whole(text: str, base: int = 10) -> int:
    """A whole number of at most 64 bits, which every place takes that it may go to. Raises ``Fault``."""
    try:
        number = int(text, base)
    except ValueError:
        number = LARGEST + 1
    if abs(number) > LARGEST:
        raise Fault(f"{shown(text)} is too long for a number", "put text in quotes")
    return number


def _parse_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise Fault(f"{shown(text)} is too large for a number", "put text in quotes")
    return value


def whole_of(value: object) -> int | None:
    """The whole number that a value is, also one written as ``8.0``; ``None`` for anything else."""
    if type(value) is int:
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None


def read_whole(cell: str) -> int:
    """The whole number in a cell, where spreadsheets and data frames also write ``8.0``. Raises ``Fault``."""
    cell = cell.strip()
    match = _WHOLE.fullmatch(cell)
    if match is not None:
        return int(match[1])
    if _ROUNDED.fullmatch(cell):
        raise Fault(f"{shown(cell)} is a number that a spreadsheet has rounded", "write all of its digits")
    raise Fault(f"{shown(cell)} is not a whole number")


def check_exact(value: object) -> None:
    """Raise ``Fault`` for a whole number that would arrive as another one."""
    if type(value) is int and abs(value) > EXACT:
        raise Fault(
            f"{shown(value)} is beyond {EXACT}: services that read numbers as JavaScript does would round it",
            f"at most {EXACT} (2^53 - 1)",
        )


def check_text(value: str) -> None:
    """Raise ``Fault`` for a text that is no text but the trace of a missing value or of a failed formula."""
    if len(value) <= LONGEST and (reason := _find_reason(value.strip())):
        raise Fault(f"{shown(value)} is {reason}, not a text", "write the text, or leave it out")


def is_no_text(value: str) -> bool:
    """Whether ``check_text`` would refuse the value."""
    return len(value) <= LONGEST and _find_reason(value.strip()) is not None


def _find_reason(value: str) -> str | None:
    if value[:1] not in _MAY_BE_TRACE:
        return None
    if len(value) <= LONGEST_MARK and not value.strip("-–—"):
        return "a mark for an empty cell"
    if value.casefold() in _NOTHING:
        return "what a program writes for a missing value"
    if _ERROR.fullmatch(value.upper()) and (value.isupper() or not value.startswith("#") or not value.strip("#")):
        return "a spreadsheet's error"
    return None
