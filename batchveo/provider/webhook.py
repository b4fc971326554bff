"""POSTs of finished jobs to the address of a user: again after a passing fault, and to no other host."""

from __future__ import annotations

import random
from typing import Self
from urllib.parse import urlsplit

import anyio
import httpx

from batchveo.core.errors import UsageError
from batchveo.core.rate_limit import compute_backoff
from batchveo.provider.http_errors import describe_exception
from batchveo.provider.responses import Response, read_retry_after
from batchveo.provider.transport import LOOPBACK

CALL_SECONDS = 30.0
"""Time limit of one request."""
TRIES = 5
LONGEST_WAIT = 30.0
"""Seconds between two tries at the most."""
REDIRECTS = 3


def check_webhook(url: str) -> str:
    """``url`` if it is https, or http to this machine; raises ``UsageError``, which shows no secret."""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        host = None
    if not host or not url.isprintable() or " " in url:
        raise UsageError("--webhook: not an address; it looks like https://example.org/videos (the value is not shown)")
    if parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK):
        return url
    raise UsageError(f"--webhook: the address at {host} must be https (http only to this machine)")


class WebhookError(Exception):
    """The address did not accept a job; the text holds nothing of the address, which may be secret."""


class Webhook:
    """Posts to ``url``. Use as an async context manager; ``transport`` replaces the network in tests."""

    def __init__(self, url: str, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._url = httpx.URL(url)
        self._client = httpx.AsyncClient(transport=transport, timeout=CALL_SECONDS, follow_redirects=False)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.aclose()

    async def post(self, content: bytes) -> None:
        """Post ``content``, JSON; returns once it is accepted (2xx). Raises ``WebhookError`` after the last try."""
        reason = ""
        for attempt in range(1, TRIES + 1):
            wait: float | None = None
            try:
                with anyio.fail_after(CALL_SECONDS):
                    answer = await self._send(content)
            except (httpx.HTTPError, TimeoutError) as error:
                reason = "no answer in time" if isinstance(error, TimeoutError) else describe_exception(error)
            else:
                if 200 <= answer.status < 300:
                    return
                reason = f"HTTP {answer.status}"
                if answer.status != 429 and answer.status < 500:
                    break
                wait = read_retry_after(answer)
            if attempt < TRIES:
                backoff = compute_backoff(attempt, random.random())  # noqa: S311 - no secret
                await anyio.sleep(min(max(backoff, wait or 0.0), LONGEST_WAIT))
        raise WebhookError(reason)

    async def _send(self, content: bytes) -> Response:
        url = self._url
        for _ in range(REDIRECTS):
            request = self._client.build_request(
                "POST", url, content=content, headers={"content-type": "application/json"}
            )
            # the body of the answer is of no use, and may be endless
            answer = await self._client.send(request, stream=True)
            await answer.aclose()
            if answer.status_code not in (307, 308):
                break
            url = self._follow(url, answer)
        if 300 <= answer.status_code < 400:
            raise WebhookError(f"HTTP {answer.status_code}: it leads elsewhere; give the address it leads to")
        return Response(status=answer.status_code, headers=dict(answer.headers), body=b"")

    def _follow(self, url: httpx.URL, answer: httpx.Response) -> httpx.URL:
        try:
            target = url.join(answer.headers.get("location", ""))
        except httpx.InvalidURL:
            raise WebhookError(f"HTTP {answer.status_code} without an address that can be followed") from None
        if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port):
            raise WebhookError(f"HTTP {answer.status_code}: it leads to another host, which gets nothing")
        return target
