"""Errors of HTTP calls in words for a person: what cannot be reached, and which certificate is not trusted."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterator, Mapping

import httpx

from batchveo.core.errors import UsageError, find_reason
from batchveo.provider.responses import to_one_line

UNREACHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
"""Errors on the way to the service: name look-up, connection, TLS, a proxy that did not connect."""
LONGEST_CAUSE = 120
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables that name other authorities than the usual ones; the first that is set counts."""

NO_ANSWER = "no answer in time"
_BROKEN: Mapping[type[httpx.TransportError], str] = {
    httpx.ConnectTimeout: "no connection in time",
    httpx.TimeoutException: NO_ANSWER,
    httpx.ConnectError: "no connection",
    httpx.RemoteProtocolError: "the connection was closed",
    httpx.NetworkError: "the connection broke",
    httpx.ProxyError: "the proxy makes no connection",
}
"""What each kind of failed call means; the first that fits counts."""
_ENDED = "Server disconnected"
"""The text of an error which says no more than its words do."""

_ERRNO = re.compile(r".*?\[(?:Errno|WinError) (\d+)\]", re.DOTALL)

# OpenSSL's X509_V_ERR_…, from its x509_vfy.h
_NOT_YET_VALID, _EXPIRED, _REVOKED, _OTHER_HOST, _OTHER_ADDRESS = 9, 10, 23, 62, 64
_CLOCK = "check this machine's clock"
_ADVICE = {
    _NOT_YET_VALID: f"it is not valid yet: {_CLOCK}",
    _EXPIRED: f"it has expired: {_CLOCK}; else the server's owner has to renew it",
    _REVOKED: "it was revoked",
    _OTHER_HOST: "it is another server's: check the address; does a proxy or a login page stand in between?",
    _OTHER_ADDRESS: "it is another server's: check the address; does a proxy stand in between?",
}
_ISSUER = (
    "its issuer is not known to this machine: if a proxy of your network reads what is sent, name the file "
    "with that network's certificate in SSL_CERT_FILE"
)


def describe_exception(error: Exception) -> str:
    """An exception in one line, in plain words. Only that of a bug is named by its class."""
    if (words := explain_distrust(error)) is not None:
        return to_one_line(words)
    if isinstance(error, httpx.TransportError):
        what = next((words for kind, words in _BROKEN.items() if isinstance(error, kind)), "the connection failed")
        if isinstance(error, httpx.TimeoutException) or str(error) in ("", _ENDED):
            return what
        return to_one_line(f"{what} ({_describe_cause(error)})")
    text = str(error) or (str(error.__cause__) if error.__cause__ else "")
    if text and (
        isinstance(error, httpx.HTTPError | httpx.InvalidURL | OSError)
        or type(error).__module__.startswith("batchveo.")
    ):
        return to_one_line(text)
    return to_one_line(f"{type(error).__name__}: {text}" if text else type(error).__name__)


def describe_unreached(error: Exception, address: str) -> str:
    """``cannot reach https://… (Connection refused)``: the same words for the same cause."""
    return to_one_line(f"cannot reach {address or 'the service'} ({_describe_cause(error)})")


def explain_distrust(error: BaseException) -> str | None:
    """Why the certificate of the other side was not trusted, and what to do; ``None`` for any other error."""
    links = list(_list_chain(error))
    refused = next((link for link in links if isinstance(link, ssl.SSLCertVerificationError)), None)
    if refused is None:
        return None
    host = next((f" of {host}" for host in getattr(refused, "__notes__", ())), "")
    said = (getattr(refused, "verify_message", None) or str(refused)).strip().rstrip(".")
    advice = _ADVICE.get(getattr(refused, "verify_code", 0), _ISSUER)
    named = _find_authorities()
    chosen = f" ({named[0]} is {named[1]} now)" if named and advice is _ISSUER else ""
    return f"the certificate{host} is not trusted ({said}): {advice}{chosen}"


def check_authorities() -> None:
    """Raise ``UsageError`` if the environment names certificates that cannot be read.

    Otherwise each request would fail because of it, as if the network were down.
    """
    named = _find_authorities()
    if named is None:
        return
    name, place = named
    try:
        if name == "SSL_CERT_FILE":
            ssl.create_default_context(cafile=place)
        elif not os.path.isdir(place):  # noqa: PTH112 - as ssl takes it, which knows no Path
            raise NotADirectoryError(0, "there is no such folder")
    except ssl.SSLError:
        raise UsageError(f"{name} is {place}, which holds no certificates in PEM form") from None
    except OSError as error:
        raise UsageError(f"{name} is {place}, which cannot be read: {find_reason(error)}") from None


def _find_authorities() -> tuple[str, str] | None:
    """The first variable of certificates that is set, with its value."""
    return next(((name, os.environ[name]) for name in CERTIFICATE_VARIABLES if os.environ.get(name)), None)


def _describe_cause(error: Exception) -> str:
    """Why the connection cannot be made, in the operating system's words."""
    if isinstance(error, httpx.ConnectTimeout):
        return NO_ANSWER
    for link in _list_chain(error):
        if isinstance(link, socket.gaierror) and link.strerror:
            return link.strerror
        # the number of an error of TLS is OpenSSL's
        if isinstance(link, OSError) and not isinstance(link, ssl.SSLError) and link.errno and link.errno > 0:
            return os.strerror(link.errno)
    said = str(error)
    number = _ERRNO.match(said)  # of several addresses that failed, the first one's cause is enough
    cause = os.strerror(int(number[1])) if number else said or type(error).__name__
    return to_one_line(cause)[:LONGEST_CAUSE]


def _list_chain(error: BaseException) -> Iterator[BaseException]:
    """``error`` and its causes."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
