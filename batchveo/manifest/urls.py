"""What a value is that stands where a URL is asked for."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from enum import Enum, auto
from urllib.parse import urlsplit

from batchveo.manifest.hosts import PRIVATE_TOPS, check_host
from batchveo.manifest.problems import Fault, shown, shown_bare

# most addresses: a name with letters at its end, which cannot be a number; all others are looked at closely
_PLAIN_HTTPS = re.compile(
    r"https://(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+(?P<top>[A-Za-z]{2,63})(?::[0-9]{1,4})?(?:[/?#][!-~]*)?"
)
_SECOND = re.compile(r"[,;|\s]\s*(?:https?://|data:[a-z]+/)", re.IGNORECASE)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: C: is a drive
_DATA = re.compile(r"data:(?P<major>[a-z]+)/[a-z0-9.+-]+;base64,(?P<payload>.+)", re.IGNORECASE | re.DOTALL)
_SPACE_OR_CONTROL = re.compile(r"[\s\x00-\x1f\x7f]")


class Address(Enum):
    """The kinds of values that may stand for an image or a video."""

    WEB = auto()
    DATA = auto()
    PATH = auto()


def kind_of(value: str) -> Address:
    """What the value is, checked as far as it can be without a network. Raises ``Fault``.

    A web address is one that the service itself can reach: it fetches what is named, not this machine.
    """
    plain = _PLAIN_HTTPS.fullmatch(value)
    if plain and plain["top"].lower() not in PRIVATE_TOPS and not _SECOND.search(value):
        return Address.WEB
    if not value.strip():
        raise Fault("is empty", "an https URL")
    scheme = _SCHEME.match(value)
    if scheme is None or scheme[1].lower() == "file":
        return Address.PATH
    if scheme[1].lower() == "data":
        return Address.DATA
    _check_web(value, scheme[1].lower())
    return Address.WEB


def check_data(value: str, major: str) -> None:
    """Raise ``Fault`` unless the value is a Base64 data URI of that major type (``image``, ``video``)."""
    match = _DATA.fullmatch(value)
    if match is None:
        raise Fault(f"{shown(value)} is not a Base64 data URI", f"data:{major}/…;base64,…")
    if match["major"].lower() != major:
        raise Fault(f"holds {match['major'].lower()} data", f"data:{major}/…;base64,…")
    try:
        b64decode(match["payload"], validate=True)
    except (binascii.Error, ValueError):
        raise Fault(f"{shown(value)} is not valid Base64", "was it cut short?") from None


def check_reachable(value: str) -> None:
    """Raise ``Fault`` for a web address that a service elsewhere cannot fetch; anything else passes."""
    scheme = _SCHEME.match(value)
    if scheme is not None and scheme[1].lower() in {"https", "http"}:
        _check_reachable(value, scheme[1])


def _check_web(value: str, scheme: str) -> None:
    if scheme not in {"https", "http"}:
        raise Fault(f"{shown(value)} has a scheme that the service does not fetch", "give an https URL")
    _check_reachable(value, scheme)
    if scheme == "http":
        raise Fault(f"{shown(value)} is not encrypted", shown_bare(f"https{value[len(scheme) :]}"))


def _check_reachable(value: str, scheme: str) -> None:
    if _SECOND.search(value):
        raise Fault(
            f"{shown(value)} holds more than one URL",
            "a field takes one, a list takes [a, b], or a | between two in a cell; "
            "a comma that belongs to a URL is written %2C",
        )
    if _SPACE_OR_CONTROL.search(value):
        raise Fault(f"{shown(value)} holds a space or a control character", "write a space as %20")
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Fault(f"{shown(value)} is not a URL: {error}", "https://host/path") from None
    if parts.username is not None or parts.password is not None:
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        # the value is not shown: the password would be
        raise Fault("holds a user name or a password", f"an address that needs none, such as {shown_bare(bare)}")
    if not host or "//" not in value[: len(scheme) + 3]:
        raise Fault(f"{shown(value)} names no host", "https://host/path")
    check_host(host)
