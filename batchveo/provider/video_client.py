"""Finished videos, over HTTP: from hosts that must never see the key."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from urllib.parse import urljoin, urlsplit

import anyio
import httpx

from batchveo.provider.transport import HEADERS, build_request, find_proxy, make_timeouts, open_transport, send_request
from batchveo.provider.url_guard import Resolve, Target, UrlRefused, check_url, system_resolve

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 15.0
STALL_SECONDS = 30.0
"""How long a download may go without a byte."""
HEAD_SECONDS = 60.0
"""How long connecting and the head of an answer may take together, however slowly the head drips in."""
_TIMEOUTS = make_timeouts(connect=CONNECT_SECONDS, other=STALL_SECONDS)
MOST_REDIRECTS = 5
MOST_ADDRESSES = 4
REDIRECTS = frozenset({301, 302, 303, 307, 308})


class VideoClient:
    """Opens video URLs. Knows no key. Use as an async context manager.

    ``loopback`` allows URLs on this machine; ``transport`` and ``resolve`` replace the network in tests.
    """

    def __init__(
        self,
        *,
        loopback: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
        resolve: Resolve = system_resolve,
    ) -> None:
        self._loopback = loopback
        self._resolve = resolve
        self._transport = transport
        self._wires: dict[str | None, httpx.AsyncBaseTransport] = {}
        """By proxy."""
        self._open = AsyncExitStack()

    async def __aenter__(self) -> VideoClient:
        if self._transport is not None:
            await self._open.enter_async_context(self._transport)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def _transport_to(self, target: Target) -> httpx.AsyncBaseTransport:
        if self._transport is not None:
            return self._transport
        proxy = find_proxy(str(target.url))
        if proxy not in self._wires:
            self._wires[proxy] = await self._open.enter_async_context(open_transport(proxy=proxy))
        return self._wires[proxy]

    @asynccontextmanager
    async def open(self, url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[httpx.Response]:
        """Begin a GET and yield its answer, body unread, redirects followed and each of them checked.

        Raises ``UrlRefused``, or an ``httpx.HTTPError``.
        """
        for _ in range(MOST_REDIRECTS + 1):
            target = await self._check(url)
            response = await self._connect(target, headers or {})
            try:
                location = response.headers.get("location")
                if response.status_code not in REDIRECTS or not location:
                    yield response
                    return
            finally:  # a redirect gives its connection back before the next one is made
                await response.aclose()
            url = _joined(target, location)
        raise UrlRefused(f"the URL redirects more than {MOST_REDIRECTS} times")

    async def _check(self, url: str) -> Target:
        try:
            with anyio.fail_after(CONNECT_SECONDS):
                return await check_url(url, loopback=self._loopback, resolve=self._resolve)
        except OSError as error:
            # no such name, or no answer in time; not to be mistaken for trouble with the disk
            raise httpx.ConnectError(f"{urlsplit(url).hostname}: {error}") from None

    async def _connect(self, target: Target, headers: Mapping[str, str]) -> httpx.Response:
        """Ask the addresses in turn; the name still goes into the Host header and into TLS."""
        transport = await self._transport_to(target)
        last: httpx.HTTPError = httpx.ConnectError(f"{target.url.host} has no address")
        for address in target.addresses[:MOST_ADDRESSES]:
            request = build_request(
                "GET",
                target.request_url(address),
                {**HEADERS, **headers, "Host": target.host_header},
                extensions={"sni_hostname": target.tls_name, "timeout": _TIMEOUTS},
            )
            try:
                with anyio.fail_after(HEAD_SECONDS):
                    response = await send_request(transport, request)
            except TimeoutError:
                raise httpx.ReadTimeout(f"{target.url.host}: no answer in {HEAD_SECONDS:.0f} s") from None
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                last = error
            except OSError as error:
                last = httpx.ConnectError(f"{target.url.host}: {error}")
                last.__cause__ = error  # a certificate that is not trusted is told apart by it
            else:
                # no query: the signature of a URL is in it
                logger.debug("GET %s%s: %d", target.url.host, target.url.path, response.status_code)
                return response
        raise last


def _joined(target: Target, location: str) -> str:
    try:
        return urljoin(str(target.url), location)
    except ValueError as error:
        raise UrlRefused(f"the URL redirects to nonsense: {error}") from None
