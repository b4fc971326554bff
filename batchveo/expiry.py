"""When a signed URL ends, as it says itself."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

SHORTEST, LONGEST = 1.0, 366 * 86_400.0
"""Seconds that a URL may be good for; what says otherwise is not believed."""
AN_EPOCH = 1_000_000_000.0
"""From here on a number is seconds since the epoch, below it seconds from now."""
MILLISECONDS = 100_000_000_000.0
"""From here on it is in milliseconds."""

RELATIVE = (("x-amz-expires", "x-amz-date"), ("x-goog-expires", "x-goog-date"), ("x-oss-expires", "x-oss-date"))
"""Parameters that count seconds from a date beside them: of S3, Google Cloud Storage and Alibaba OSS."""
NUMBERS = ("expires", "x-expires", "expiry", "expires_at", "exp", "expires_in", "e")
"""Parameters that hold an epoch or seconds from now: of CloudFront, S3's first scheme, the models' own hosts."""
DATES = ("se", "expires", "x-expires", "expires_at")
"""Parameters that hold a date: of Azure, and others."""
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")


def expires_at(url: str, received_at: float) -> float | None:
    """Seconds since the epoch at which ``url`` ends; ``None`` if it does not say so, or nothing credible.

    ``received_at`` (seconds since the epoch) is when it came: some count from then.
    """
    try:
        said = {key.lower(): value for key, value in parse_qsl(urlsplit(url).query)}
    except ValueError:
        return None
    found = _counted(said) or _numbered(said, received_at) or _dated(said)
    if found is None or not SHORTEST <= found - received_at <= LONGEST:
        return None
    return found


def _counted(said: dict[str, str]) -> float | None:
    for seconds, date in RELATIVE:
        length, start = _number(said.get(seconds)), _moment(said.get(date))
        if length is not None and start is not None:
            return start + length
    return None


def _numbered(said: dict[str, str], received_at: float) -> float | None:
    for name in NUMBERS:
        number = _number(said.get(name))
        if number is not None:
            number = number / 1000 if number >= MILLISECONDS else number
            return number if number >= AN_EPOCH else received_at + number
    return None


def _dated(said: dict[str, str]) -> float | None:
    return next((moment for name in DATES if (moment := _moment(said.get(name))) is not None), None)


def _number(text: str | None) -> float | None:
    if text is None or not re.fullmatch(r"\d{1,15}(\.\d{1,6})?", text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    basic = _BASIC.fullmatch(text)
    try:
        moment = datetime.fromisoformat(_BASIC.sub(r"\1-\2-\3T\4:\5:\6+00:00", text) if basic else text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
