"""The service of a run (the real one, another address, or the embedded look-alike) and the open clients for it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from batchveo.core.errors import KeyRejected, UsageError
from batchveo.provider import (
    BASE_URL,
    ApiClient,
    ApiKey,
    NamedKey,
    ProviderError,
    VideoClient,
    check_base_url,
    find_key,
)
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.provider.transport import LOOPBACK

SANDBOX = "sandbox"
"""The name of the embedded look-alike in the database: its videos must never pass for real ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The address of a service and the keys for it. ``sandbox`` starts the embedded look-alike, of ``catalog``.

    ``keys`` has every key: several, each with its label, or ``key`` alone, without one. ``key`` is the first.
    """

    base_url: str = BASE_URL
    key: ApiKey | None = None
    sandbox: bool = False
    keys: tuple[NamedKey, ...] = ()
    catalog: Catalog = MODELS

    def __post_init__(self) -> None:
        if self.keys:
            _check_distinct(self.keys)
            if self.key not in (None, self.keys[0].key):
                raise UsageError("give one key, or several with their labels")
            object.__setattr__(self, "key", self.keys[0].key)
        elif self.key is not None:
            object.__setattr__(self, "keys", (NamedKey(name="", key=self.key),))

    @property
    def name(self) -> str:
        """Its name in the database."""
        return SANDBOX if self.sandbox else self.base_url

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine; then its videos may come from here too."""
        return urlsplit(self.base_url).hostname in LOOPBACK

    def key_prints(self, secret: bytes) -> dict[str, str]:
        """The fingerprint of each key under the database's ``secret``, by its label."""
        return {key.name: key.key.fingerprint(secret) for key in self.keys}


def service(
    *,
    base_url: str | None = None,
    key: str | None = None,
    key_file: Path | None = None,
    keys: str | os.PathLike[str] | Sequence[NamedKey] | None = None,
    sandbox: bool = False,
    required: bool = True,
) -> Service:
    """The service to use; its key comes from ``key``, ``key_file`` or the environment.

    ``keys``: several keys, or the file that names them, instead of one. With ``sandbox`` no real key is needed.
    Raises ``UsageError`` if there is no key and one is ``required``, if the file of keys is wrong, or if the address
    is not https (http only to this machine).
    """
    if keys is not None and (key or key_file is not None):
        raise UsageError("--keys and --api-key-file: give one of them")
    several = _read_several(keys, play=sandbox)
    if sandbox:
        return Service(key=None if several else ApiKey("sandbox"), keys=several, sandbox=True)
    url = check_base_url(base_url or BASE_URL)
    if several:
        return Service(base_url=url, keys=several)
    return Service(base_url=url, key=ApiKey(key) if key else find_key(key_file, required=required))


def _read_several(keys: str | os.PathLike[str] | Sequence[NamedKey] | None, *, play: bool) -> tuple[NamedKey, ...]:
    if keys is None:
        return ()
    if isinstance(keys, str | os.PathLike):
        from batchveo.provider.keys_file import read_keys

        return read_keys(Path(keys), play=play)
    if not keys:
        raise UsageError("there are no keys")
    return tuple(replace(key, key=ApiKey(f"sandbox.{key.name}")) if play else key for key in keys)


def _check_distinct(keys: Sequence[NamedKey]) -> None:
    """Raise ``UsageError`` for labels or keys that are not all different; no key is shown."""
    names = [key.name for key in keys]
    if len(set(names)) < len(names) or (len(names) > 1 and "" in names):
        raise UsageError("several keys need a label each, all different")
    if len({key.key for key in keys}) < len(keys):
        raise UsageError("two labels have the same key")


@asynccontextmanager
async def open_api_clients(using: Service) -> AsyncIterator[Mapping[str, ApiClient]]:
    """A client for each key by its label, the first key first; without keys one client that has none."""
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
    """``open_api_clients``, and the client that downloads videos, which never has a key."""
    async with open_api_clients(using) as opened, VideoClient(loopback=using.is_local) as videos:
        yield opened, videos


def pick_client(opened: Mapping[str, ApiClient]) -> ApiClient:
    """A client for calls that have the same answer with every key, such as prices."""
    return next(iter(opened.values()))


@contextmanager
def label_errors(label: str) -> Iterator[None]:
    """Put the label of the key before the message of an error inside."""
    try:
        yield
    except (ProviderError, KeyRejected) as error:
        if not label:
            raise
        raise type(error)(f"key {label!r}: {error}") from None
