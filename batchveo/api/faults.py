"""What a failed call means: httpx's exceptions become ours here, nowhere else."""

from __future__ import annotations

import httpx

from batchveo.api.answers import one_line
from batchveo.outcomes import Lost, PollTrouble, SubmitOutcome, TurnedAway

NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
"""Faults before the first byte of the request: name look-up, connection, TLS, a proxy that did not connect."""


def submit_fault(error: Exception, *, sent: bool = True) -> SubmitOutcome:
    """A submit without an answer: turned away where it cannot have arrived, lost in every other case.

    ``sent`` tells whether its first byte may have left.
    """
    if not sent or isinstance(error, NEVER_SENT):
        return TurnedAway(reason=describe(error))
    return Lost(reason=f"no answer to the submit: {describe(error)}")


def poll_fault(error: Exception) -> PollTrouble:
    """A poll without an answer; asking again costs nothing."""
    return PollTrouble(reason=describe(error))


def describe(error: Exception) -> str:
    """An exception in one line."""
    text = str(error) or (str(error.__cause__) if error.__cause__ else "")
    return one_line(f"{type(error).__name__}: {text}" if text else type(error).__name__)
