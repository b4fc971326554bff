"""What a failed call means: httpx's exceptions become ours here, nowhere else."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator

import httpx

from batchveo.core.outcomes import Blocked, PollError, RejectedTemporarily, Stop, SubmitOutcome, SubmitUncertain
from batchveo.provider.certificates import explain_distrust
from batchveo.provider.responses import to_one_line

UNREACHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
"""Faults of the way to the service: name look-up, connection, TLS, a proxy that did not connect."""
NEVER_SENT = (*UNREACHED, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.LocalProtocolError)
"""Faults before the first byte of the request."""
LONGEST_CAUSE = 120

_ERRNO = re.compile(r".*?\[(?:Errno|WinError) (\d+)\]", re.DOTALL)


def interpret_submit_error(error: Exception, *, sent: bool = True, address: str = "") -> SubmitOutcome:
    """A submit without an answer: turned away where it cannot have arrived, lost in every other case.

    ``sent`` tells whether its first byte may have left, ``address`` where it went. A certificate that is not
    trusted ends the connection before that, and does not change by waiting.
    """
    if (words := explain_distrust(error)) is not None:
        return Blocked(stop=Stop.CERTIFICATE, reason=to_one_line(words))
    if isinstance(error, UNREACHED):
        return RejectedTemporarily(reason=describe_unreached(error, address), unreachable=True)
    if not sent or isinstance(error, NEVER_SENT):
        return RejectedTemporarily(reason=describe_exception(error))
    return SubmitUncertain(reason=f"no answer to the submit: {describe_exception(error)}")


def interpret_poll_error(error: Exception, *, address: str = "") -> PollError | Blocked:
    """A poll without an answer; asking again costs nothing, and helps but where a certificate is not trusted."""
    if (words := explain_distrust(error)) is not None:
        return Blocked(stop=Stop.CERTIFICATE, reason=to_one_line(words))
    if isinstance(error, UNREACHED):
        return PollError(reason=describe_unreached(error, address), unreachable=True)
    return PollError(reason=describe_exception(error))


def describe_unreached(error: Exception, address: str) -> str:
    """``cannot reach https://… (Connection refused)``: the same words for the same cause."""
    return to_one_line(f"cannot reach {address or 'the service'} ({_cause(error)})")


def describe_exception(error: Exception) -> str:
    """An exception in one line."""
    if (words := explain_distrust(error)) is not None:
        return to_one_line(words)
    text = str(error) or (str(error.__cause__) if error.__cause__ else "")
    return to_one_line(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def _cause(error: Exception) -> str:
    """What keeps the connection from being made, as the operating system puts it."""
    if isinstance(error, httpx.ConnectTimeout):
        return "no answer in time"
    for link in _chain(error):
        if isinstance(link, socket.gaierror) and link.strerror:
            return link.strerror
        if isinstance(link, OSError) and link.errno and link.errno > 0:
            return os.strerror(link.errno)
    said = str(error)
    number = _ERRNO.match(said)  # several addresses were tried: what the first one said will do
    cause = os.strerror(int(number[1])) if number else said or type(error).__name__
    return to_one_line(cause)[:LONGEST_CAUSE]


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(10):
        if link is None:
            return
        yield link
        link = link.__cause__ or link.__context__
