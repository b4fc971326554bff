"""Whole numbers as manifests write them, and as every service takes them."""

from __future__ import annotations

import re

from batchveo.manifest.problems import Fault, shown

EXACT = 2**53 - 1
"""The largest whole number that JSON carries to every reader unchanged (RFC 8259, section 6)."""

_WHOLE = re.compile(r"([-+]?[0-9]{1,100})(?:\.0*)?")
_ROUNDED = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?[eE][-+]?[0-9]+")


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
