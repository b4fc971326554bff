"""Hosts of URLs that a service elsewhere could never reach."""

from __future__ import annotations

import ipaddress
import re
import unicodedata

from batchveo.manifest.problems import Fault, shown

PRIVATE_TOPS = frozenset(
    (
        "local",
        "localhost",
        "localdomain",
        "internal",
        "lan",
        "home",
        "intranet",
        "corp",
        "private",
        "invalid",
        "arpa",
    )
)
"""Last labels of host names that mean something in one network only (RFC 2606, RFC 6762, and usage)."""

_PUT_IT = "the service fetches it over the internet: put the file where anybody can"
_NUMBER = r"(?:0[xX][0-9a-fA-F]*|[0-9]+)"
_NUMERIC = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{0,3}}")


def check_host(host: str) -> None:
    """Raise ``Fault`` for a host that is this machine, in a private or reserved network, or no host at all."""
    name = unicodedata.normalize("NFKC", host).rstrip(".").lower()
    labels = name.split(".")
    if not name or "" in labels:
        raise Fault(f"{shown(host)} is not a host", "https://host/path")
    address = _parse_address(name)
    if address is not None:
        _check_address(host, address)
    elif labels[-1] == "localhost":
        raise Fault(f"{shown(host)} is this machine", _PUT_IT)
    elif len(labels) == 1 or labels[-1] in PRIVATE_TOPS:
        raise Fault(f"{shown(host)} is a name of a private network", _PUT_IT)


def _check_address(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    inner = address.ipv4_mapped or address.sixtofour if isinstance(address, ipaddress.IPv6Address) else None
    address = inner or address
    if address.is_loopback or address.is_unspecified:
        raise Fault(f"{shown(host)} is this machine", _PUT_IT)
    if address.is_multicast or not address.is_global:
        raise Fault(f"{shown(host)} is in a private or reserved network", _PUT_IT)


def _parse_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is, also in the old forms that browsers take; ``None`` for a name."""
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        pass
    if not _NUMERIC.fullmatch(name):
        return None
    try:
        return ipaddress.IPv4Address(_parse_old_form(name))
    except ValueError:
        raise Fault(f"{shown(name)} is not a host", "https://host/path") from None


def _parse_old_form(name: str) -> int:
    """127.1, 0x7f.1, 0177.0.0.1 or 2130706433 as a number: the last part fills what is left of the four bytes."""
    *bytes_, last = (_parse_number(part) for part in name.split("."))
    rest = 4 - len(bytes_)
    if any(byte > 255 for byte in bytes_) or last >= 256**rest:
        raise ValueError(name)
    return sum(byte << 8 * (3 - place) for place, byte in enumerate(bytes_)) + last


def _parse_number(part: str) -> int:
    if part[:2].lower() == "0x":
        return int(part[2:] or "0", 16)
    return int(part, 8 if part.startswith("0") and part != "0" else 10)
