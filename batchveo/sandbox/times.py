"""Moments as the service writes and reads them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

HOUR = 3600.0
DAY = 24 * HOUR

_PERIOD = re.compile(r"([1-9][0-9]{0,5})([hd])")


def iso(moment: float) -> str:
    """Seconds since the epoch as ISO-8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment(text: str, *, offset_required: bool = False) -> float:
    """ISO-8601 as seconds since the epoch; without an offset it is UTC.

    Raises ValueError where the text is no such moment.
    """
    read = datetime.fromisoformat(text)
    if read.tzinfo is None:
        if offset_required:
            raise ValueError("a UTC offset is required")
        read = read.replace(tzinfo=UTC)
    return read.timestamp()


def period(text: str) -> float:
    """Seconds of a period such as ``24h`` or ``7d``; raises ValueError for anything else."""
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise ValueError("a period is a positive integer followed by h or d")
    return int(match[1]) * (HOUR if match[2] == "h" else DAY)
