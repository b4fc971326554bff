"""Numbers with a unit, as people write them: durations, rates, money and sizes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

# patterns are compiled when they are used: each start of the program would pay for them
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One kind of number with a unit.

    ``article_name``: ``a duration``. ``forms``: examples, with what a number without a unit means. ``plain``: what such
    a number is multiplied by. ``read_units`` returns ``None`` for a text that is no such quantity.
    """

    article_name: str
    forms: str
    plain: float = 1.0
    read_units: Callable[[str], float | None]

    def parse(self, text: str) -> float:
        """The number that ``text`` means, which may be negative or infinite; raises ``ValueError`` with the forms."""
        number = self._read_plain(text)
        if number is None:
            number = self.read_units(text.strip())
        if number is None:
            raise ValueError(f"{text!r} is not {self.article_name}: write {self.forms}")
        return number

    def _read_plain(self, text: str) -> float | None:
        try:
            number = float(text)
        except ValueError:
            return None
        return None if math.isnan(number) else number * self.plain


_DURATION_UNITS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
}
_DURATION_PART = rf"\s*({_NUMBER})\s*([a-z]+)"


def _read_duration(text: str) -> float | None:
    """``90s``, ``1.5h``, ``1h30m``: each unit is smaller than the one before."""
    total, last, end = 0.0, math.inf, 0
    while part := re.compile(_DURATION_PART, re.IGNORECASE).match(text, end):
        unit = _DURATION_UNITS.get(part[2].lower(), math.inf)
        if unit >= last:
            return None
        total, last, end = total + float(part[1]) * unit, unit, part.end()
    return total if end and end == len(text) else None


_RATE = rf"({_NUMBER})\s*/\s*([a-z]+)"


def _read_rate(text: str) -> float | None:
    """``30/min``, ``0.5/s``, ``100/h`` as a number a minute."""
    match = re.fullmatch(_RATE, text, re.IGNORECASE)
    unit = match and _DURATION_UNITS.get(match[2].lower())
    return float(match[1]) * 60 / unit if match and unit else None


def _read_rate_a_second(text: str) -> float | None:
    rate = _read_rate(text)
    return None if rate is None else rate / 60


_MONEY = rf"(?:US)?(\$)?\s*((?:\d{{1,3}}(?:,\d{{3}})+(?:\.\d*)?)|{_NUMBER})\s*(USD|\$)?"


def _read_money(text: str) -> float | None:
    """``$25``, ``25 USD``, ``$1,250.50``."""
    match = re.fullmatch(_MONEY, text, re.IGNORECASE)
    return None if match is None else float(match[2].replace(",", ""))


_SIZE_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY_SIZE_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SIZE = rf"({_NUMBER})\s*(?:([kmgt])i(?=b)|([kmgt]?))b?"


def _read_size(text: str) -> float | None:
    """``1GB``, ``500 MB``, ``64MiB`` in bytes."""
    match = re.fullmatch(_SIZE, text, re.IGNORECASE)
    if match is None:
        return None
    unit = _BINARY_SIZE_UNITS[match[2].lower()] if match[2] else _SIZE_UNITS[match[3].lower()]
    return float(match[1]) * unit


DURATION = Quantity(
    article_name="a duration", forms="90s, 30m, 1h30m, or a number of seconds", read_units=_read_duration
)
"""Seconds."""
RATE_A_MINUTE = Quantity(
    article_name="a rate", forms="30/min, 0.5/s, 100/h, or a number a minute", read_units=_read_rate
)
RATE_A_SECOND = Quantity(
    article_name="a rate", forms="0.5/s, 30/min, 100/h, or a number a second", read_units=_read_rate_a_second
)
MONEY = Quantity(article_name="an amount in US dollars", forms="$25, 25 USD or 25", read_units=_read_money)
"""US dollars."""
SIZE = Quantity(article_name="a size", forms="1GB, 500MB, 64MiB, or a number of bytes", read_units=_read_size)
"""Bytes."""
SIZE_IN_MEGABYTES = Quantity(
    article_name="a size", forms="1GB, 500MB, 64MiB, or a number of megabytes", plain=1e6, read_units=_read_size
)
"""Bytes, but a number without a unit is megabytes."""
