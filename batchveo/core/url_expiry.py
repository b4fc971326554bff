"""When a signed URL ends, as it says itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

SHORTEST, LONGEST = 1.0, 366 * 86_400.0
"""Seconds that a URL may be good for; what says otherwise is not believed."""
AN_EPOCH = 1_000_000_000.0
"""From here on a number is seconds since the epoch, below it seconds from now."""
MILLISECONDS = 100_000_000_000.0
"""From here on it is in milliseconds."""

ENDS = frozenset({"expires", "x-expires", "expiry", "expiration", "expires_at", "expires-at", "se"})
"""Parameters that hold an epoch, seconds from now or a date: of CloudFront, S3's first scheme, Azure, others."""
LENGTHS = frozenset({"expires_in", "expires-in"})
"""Parameters that hold seconds from now."""
EPOCHS = frozenset({"exp", "e"})
"""Parameters that hold an epoch; a small number there is something else."""
_SIGNED = re.compile(r"x-[a-z]{2,8}-expires")
"""Seconds from the date in ``x-...-date`` beside it: of S3, Google Cloud Storage, Alibaba and others."""
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,9})?", re.ASCII)


def expires_at(url: str, received_at: float) -> float | None:
    """Seconds since the epoch at which ``url`` ends; ``None`` if it does not say so, or nothing credible.

    ``received_at`` (seconds since the epoch) is when it came: some count from then. Of several ends the first
    counts. One that has passed when the URL comes is the error of a clock: the URL is tried as if it did not say.
    """
    try:
        said = {key.lower(): value for key, value in parse_qsl(urlsplit(url).query)}
    except ValueError:
        return None
    ends = (end for name, value in said.items() for end in _ends(name, value, said, received_at))
    return min((end for end in ends if SHORTEST <= end - received_at <= LONGEST), default=None)


def _ends(name: str, value: str, said: dict[str, str], received_at: float) -> Iterator[float]:
    """What one parameter says, at most one moment."""
    number = _number(value)
    if _SIGNED.fullmatch(name) and number is not None:
        start = _moment(said.get(f"{name.removesuffix('expires')}date", ""))
        yield number + (received_at if start is None else start)
    elif name in LENGTHS and number is not None:
        yield received_at + number
    elif name in ENDS | EPOCHS and number is not None:
        if number >= AN_EPOCH:
            yield number / 1000 if number >= MILLISECONDS else number
        elif name in ENDS:
            yield received_at + number
    elif name in ENDS and (moment := _moment(value)) is not None:
        yield moment


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _moment(text: str) -> float | None:
    """ISO 8601 or its basic form; a plus sign that was not quoted has become a space."""
    basic = _BASIC.fullmatch(text)
    try:
        moment = datetime.fromisoformat(
            _BASIC.sub(r"\1-\2-\3T\4:\5:\6+00:00", text) if basic else re.sub(r"(?<=\d) (?=\d\d:\d\d$)", "+", text)
        )
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
