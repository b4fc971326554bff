"""Certificates that are not trusted: which fault it is, and what mends it. Waiting does not."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator

from batchveo.core.errors import UsageError

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Where other authorities than the usual ones are named; the first that is set counts."""

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
    "its issuer is not known to this machine: where a proxy of your network reads what is sent, name the file "
    "with that network's certificate in SSL_CERT_FILE"
)


def explain_distrust(error: BaseException) -> str | None:
    """Why the certificate of the other side was not trusted, and what to do; ``None`` for any other error."""
    links = list(_chain(error))
    # the last: aiohttp's own, which wraps it, is of its class, and has no code
    refused = next((link for link in reversed(links) if isinstance(link, ssl.SSLCertVerificationError)), None)
    if refused is None:
        return None
    host = next((f" of {host}" for link in links if isinstance(host := getattr(link, "host", None), str)), "")
    said = (getattr(refused, "verify_message", None) or str(refused)).strip().rstrip(".")
    advice = _ADVICE.get(getattr(refused, "verify_code", 0), _ISSUER)
    chosen = next((f" ({name} is {os.environ[name]} now)" for name in VARIABLES if os.environ.get(name)), "")
    return f"the certificate{host} is not trusted ({said}): {advice}{chosen if advice is _ISSUER else ''}"


def check_authorities() -> None:
    """Raise ``UsageError`` where the environment names a file of certificates that is none.

    Else each request would fail by it, and look as if the network were to blame.
    """
    name = next((name for name in VARIABLES if os.environ.get(name)), None)
    if name is None:
        return
    place = os.environ[name]
    try:
        if name == "SSL_CERT_FILE":
            ssl.create_default_context(cafile=place)
        elif not os.path.isdir(place):  # noqa: PTH112 - as ssl takes it, which knows no Path
            raise NotADirectoryError(0, "there is no such folder")
    except ssl.SSLError:
        raise UsageError(f"{name} is {place}, which holds no certificates in PEM form") from None
    except OSError as error:
        raise UsageError(f"{name} is {place}, which cannot be read: {error.strerror}") from None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """``error`` and what it came of."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
