"""Plain YAML scalars as values, by the core schema of YAML 1.2.

Not by PyYAML's own rules, which are those of YAML 1.1: there ``16:9`` is the number 969 and ``no`` is false.
"""

from __future__ import annotations

import math
import re

from batchveo.manifest.problems import Fault, shown

Scalar = str | int | float | bool | None

LARGEST = 2**63 - 1
_FIRST = frozenset("-+.0123456789~nNtTfF")
_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def resolve_scalar(text: str) -> Scalar:
    """The value of an unquoted scalar. Raises ``Fault`` for infinities, NaN and absurdly long numbers."""
    if text and text[0] not in _FIRST:
        return text
    if text in _WORDS:
        return _WORDS[text]
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
