"""The check of URLs that a server names: only public addresses may be connected to.

The address itself is checked, not the name: a name may resolve to a machine of the user's own network.
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
"""Takes a host name and a port, returns its addresses; raises ``OSError`` if there are none."""


class UrlRefused(Exception):
    """The URL leads to an address that is not allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL with its addresses, all of them checked."""

    url: httpx.URL
    addresses: tuple[str, ...]

    def request_url(self, address: str) -> httpx.URL:
        """The URL that connects to ``address``."""
        return self.url if self.url.host == address else self.url.copy_with(host=address)

    @property
    def host_header(self) -> str:
        """The Host header, with the name of the URL."""
        return self.url.netloc.decode("ascii")

    @property
    def tls_name(self) -> str:
        """The name that the certificate must have, in ASCII: TLS would encode others by an outdated IDNA."""
        return self.url.raw_host.decode("ascii")


async def resolve_host(host: str, port: int) -> Sequence[str]:
    """The addresses of ``host`` by the system's resolver; raises ``OSError`` if there are none."""
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]  # an address already: no look-up in a thread
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def check_url(url: str, *, loopback: bool, resolve: Resolve = resolve_host) -> Target:
    """Resolve ``url`` and check every address; raises ``UrlRefused``, or ``OSError`` if the name is unknown.

    Only https to public addresses is allowed. ``loopback`` (the service itself is on this machine, as in tests and
    with the sandbox) also allows http and https to loopback addresses.
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
        ip = ip.ipv4_mapped or ip.sixtofour or ip  # the address that a 6to4 relay would deliver to
    if ip.is_loopback and loopback:
        return
    # Python counts fec0::/10, once the private networks of IPv6, as global
    is_local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    if not ip.is_global or ip.is_multicast or ip.is_reserved or is_local:
        raise UrlRefused(f"the URL leads to {url.host} ({address}), which is not a public address")
    if url.scheme != "https":
        raise UrlRefused(f"the URL is not https: {url.scheme}://{url.host}")
