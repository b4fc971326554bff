"""Signed URLs: the time at which one expires, read from its parameters; and texts without their signatures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

SHORTEST, LONGEST = 1.0, 366 * 86_400.0
"""Seconds that a URL may be valid; other values are ignored."""
AN_EPOCH = 1_000_000_000.0
"""A number from here on is seconds since the epoch, a smaller one seconds from now."""
MILLISECONDS = 100_000_000_000.0
"""A number from here on is milliseconds since the epoch."""

ENDS = frozenset({"expires", "x-expires", "expiry", "expiration", "expires_at", "expires-at", "se"})
"""Parameters with an epoch, seconds from now or a date: of CloudFront, S3's first scheme, Azure and others."""
LENGTHS = frozenset({"expires_in", "expires-in"})
"""Parameters with seconds from now."""
EPOCHS = frozenset({"exp", "e"})
"""Parameters with an epoch; a small number there means something else."""
_SIGNED = re.compile(r"x-[a-z]{2,8}-expires")
"""Seconds from the date in ``x-...-date`` beside it: of S3, Google Cloud Storage, Alibaba and others."""
_SIGNED_URL = re.compile(r"(https?://[^\s\"'<>?]+\?)[^\s\"'<>]*?(?:signature|\bsig)=[^\s\"'<>]*", re.IGNORECASE)
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_NUMBER = re.compile(r"\d{1,15}(\.\d{1,9})?", re.ASCII)


def expires_at(url: str, received_at: float) -> float | None:
    """Seconds since the epoch at which ``url`` expires; ``None`` if it has no credible time.

    ``received_at`` (seconds since the epoch) is when it arrived: some parameters count from then. The first of several
    times counts.
    """
    try:
        parameters = {key.lower(): value for key, value in parse_qsl(urlsplit(url).query)}
    except ValueError:
        return None
    # a URL that has expired when it arrives shows that a clock is wrong: it is tried as if it had no time
    ends = (end for name, value in parameters.items() for end in _read_ends(name, value, parameters, received_at))
    return min((end for end in ends if SHORTEST <= end - received_at <= LONGEST), default=None)


def hide_signatures(text: str) -> str:
    """``text`` without the query of each signed URL in it: whoever has the signature needs no credentials."""
    return _SIGNED_URL.sub(r"\1…", text)


def _read_ends(name: str, value: str, parameters: dict[str, str], received_at: float) -> Iterator[float]:
    """The time of one parameter; none or one."""
    number = _parse_number(value)
    if _SIGNED.fullmatch(name) and number is not None:
        start = _parse_moment(parameters.get(f"{name.removesuffix('expires')}date", ""))
        yield number + (received_at if start is None else start)
    elif name in LENGTHS and number is not None:
        yield received_at + number
    elif name in ENDS | EPOCHS and number is not None:
        if number >= AN_EPOCH:
            yield number / 1000 if number >= MILLISECONDS else number
        elif name in ENDS:
            yield received_at + number
    elif name in ENDS and (moment := _parse_moment(value)) is not None:
        yield moment


def _parse_number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _parse_moment(text: str) -> float | None:
    """A date in ISO 8601 or its basic form; an unquoted plus sign has become a space."""
    basic = _BASIC.fullmatch(text)
    try:
        moment = datetime.fromisoformat(
            _BASIC.sub(r"\1-\2-\3T\4:\5:\6+00:00", text) if basic else re.sub(r"(?<=\d) (?=\d\d:\d\d$)", "+", text)
        )
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
