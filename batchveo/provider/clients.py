"""The open connections to a service: a client for each key, and one for the videos."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

from batchveo.core.errors import KeyRejected
from batchveo.provider import ApiClient, ApiKey, ProviderError, VideoClient
from batchveo.provider.service import Service


@asynccontextmanager
async def open_api_clients(using: Service) -> AsyncIterator[Mapping[str, ApiClient]]:
    """A client for each key by its label, the first key first; one without a key where there is none."""
    async with AsyncExitStack() as stack:
        named: dict[str, ApiKey | None] = {key.name: key.key for key in using.keys}
        named = named or {"": None}
        opened = {
            name: await stack.enter_async_context(ApiClient(key, base_url=using.base_url))
            for name, key in named.items()
        }
        yield opened


@asynccontextmanager
async def open_clients(using: Service) -> AsyncIterator[tuple[Mapping[str, ApiClient], VideoClient]]:
    """What a run needs: ``open_api_clients``, and the client that fetches videos, which never has a key."""
    async with open_api_clients(using) as opened, VideoClient(loopback=using.is_local) as videos:
        yield opened, videos


def any_client(opened: Mapping[str, ApiClient]) -> ApiClient:
    """The client for what is the same with every key, such as prices."""
    return next(iter(opened.values()))


@contextmanager
def label_errors(label: str) -> Iterator[None]:
    """What goes wrong inside names the key by its label."""
    try:
        yield
    except (ProviderError, KeyRejected) as error:
        if not label:
            raise
        raise type(error)(f"key {label!r}: {error}") from None
