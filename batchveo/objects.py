"""The objects under a prefix of a bucket: the only module that speaks with object stores (obstore, ``cloud``).

Everything obstore raises becomes an ``OSError`` here, as a disk's troubles are: ``Refused`` where trying again
changes nothing, ``Faint`` where it may. Passing faults have been tried again for a while before that.

Threads wait for the store, not obstore's own futures: those come back to Python from threads that nobody joins,
and a process that ends in that moment is aborted (seen in one exit of three, Python 3.11, obstore 0.12).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import anyio.to_thread

from batchveo.errors import UsageError
from batchveo.places import BucketUrl, require_cloud

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta, UpdateVersion, WritableFile
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

T = TypeVar("T")

PART_BYTES = 8 * 1024 * 1024
"""What is shorter is put in one request; what is longer, in parts of this size."""
PARTS_AT_ONCE = 2
READ_BYTES = 4 * 1024 * 1024
"""How much of an object one request asks for: each is bounded in time, none in memory but by this."""
RETRIES = 6
RETRY_SECONDS = 60.0
REQUEST_SECONDS = 120.0
"""For a part on a slow line."""
LARGEST_SMALL = 64 * 1024 * 1024
"""Bytes of an object that is read whole; what is larger was not written by us."""

_PASSING = frozenset({408, 409, 425, 429})
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_NO_BUCKET = re.compile(r"NoSuchBucket|ContainerNotFound|specified bucket does not exist")
_NO_CREDENTIALS = re.compile(r"169\.254\.169\.254|metadata\.google|credential", re.IGNORECASE)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Refused(OSError):
    """The store will not do this, now or later: no such bucket, no permission, no room."""


class Faint(OSError):
    """The store could not be reached, or was too busy, for longer than was worth waiting."""


@dataclass(frozen=True, slots=True)
class Head:
    """How long an object is, in bytes, and which version of it stands there."""

    size: int
    version: UpdateVersion


@dataclass(frozen=True, slots=True)
class Small:
    """A small object, whole."""

    content: bytes
    version: UpdateVersion


class Upload:
    """An object on its way: nothing stands under its name before ``complete``."""

    def __init__(self, writer: WritableFile, place: str) -> None:
        self._writer: WritableFile | None = writer
        self._place = place

    async def write(self, piece: bytes) -> None:
        """Send the next piece, or keep it until a part is full."""
        assert self._writer is not None  # noqa: S101 - nothing is written behind the end
        with _translated(self._place), self._lost():
            await _waited_for(partial(self._writer.write, piece))

    async def complete(self) -> None:
        """Let the object stand under its name, in place of what may be there."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with _translated(self._place), self._lost():
                await _waited_for(writer.close)

    async def abort(self) -> None:
        """Give it up, parts that were sent included, as far as the store can be reached."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with suppress(Exception):  # whatever is left of it, a lifecycle rule takes away
                await _waited_for(partial(writer.__exit__, ValueError, ValueError("given up"), None))

    @contextmanager
    def _lost(self) -> Iterator[None]:
        """An upload that somebody else gave up is begun anew."""
        try:
            yield
        except FileNotFoundError as error:
            if _NO_BUCKET.search(str(error)):
                raise
            raise Faint(errno.EIO, "the upload was given up meanwhile", self._place) from None


class Objects:
    """The objects whose keys begin with the prefix of ``url``; keys here are what comes behind it."""

    def __init__(self, url: BucketUrl, store: ObjectStore | None = None) -> None:
        self.url = url
        self._store = store or _open(url)

    async def small(self, key: str) -> Small | None:
        """The object, ``None`` where there is none; raises ``Refused`` where it is no small one."""
        try:
            return await _waited_for(partial(self._small, key))
        except FileNotFoundError:
            return None

    async def create(self, key: str, content: bytes) -> bool:
        """Put a new object; false where one of that name stands there, which is left alone."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with _translated(self._place(key)):
            try:
                await _waited_for(partial(obstore.put, self._store, key, content, mode="create"))
            except AlreadyExistsError:
                return False
        return True

    async def replace(self, key: str, content: bytes, version: UpdateVersion) -> bool:
        """Put an object in place of that ``version``; false where another stands there by now."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with _translated(self._place(key)):
            try:
                await _waited_for(partial(obstore.put, self._store, key, content, mode=version))
            except (AlreadyExistsError, PreconditionError, FileNotFoundError) as error:
                if _NO_BUCKET.search(str(error)):
                    raise
                return False
        return True

    async def head(self, key: str) -> Head | None:
        """Length and version of an object, ``None`` where there is none."""
        try:
            return await _waited_for(partial(self.head_now, key))
        except FileNotFoundError:
            return None

    async def pieces(self, key: str, head: Head) -> AsyncIterator[bytes]:
        """The object from its beginning, piece by piece; ``Faint`` where it is replaced meanwhile."""
        for start in range(0, head.size, READ_BYTES):
            yield await _waited_for(partial(self._piece, key, head, start, min(start + READ_BYTES, head.size)))

    def upload(self, key: str) -> Upload:
        """Begin an upload; nothing is sent yet."""
        import obstore

        writer = obstore.open_writer(
            self._store,
            key,
            attributes={"Content-Type": "video/mp4"},
            buffer_size=PART_BYTES,
            max_concurrency=PARTS_AT_ONCE,
        )
        return Upload(writer, self._place(key))

    async def delete(self, key: str) -> None:
        """Take an object away; it need not be there."""
        import obstore

        with suppress(FileNotFoundError), _translated(self._place(key)):
            await _waited_for(partial(obstore.delete, self._store, key))

    def head_now(self, key: str) -> Head:
        """``head`` for callers that may block; raises ``FileNotFoundError``."""
        import obstore

        with _translated(self._place(key)):
            meta = obstore.head(self._store, key)
        return Head(meta["size"], _version(meta))

    def pieces_now(self, key: str, head: Head, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """``pieces`` for callers that may block: the bytes from ``start`` up to ``end``."""
        stop = head.size if end is None else min(end, head.size)
        for first in range(start, stop, READ_BYTES):
            yield self._piece(key, head, first, min(first + READ_BYTES, stop))

    def _small(self, key: str) -> Small:
        import obstore

        with _translated(self._place(key)):
            answer = obstore.get(self._store, key)
            if answer.meta["size"] > LARGEST_SMALL:
                raise Refused(errno.EFBIG, "too large to be a sidecar", self._place(key))
            return Small(bytes(answer.bytes()), _version(answer.meta))

    def _piece(self, key: str, head: Head, start: int, end: int) -> bytes:
        import obstore

        with _translated(self._place(key)):
            return bytes(obstore.get(self._store, key, options=_range(start, end, head)).bytes())

    def _place(self, key: str) -> str:
        return f"{self.url}/{key}"


async def _waited_for(work: Callable[[], T]) -> T:
    """What ``work`` returns or raises. A cancellation leaves its thread behind, which ends with its request."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)


@lru_cache(maxsize=8)
def objects(url: BucketUrl) -> Objects:
    """The objects under ``url``, with the connections of those who asked before.

    Raises ``UsageError`` where the extra is missing, or the environment does not say what is needed.
    """
    return Objects(url)


def _open(url: BucketUrl) -> ObjectStore:
    require_cloud()
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store

    retry: RetryConfig = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
    client: ClientConfig = {"timeout": timedelta(seconds=REQUEST_SECONDS)}
    if _endpoint_is_local():
        client["allow_http"] = True
    prefix = url.prefix or None
    try:
        match url.scheme:
            case "s3":
                return S3Store(url.bucket, prefix=prefix, client_options=client, retry_config=retry)
            case "gs":
                return GCSStore(url.bucket, prefix=prefix, client_options=client, retry_config=retry)
            case _:
                return AzureStore(url.bucket, prefix=prefix, client_options=client, retry_config=retry)
    except (BaseError, ValueError, OSError) as error:
        hint = "; set AZURE_STORAGE_ACCOUNT_NAME" if "Account must be specified" in str(error) else ""
        raise UsageError(f"{url} cannot be used: {_words(str(error))}{hint}") from None


def _endpoint_is_local() -> bool:
    """Whether the environment names a store on this machine; any other is spoken to over TLS only."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    return urlsplit(endpoint).hostname in _LOOPBACK


def _version(meta: ObjectMeta) -> UpdateVersion:
    version: UpdateVersion = {}
    if meta["e_tag"] is not None:
        version["e_tag"] = meta["e_tag"]
    if meta["version"] is not None:
        version["version"] = meta["version"]
    return version


def _range(start: int, end: int, head: Head) -> GetOptions:
    options: GetOptions = {"range": (start, end)}
    if "e_tag" in head.version:
        options["if_match"] = head.version["e_tag"]
    return options


@contextmanager
def _translated(place: str) -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError as error:
        if _NO_BUCKET.search(str(error)):
            raise Refused(errno.ENODEV, "there is no such bucket", place) from None
        raise FileNotFoundError(errno.ENOENT, "there is no such object", place) from None
    except (Refused, Faint):
        raise
    except (BaseError, OSError) as error:  # an upload's errors come as plain ones
        raise _ours(error, place) from None


def _ours(error: Exception, place: str) -> OSError:
    from obstore.exceptions import PreconditionError

    text = str(error)
    said = _words(text)
    status = _STATUS.search(text)
    if isinstance(error, PreconditionError):
        return Faint(errno.EBUSY, "it was replaced meanwhile", place)
    if status is not None and status[1] in ("401", "403"):
        return Refused(errno.EACCES, f"the bucket refuses it: {said}", place)
    if _NO_CREDENTIALS.search(text):
        return Refused(errno.EACCES, f"no credentials for the bucket: {said}", place)
    if "builder error" in text:
        said = "the endpoint is http://, which AWS_ALLOW_HTTP=true allows"
        return Refused(errno.EPROTONOSUPPORT, said, place)
    if status is None:
        return Faint(errno.EIO, said, place)
    code = int(status[1])
    refused = code == 507 or "quota" in text.lower() or (code < 500 and code not in _PASSING)
    return (Refused if refused else Faint)(errno.EIO, said, place)


def _words(text: str) -> str:
    """What a store said, in a line: its status and code; addresses are left out, they may carry signatures."""
    line = text.partition("\n")[0]
    status = re.search(r"status code: (\d{3}[ A-Za-z]*)", line)
    code = _CODE.search(text)
    if status is not None:
        return f"HTTP {status[1].strip()}{f' ({code[1]})' if code else ''}"
    return re.sub(r"\S+://\S+", "...", line.rpartition(" - ")[2])[:200]
