"""The calls of the service, over HTTP.

The errors of a call (httpx's own errors become these here)::

    BatchveoError
    ├── ProviderError        no usable response; the same call may work later
    │   ├── PassingFault     the network or the service failed; it may be over at the next try
    │   ├── AnswerTooLong    a longer answer than the caller takes; it is not asked for again
    │   └── ForeignUrl       the service named a URL on another origin; no call is made
    └── KeyRejected          401; a ``StoppedEarly`` of core/errors.py

``submit`` and ``poll`` raise neither: they return every failure of the network or the service as an outcome.
"""

from __future__ import annotations

import logging
from collections import deque
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
from batchveo.core.url_expiry import hide_signatures
from batchveo.provider.api_key import ApiKey
from batchveo.provider.call_outcomes import (
    interpret_poll,
    interpret_poll_error,
    interpret_submit,
    interpret_submit_error,
)
from batchveo.provider.http_errors import (
    UNREACHED,
    check_authorities,
    describe_exception,
    describe_unreached,
    explain_distrust,
)
from batchveo.provider.http_messages import (
    GZIP,
    HEADERS,
    SEND_STARTED,
    TooLong,
    build_request,
    decompress_gzip,
    make_timeouts,
    read_body,
    send_request,
)
from batchveo.provider.responses import Response, describe_error, read_retry_after, to_one_line
from batchveo.provider.transport import LOOPBACK, find_proxy, open_transport

logger = logging.getLogger(__name__)

BASE_URL = "https://api.aimlapi.com"
GENERATIONS = "/v2/video/generations"
CONNECT_SECONDS = 15.0
SUBMIT_SECONDS = 120.0
"""The longest wait for the answer to a submit. Generous: to give up early only puts jobs in doubt."""
POLL_SECONDS = 30.0
LONGEST_CALL_SECONDS = 180.0
"""The longest time of a whole call, however slowly its answer comes."""
LOG_CALLS_PER_MINUTE = 150
"""Calls of the usage log by all readers of this process together; the service answers 200 to an account."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses of faults that may be over at the next try."""
LARGEST_ANSWER = 16 * 1024 * 1024
"""Bytes; a longer JSON answer is not read to its end."""


class ProviderError(BatchveoError):
    """A call got no usable answer; the same call may work later."""


class PassingFault(ProviderError):
    """The network failed, or the service answered with one of ``PASSING``.

    ``status``: that of the answer, if one came. ``retry_after``: seconds that the service asked for.
    """

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


class AnswerTooLong(ProviderError):
    """An answer is longer than the caller takes; the same call would bring it again."""


class ForeignUrl(ProviderError):
    """The service named a URL that is not its own."""


AnyOutcome = TypeVar("AnyOutcome", SubmitOutcome, PollOutcome)
BeforeSend = Callable[[], Awaitable[None]]
"""Awaited before the first byte of a submit's body leaves."""
_SUBMIT_TIMEOUTS = make_timeouts(connect=CONNECT_SECONDS, other=SUBMIT_SECONDS)
_GET_TIMEOUTS = make_timeouts(connect=CONNECT_SECONDS, other=POLL_SECONDS)
# OSError: TLS errors in the middle of a connection are not wrapped
CALL_ERRORS = (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError, TooLong)


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


def is_same_origin(url: str, other: str) -> bool:
    """Whether two URLs have the same scheme, host and port; false for one that cannot be read or names a user."""
    try:
        first, second = httpx.URL(url), httpx.URL(other)
        # a port that is the scheme's own is None in both
        same = (first.scheme, first.raw_host, first.port) == (second.scheme, second.raw_host, second.port)
    except (httpx.InvalidURL, ValueError):
        return False
    return same and not first.userinfo and url.isprintable()


class ApiClient:
    """The calls of the service that batchveo uses. Use as an async context manager.

    ``transport`` replaces the network in tests. Redirects are never followed: the key goes to ``base_url`` alone.
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
        self.log_calls = CallLimit(LOG_CALLS_PER_MINUTE, 60.0)
        # a given transport may not call the trace, so the mark is made before it gets the request
        self._untraced = transport is not None
        self._submits: httpx.AsyncBaseTransport
        self._gets: httpx.AsyncBaseTransport
        self._transport = transport
        self._headers = HEADERS | ({"Authorization": key.header} if key else {})
        self._open = AsyncExitStack()

    def fingerprint(self, secret: bytes) -> str:
        """``ApiKey.fingerprint`` of its key; empty without one."""
        return self._key.fingerprint(secret) if self._key else ""

    async def __aenter__(self) -> ApiClient:
        if self._transport is None and self.base_url.startswith("https:"):
            check_authorities()
        proxy = find_proxy(self.base_url)
        # A submit never reuses a connection: one that the server just closed would put the job in doubt.
        self._submits = self._transport or open_transport(keep=False, proxy=proxy)
        self._gets = self._transport or open_transport(proxy=proxy)
        for transport in {self._submits, self._gets}:
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
        before_send: BeforeSend = anyio.lowlevel.checkpoint,
    ) -> SubmitOutcome:
        """Ask for a video; never repeats the call, and never raises for the network or the service.

        ``before_send`` is awaited once, after the connection is made and before the first byte of the body leaves:
        as late as possible, since headers alone buy nothing. If it raises, the body does not leave.
        """
        sending = _SendTrace(before_send)
        if self._untraced:
            await sending.mark_sent()
        post = build_request(
            "POST",
            f"{self.base_url}{GENERATIONS}",
            {**self._headers, "X-Client-Request-Id": client_request_id},
            json=request,
            extensions={"trace": sending.trace, "timeout": _SUBMIT_TIMEOUTS},
        )
        try:
            answer = await self._call(self._submits, post, client_request_id)
        except CALL_ERRORS as error:
            return self._scrub_outcome(interpret_submit_error(error, sent=sending.is_sent, address=self.base_url))
        return self._scrub_outcome(interpret_submit(answer))

    async def poll(self, generation_id: str) -> PollOutcome:
        """Ask for the state of a generation; never raises for the network or the service."""
        try:
            answer = await self._get(GENERATIONS, [("generation_id", generation_id)], about=generation_id)
        except CALL_ERRORS as error:
            return self._scrub_outcome(interpret_poll_error(error, address=self.base_url))
        return self._scrub_outcome(interpret_poll(answer, generation_id=generation_id))

    # -- questions about the account and the models

    async def get_json(self, path: str, params: Sequence[tuple[str, str]] = (), *, auth: bool = True) -> Any:
        """The JSON answer of a GET; raises ``KeyRejected`` or ``ProviderError``."""
        try:
            answer = await self._get(path, params, headers=None if auth else HEADERS)
        except CALL_ERRORS as error:
            if isinstance(error, UNREACHED) and not explain_distrust(error):
                words = describe_unreached(error, self.base_url)
            else:
                words = f"GET {path}: {describe_exception(error)}"
            raise PassingFault(self._scrub(words)) from None
        if answer.status != 200:
            self._raise_refusal(path, answer)
        body = answer.json
        if body is None:
            raise ProviderError(f"GET {path}: the answer is not JSON")
        return body

    async def fetch_public(
        self, url: str, params: Sequence[tuple[str, str]] = (), *, etag: str = "", most: int = LARGEST_ANSWER
    ) -> Response:
        """The answer to a GET without the key, whatever its status; raises ``ProviderError`` if none comes.

        ``url``: a path, or a URL that the service named: one on another origin is refused, since a server must not
        choose what this machine connects to. A proxy or a look-alike may hand on the real service's URLs; these are
        asked for at its own address. ``etag``: of what the caller has, so that the answer may be a 304.
        ``most``: bytes; a longer answer is none.
        """
        url = url.removeprefix(BASE_URL) if url.startswith(f"{BASE_URL}/") else url
        if not url.startswith("/") and not is_same_origin(url, self.base_url):
            raise ForeignUrl(f"{to_one_line(url)} is not on the service's own address, {self.base_url}")
        headers = HEADERS | ({"If-None-Match": etag} if etag else {})
        try:
            return await self._get(url, params, headers=headers, most=most)
        except TooLong as error:
            raise AnswerTooLong(describe_exception(error)) from None
        except CALL_ERRORS as error:
            if isinstance(error, UNREACHED) and not explain_distrust(error):
                raise ProviderError(describe_unreached(error, self.base_url)) from None
            raise ProviderError(describe_exception(error)) from None

    def _raise_refusal(self, path: str, answer: Response) -> NoReturn:
        reason = f"GET {path}: {describe_error(answer)}"
        if answer.status in PASSING:
            raise PassingFault(reason, status=answer.status, retry_after=read_retry_after(answer))
        raise KeyRejected(reason) if answer.status == 401 else ProviderError(reason)

    async def fetch_balance(self) -> float:
        """The balance of the account, in US dollars."""
        body = await self.get_json("/v2/billing")
        try:
            return float(body["current_balance"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ProviderError("GET /v2/billing: the answer has no current_balance") from None

    # -- the one place that touches the network

    async def _get(
        self,
        path: str,
        params: Sequence[tuple[str, str]],
        *,
        headers: Mapping[str, str] | None = None,
        about: str = "",
        most: int = LARGEST_ANSWER,
    ) -> Response:
        query = f"?{urlencode(params)}" if params else ""
        request = build_request(
            "GET",
            f"{self.base_url}{path}{query}" if path.startswith("/") else path,
            self._headers if headers is None else headers,
            extensions={"timeout": _GET_TIMEOUTS},
        )
        return await self._call(self._gets, request, about, most=most)

    async def _call(
        self,
        transport: httpx.AsyncBaseTransport,
        request: httpx.Request,
        about: str = "",
        *,
        most: int = LARGEST_ANSWER,
    ) -> Response:
        """Send ``request`` and read its response. ``about``: the client request id or generation id, for the log."""
        # the log gets no query and no header: they may hold secrets
        began = anyio.current_time()
        try:
            # not by ``fail_after``: it takes three times as long, for each of millions of polls
            with anyio.CancelScope(deadline=began + LONGEST_CALL_SECONDS) as whole:
                async with aclosing(await send_request(transport, request)) as received:
                    body = await _read_answer(received, most)
            if whole.cancelled_caught:
                raise TimeoutError
        except CALL_ERRORS as error:
            self._log_call(request, type(error).__name__, began, about)
            raise
        self._log_call(request, received.status_code, began, about)
        if self._key and not (received.is_success and body.lstrip()[:1] == b"{"):
            body = self._key.scrub(body)  # before it is cut to a message: half a key is a leak too
        headers = {name.lower(): value for name, value in received.headers.items()}
        return Response(status=received.status_code, headers=headers, body=body)

    def _log_call(self, request: httpx.Request, result: object, began: float, about: str) -> None:
        milliseconds = (anyio.current_time() - began) * 1000
        logger.debug("%s %s %s: %s in %.0f ms", request.method, request.url.path, about, result, milliseconds)

    def _scrub_outcome(self, outcome: AnyOutcome) -> AnyOutcome:
        """The outcome without secrets in its words: a server may echo the key or an address, and words are kept."""
        for name in ("reason", "word"):
            said = getattr(outcome, name, None)
            if said is not None:
                outcome = replace(outcome, **{name: self._scrub(said)})  # type: ignore[arg-type]
        return outcome

    def _scrub(self, words: str) -> str:
        words = hide_signatures(words)
        return self._key.scrub(words.encode()).decode() if self._key else words


class _SendTrace:
    """Awaits ``before_send`` once, when the transport's trace shows that the body of a request is about to leave."""

    def __init__(self, before_send: BeforeSend) -> None:
        self._before_send = before_send
        self.is_sent = False

    async def mark_sent(self) -> None:
        """Await ``before_send``, once."""
        if not self.is_sent:
            await self._before_send()
            self.is_sent = True

    async def trace(self, event: str, info: Mapping[str, object]) -> None:  # noqa: ARG002 - httpcore's signature
        """The trace of a transport: called at the steps of a request."""
        if event == SEND_STARTED:
            await self.mark_sent()


class CallLimit:
    """A rate limit by sliding window: at most ``most`` calls in any ``seconds``."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._times: deque[float] = deque()

    async def wait_for_call(self) -> None:
        """Wait until one more call is within the limit, and count it."""
        while True:
            now = anyio.current_time()
            while self._times and self._times[0] <= now - self._seconds:
                self._times.popleft()
            if len(self._times) < self._most:
                self._times.append(now)
                return
            await anyio.sleep(self._times[0] + self._seconds - now)


async def _read_answer(response: httpx.Response, most: int) -> bytes:
    """The body; empty if the answer breaks off and its headers name the generation already."""
    try:
        return await _read_decoded(response, most)
    except httpx.HTTPError:
        if response.is_success and response.headers.get("x-inference-id"):
            return b""
        raise


async def _read_decoded(response: httpx.Response, most: int) -> bytes:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", *GZIP):
        raise httpx.DecodingError(f"the answer came {encoding}-encoded though it must not")
    body = bytearray()

    async def take(piece: bytes) -> None:
        body.extend(piece)

    await read_body(response.stream, take, most=most)
    return decompress_gzip(bytes(body), most=most) if encoding in GZIP else bytes(body)
