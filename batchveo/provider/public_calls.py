"""Calls that need no key: few at a time, and again after a passing fault."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import anyio

from batchveo.core.rate_limit import compute_backoff
from batchveo.provider.client import LARGEST_ANSWER, PASSING, AnswerTooLong, ApiClient, ForeignUrl, ProviderError
from batchveo.provider.responses import Response, describe_error, read_retry_after

CALLS = 8
"""Calls at the same time."""
TRIES = 4
CALL_SECONDS = 30.0
"""The longest time of one try."""


class PublicCalls:
    """Calls: few at a time, again after a passing fault, and none while the service asks for a pause."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._limit = anyio.CapacityLimiter(CALLS)
        self._paused_until = -math.inf

    async def ask(
        self,
        url: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        etag: str = "",
        most: int = LARGEST_ANSWER,
        what: str = "",
    ) -> Response:
        """A response of status 200, or 304 if ``etag`` is current; raises ``ProviderError`` after the last try."""
        reason = ""
        for attempt in range(1, TRIES + 1):
            async with self._limit:
                await anyio.sleep_until(self._paused_until)
                answer, reason = await self._call(url, params, etag, most)
            if answer is not None and (answer.status == 200 or (answer.status == 304 and etag)):
                return answer
            if answer is not None and answer.status not in PASSING:
                break
            if attempt < TRIES:
                await anyio.sleep(self._choose_wait(answer, attempt))
        raise ProviderError(f"GET {what or url}: {reason}")

    async def _call(
        self, url: str, params: Sequence[tuple[str, str]], etag: str, most: int
    ) -> tuple[Response | None, str]:
        try:
            with anyio.fail_after(CALL_SECONDS):
                answer = await self._api.fetch_public(url, params, etag=etag, most=most)
        except (ForeignUrl, AnswerTooLong):
            raise
        except TimeoutError:
            return None, f"no answer within {CALL_SECONDS:.0f} s"
        except ProviderError as error:
            return None, str(error)
        return answer, describe_error(answer) if answer.status != 200 else ""

    def _choose_wait(self, answer: Response | None, attempt: int) -> float:
        asked = None if answer is None else read_retry_after(answer)
        if asked is not None:  # it is meant for all calls
            self._paused_until = max(self._paused_until, anyio.current_time() + asked)
        jitter = random.random()  # noqa: S311 - it spreads calls, and hides nothing
        return max(asked or 0.0, compute_backoff(attempt, jitter))
