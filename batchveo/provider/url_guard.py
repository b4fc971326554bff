"""Which addresses a video may be fetched from.

The URL comes from a server, so it is checked on the address that is connected to, not on its name: a name may
resolve to a machine of the user's own network.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import anyio
import httpx

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a host name and a port to the addresses it has."""


class UrlRefused(Exception):
    """Nothing may be fetched from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL with the addresses it may be reached at, all of them checked."""

    url: httpx.URL
    addresses: tuple[str, ...]

    def request_url(self, address: str) -> httpx.URL:
        """The URL that connects to ``address``."""
        return self.url if self.url.host == address else self.url.copy_with(host=address)

    @property
    def host_header(self) -> str:
        """The Host header of the name as it was given."""
        return self.url.netloc.decode("ascii")

    @property
    def tls_name(self) -> str:
        """The name that the certificate must have, in ASCII: TLS would write others by an outdated IDNA."""
        return self.url.raw_host.decode("ascii")


async def system_resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of ``host`` by the system's resolver; raises ``OSError`` where there are none."""
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]  # it is one: no thread has to ask
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def check_url(url: str, *, loopback: bool, resolve: Resolve = system_resolve) -> Target:
    """Resolve ``url`` and check every address; raises ``UrlRefused``, or ``OSError`` where the name is unknown.

    Only https to public addresses passes. ``loopback`` (the service itself is on this machine, as in tests and
    with the sandbox) lets http and https to loopback addresses pass as well.
    """
    try:
        parsed = httpx.URL(url)
        host = parsed.host
        parsed.raw_host.decode("ascii").encode("idna")  # as TLS will: no empty labels, none too long
    except (httpx.InvalidURL, ValueError) as error:
        raise UrlRefused(f"the URL cannot be read: {error}") from None
    usable = parsed.scheme in ("https", "http") and host and 0 < (parsed.port or 443) < 65536
    if not usable or parsed.userinfo:
        raise UrlRefused(f"the URL is not an https URL: {parsed.scheme}://{parsed.host}")
    addresses = await resolve(parsed.host, parsed.port or (443 if parsed.scheme == "https" else 80))
    for address in addresses:
        _check_address(parsed, address, loopback=loopback)
    return Target(url=parsed, addresses=tuple(addresses))


def _check_address(url: httpx.URL, address: str, *, loopback: bool) -> None:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip  # what a 6to4 relay would deliver to
    if ip.is_loopback and loopback:
        return
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        raise UrlRefused(f"the URL leads to {url.host} ({address}), which is not a public address")
    if url.scheme != "https":
        raise UrlRefused(f"the URL is not https: {url.scheme}://{url.host}")
