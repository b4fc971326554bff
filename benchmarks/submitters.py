"""Submits one request after another, with a pause between two, and prints what each took.

python -m benchmarks.submitters spare https://127.0.0.1:8642 10
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from batchveo.core.outcomes import Accepted
from batchveo.provider import ApiClient, ApiKey, spare_connections

PAUSE_SECONDS = 0.6
"""Between two submits: about what a run with 100 clips of a minute in flight has."""

Submit = Callable[[], Awaitable[None]]


@asynccontextmanager
async def open_batchveo(url: str, *, spares: int) -> AsyncIterator[Submit]:
    """batchveo's own client with so many spare connections at most."""
    spare_connections.MOST_SPARES = spares
    async with ApiClient(ApiKey("benchmark"), base_url=url) as api:

        async def submit() -> None:
            outcome = await api.submit({"model": "google/veo3", "prompt": "sea"}, client_request_id="bv.benchmark")
            if not isinstance(outcome, Accepted):
                raise SystemExit(f"the submit was not accepted: {outcome}")

        yield submit


@asynccontextmanager
async def open_peer(url: str) -> AsyncIterator[Submit]:
    """aiohttp as it comes: it sends the next submit on a connection that was used before."""
    import aiohttp

    trusted = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    async with aiohttp.ClientSession() as session:

        async def submit() -> None:
            body = {"model": "google/veo3", "prompt": "sea"}
            async with session.post(f"{url}/v2/video/generations", json=body, ssl=trusted) as answer:
                answer.raise_for_status()
                await answer.json()

        yield submit


WAYS: dict[str, Callable[[str], AbstractAsyncContextManager[Submit]]] = {
    "spare": lambda url: open_batchveo(url, spares=spare_connections.MOST_SPARES),
    "fresh": lambda url: open_batchveo(url, spares=0),
    "peer": open_peer,
}


async def main(way: str, url: str, count: int) -> None:
    """The first submits are not counted: before them, nobody expects one."""
    taken = []
    async with WAYS[way](url) as submit:
        for _ in range(spare_connections.REQUESTS_SEEN + count):
            began = time.perf_counter()
            await submit()
            taken.append(time.perf_counter() - began)
            await asyncio.sleep(PAUSE_SECONDS)
    print(json.dumps(taken[spare_connections.REQUESTS_SEEN :]))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
