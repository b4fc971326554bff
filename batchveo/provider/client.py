"""The service, over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from types import TracebackType
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlencode, urlsplit

import anyio
import anyio.lowlevel
import httpx

from batchveo.core.errors import BatchveoError, KeyRejected, UsageError
from batchveo.core.outcomes import PollOutcome, SubmitOutcome
from batchveo.provider.api_key import ApiKey
from batchveo.provider.body import TooLong, pour
from batchveo.provider.call_budget import CallBudget
from batchveo.provider.certificates import check_authorities, distrust
from batchveo.provider.decompression import GZIP, unfold
from batchveo.provider.http_errors import UNREACHED, describe, poll_fault, submit_fault, unreached
from batchveo.provider.responses import Answer, error_reason, poll_outcome
from batchveo.provider.submit_outcome import submit_outcome
from batchveo.provider.transport import HEADERS, LOOPBACK, build, proxy_of, send, timeouts, wire

BASE_URL = "https://api.aimlapi.com"
GENERATIONS = "/v2/video/generations"
CONNECT_SECONDS = 15.0
SUBMIT_SECONDS = 120.0
"""How long a submit may take to be answered. Generous: giving up early only makes doubts."""
POLL_SECONDS = 30.0
LONGEST_CALL_SECONDS = 180.0
"""A whole call, however slowly its answer drips in."""
LOG_CALLS_PER_MINUTE = 150
"""Calls of the usage log, all readers of this process together; the service answers 200 to an account."""
LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes; a longer JSON answer is not read to its end."""


class ProviderError(BatchveoError):
    """A question to the service got no usable answer; asking again later may help."""


Said = TypeVar("Said", SubmitOutcome, PollOutcome)
Leaving = Callable[[], Awaitable[None]]
"""What to do before the first byte of a submit's body leaves."""
_SUBMIT_TIMEOUTS = timeouts(connect=CONNECT_SECONDS, other=SUBMIT_SECONDS)
_ASK_TIMEOUTS = timeouts(connect=CONNECT_SECONDS, other=POLL_SECONDS)
# OSError: TLS errors in the middle of a connection reach us as what they are
CALL_FAULTS = (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, TooLong)


def check_base_url(url: str) -> str:
    """``url`` without a trailing slash; raises ``UsageError`` unless it is https, or http to this machine."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:  # a port that is none, a bracket that does not end
        raise UsageError(f"--base-url {url!r} is not an address: {error}; it looks like {BASE_URL}") from None
    if not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(f"--base-url {url!r} is not the address of a service; it looks like {BASE_URL}")
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return url.rstrip("/")
    raise UsageError(f"--base-url {url!r} must be https (http only to this machine): the key travels with it")


class ApiClient:
    """The calls of the service that batchveo uses. Use as an async context manager.

    ``transport`` replaces the network in tests. Redirects are never followed: the key goes to ``base_url`` and
    nowhere else.
    """

    def __init__(
        self,
        key: ApiKey | None,
        *,
        base_url: str = BASE_URL,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.base_url = check_base_url(base_url)
        self._key = key
        self.log_calls = CallBudget(LOG_CALLS_PER_MINUTE, 60.0)
        # a transport of someone else's may not tell when it sends
        self._untraced = transport is not None
        self._submits: httpx.AsyncBaseTransport
        self._asks: httpx.AsyncBaseTransport
        self._transport = transport
        self._headers = HEADERS | ({"Authorization": key.header} if key else {})
        self._open = AsyncExitStack()

    async def __aenter__(self) -> ApiClient:
        if self._transport is None and self.base_url.startswith("https:"):
            check_authorities()
        proxy = proxy_of(self.base_url)
        # A submit never reuses a connection: one that the server just closed would put the job in doubt.
        self._submits = self._transport or wire(keep=False, proxy=proxy)
        self._asks = self._transport or wire(proxy=proxy)
        for transport in {self._submits, self._asks}:
            await self._open.enter_async_context(transport)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    # -- the two calls that make a video

    async def submit(
        self,
        request: Mapping[str, object],
        *,
        client_request_id: str,
        leaving: Leaving = anyio.lowlevel.checkpoint,
    ) -> SubmitOutcome:
        """Ask for a video; never repeats the call, never raises for what the network or the service does.

        ``leaving`` is awaited once, before the first byte of the body leaves, and so as late as it can be:
        headers alone buy nothing.
        """
        departure = Departure(leaving)
        if self._untraced:
            await departure.leave()
        sending = build(
            "POST",
            f"{self.base_url}{GENERATIONS}",
            {**self._headers, "X-Client-Request-Id": client_request_id},
            json=request,
            extensions={"trace": departure.trace, "timeout": _SUBMIT_TIMEOUTS},
        )
        try:
            answer = await self._call(self._submits, sending)
        except CALL_FAULTS as error:
            return self._without_key(submit_fault(error, sent=departure.left, address=self.base_url))
        return self._without_key(submit_outcome(answer))

    async def poll(self, generation_id: str) -> PollOutcome:
        """Ask how a generation stands; never raises for what the network or the service does."""
        try:
            answer = await self._get(GENERATIONS, [("generation_id", generation_id)])
        except CALL_FAULTS as error:
            return self._without_key(poll_fault(error, address=self.base_url))
        return self._without_key(poll_outcome(answer, generation_id=generation_id))

    # -- questions about the account and the models

    async def ask(self, path: str, params: Sequence[tuple[str, str]] = (), *, auth: bool = True) -> Any:
        """The JSON answer of a GET; raises ``KeyRejected`` or ``ProviderError``."""
        try:
            answer = await self._get(path, params, auth=auth)
        except CALL_FAULTS as error:
            words = unreached(error, self.base_url) if isinstance(error, UNREACHED) and not distrust(error) else ""
            raise ProviderError(self._clean(words or f"GET {path}: {describe(error)}")) from None
        if answer.status != 200:
            self._refuse(path, answer)
        body = answer.json()
        if body is None:
            raise ProviderError(f"GET {path}: the answer is not JSON")
        return body

    def _refuse(self, path: str, answer: Answer) -> NoReturn:
        reason = f"GET {path}: {error_reason(answer)}"
        raise KeyRejected(reason) if answer.status == 401 else ProviderError(reason)

    async def balance(self) -> float:
        """What is left on the account, in US dollars."""
        body = await self.ask("/v2/billing")
        try:
            return float(body["current_balance"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ProviderError("GET /v2/billing: the answer has no current_balance") from None

    # -- the one place that touches the network

    async def _get(self, path: str, params: Sequence[tuple[str, str]], *, auth: bool = True) -> Answer:
        query = f"?{urlencode(params)}" if params else ""
        request = build(
            "GET",
            f"{self.base_url}{path}{query}",
            self._headers if auth else HEADERS,
            extensions={"timeout": _ASK_TIMEOUTS},
        )
        return await self._call(self._asks, request)

    async def _call(self, transport: httpx.AsyncBaseTransport, request: httpx.Request) -> Answer:
        with anyio.fail_after(LONGEST_CALL_SECONDS):
            async with aclosing(await send(transport, request)) as response:
                headers = {name.lower(): value for name, value in response.headers.items()}
                body = await _body(response)
        if self._key and not (response.is_success and body.lstrip()[:1] == b"{"):
            body = self._key.scrub(body)  # before it is cut to a message: half a key is a leak too
        return Answer(status=response.status_code, headers=headers, body=body)

    def _without_key(self, outcome: Said) -> Said:
        """The outcome without the key in its words: a server may echo it, and words are kept and shown."""
        for name in ("reason", "word"):
            said = getattr(outcome, name, None)
            if said is not None:
                outcome = replace(outcome, **{name: self._clean(said)})  # type: ignore[arg-type]
        return outcome

    def _clean(self, words: str) -> str:
        return self._key.scrub(words.encode()).decode() if self._key else words


class Departure:
    """Notices, by httpcore's trace, that the body of a request is about to leave."""

    def __init__(self, leaving: Leaving) -> None:
        self._leaving = leaving
        self.left = False

    async def leave(self) -> None:
        """The request leaves now."""
        if not self.left:
            await self._leaving()
            self.left = True

    async def trace(self, event: str, info: Mapping[str, object]) -> None:  # noqa: ARG002 - httpcore's signature
        """What httpcore calls at every step."""
        if event.endswith("send_request_body.started"):
            await self.leave()


async def _body(response: httpx.Response) -> bytes:
    """The body; of an answer that breaks off after naming the generation, what came of it."""
    try:
        return await _read(response)
    except httpx.HTTPError:
        if response.is_success and response.headers.get("x-inference-id"):
            return b""
        raise


async def _read(response: httpx.Response) -> bytes:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", *GZIP):
        raise httpx.DecodingError(f"the answer came {encoding}-encoded though it must not")
    body = bytearray()

    async def take(piece: bytes) -> None:
        body.extend(piece)

    await pour(response.stream, take, most=LARGEST_ANSWER)
    return unfold(bytes(body), most=LARGEST_ANSWER) if encoding in GZIP else bytes(body)
