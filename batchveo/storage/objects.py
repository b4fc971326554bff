"""The objects under a prefix of a bucket: the only module that talks to object stores (obstore, extra ``cloud``).

Every error of obstore becomes an ``OSError`` (see ``object_errors``), after obstore's own retries.

Threads wait for the store, not obstore's own futures: those call back into Python from threads that nobody joins,
and a process that ends at that moment is aborted (seen in one exit of three, Python 3.11, obstore 0.12).
"""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import anyio.to_thread

from batchveo.core.destination import BucketUrl, require_cloud
from batchveo.core.errors import UsageError
from batchveo.storage.object_errors import (
    FAMILIES,
    NO_BUCKET,
    StoreRefused,
    StoreUnavailable,
    summarize_answer,
    translate_errors,
)

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta, UpdateVersion, WritableFile
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

T = TypeVar("T")

PART_BYTES = 8 * 1024 * 1024
"""A shorter object is put in one request, a longer one in parts of this size."""
PARTS_AT_ONCE = 2
READ_BYTES = 4 * 1024 * 1024
"""Most bytes that one request reads: bounds its time and its memory."""
LARGEST_SMALL = 64 * 1024 * 1024
"""Most bytes of an object that is read whole; batchveo writes no larger sidecar."""
RETRIES = 6
RETRY_SECONDS = 60.0
REQUEST_SECONDS = 120.0
"""Enough for one part on a slow line."""
LONGEST_SIGNED_SECONDS = 7 * 86_400.0
"""S3 and Google sign an address for a week at most."""
_ENDPOINTS = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
    "gs": ("GOOGLE_BASE_URL",),
    "az": ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
}
"""The variables that name another store than the provider's own; the first that is set wins."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Head:
    """Length of an object in bytes, and its version."""

    size: int
    version: UpdateVersion


@dataclass(frozen=True, slots=True)
class SmallObject:
    """A small object, whole."""

    content: bytes
    version: UpdateVersion


class Objects:
    """The objects whose keys begin with the prefix of ``url``; keys here are what comes after it."""

    def __init__(self, url: BucketUrl, store: ObjectStore | None = None) -> None:
        self.url = url
        self._store = store or _open_bucket(url)

    async def read_small(self, key: str) -> SmallObject | None:
        """The object, ``None`` if there is none; raises ``StoreRefused`` if it is too large."""
        try:
            return await _run_in_thread(partial(self._read_small, key))
        except FileNotFoundError:
            return None

    async def create(self, key: str, content: bytes) -> bool:
        """Put a new object; false if one of that name exists, which is left alone."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with translate_errors(self._locate(key)):
            try:
                await _run_in_thread(partial(obstore.put, self._store, key, content, mode="create"))
            except AlreadyExistsError:
                return False
        return True

    async def replace(self, key: str, content: bytes, version: UpdateVersion) -> bool:
        """Put an object in place of that ``version``; false if another version is there by now."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with translate_errors(self._locate(key)):
            try:
                await _run_in_thread(partial(obstore.put, self._store, key, content, mode=version))
            except (AlreadyExistsError, PreconditionError, FileNotFoundError) as error:
                if NO_BUCKET.search(str(error)):
                    raise
                return False
        return True

    async def put(self, key: str, content: bytes, media_type: str) -> None:
        """Put an object, in place of what may be there."""
        import obstore

        attributes = {"Content-Type": media_type}
        with translate_errors(self._locate(key)):
            await _run_in_thread(partial(obstore.put, self._store, key, content, attributes=attributes))

    async def sign_url(self, key: str, seconds: float) -> str:
        """An address at which anybody can read the object, for so many seconds; nothing is asked of the store.

        It is a secret: whoever has it needs no credentials. Raises ``StoreRefused`` if the credentials cannot sign.
        """
        import obstore

        expires_in = timedelta(seconds=min(seconds, LONGEST_SIGNED_SECONDS))
        with translate_errors(self._locate(key)):
            try:
                # Google's and Azure's may ask for a key first
                return await _run_in_thread(partial(obstore.sign, self._store, "GET", key, expires_in))
            except (TypeError, ValueError) as error:
                said = summarize_answer(str(error))
                raise StoreRefused(errno.EACCES, f"no address can be signed: {said}", self._locate(key)) from None

    async def find_head(self, key: str) -> Head | None:
        """Length and version of an object, ``None`` if there is none."""
        try:
            return await _run_in_thread(partial(self.read_head, key))
        except FileNotFoundError:
            return None

    async def read_pieces(self, key: str, head: Head) -> AsyncIterator[bytes]:
        """The object from its start, piece by piece; raises ``StoreUnavailable`` if it is replaced meanwhile."""
        for start in range(0, head.size, READ_BYTES):
            yield await _run_in_thread(partial(self._read_piece, key, head, start, min(start + READ_BYTES, head.size)))

    def open_upload(self, key: str) -> Upload:
        """Begin an upload; nothing is sent yet."""
        import obstore

        writer = obstore.open_writer(
            self._store,
            key,
            attributes={"Content-Type": "video/mp4"},
            buffer_size=PART_BYTES,
            max_concurrency=PARTS_AT_ONCE,
        )
        return Upload(writer, self._locate(key))

    async def list_names(self, *, most: int) -> list[str]:
        """The keys under the prefix, at most ``most`` of them."""
        return await _run_in_thread(partial(self._list_names, most))

    async def delete(self, key: str) -> None:
        """Delete an object; it need not exist."""
        import obstore

        with suppress(FileNotFoundError), translate_errors(self._locate(key)):
            await _run_in_thread(partial(obstore.delete, self._store, key))

    def read_head(self, key: str) -> Head:
        """``find_head`` for callers that may block; raises ``FileNotFoundError``."""
        import obstore

        with translate_errors(self._locate(key)):
            meta = obstore.head(self._store, key)
        return Head(meta["size"], _version_of(meta))

    def iter_pieces(self, key: str, head: Head, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """``read_pieces`` for callers that may block: the bytes from ``start`` up to ``end``."""
        stop = head.size if end is None else min(end, head.size)
        for first in range(start, stop, READ_BYTES):
            yield self._read_piece(key, head, first, min(first + READ_BYTES, stop))

    def _list_names(self, most: int) -> list[str]:
        import obstore

        names: list[str] = []
        with translate_errors(str(self.url)):
            for page in obstore.list(self._store):
                names += [meta["path"] for meta in page]
                if len(names) >= most:
                    break
        return names[:most]

    def _read_small(self, key: str) -> SmallObject:
        import obstore

        with translate_errors(self._locate(key)):
            answer = obstore.get(self._store, key)
            if answer.meta["size"] > LARGEST_SMALL:
                raise StoreRefused(errno.EFBIG, "too large to be a sidecar", self._locate(key))
            return SmallObject(bytes(answer.bytes()), _version_of(answer.meta))

    def _read_piece(self, key: str, head: Head, start: int, end: int) -> bytes:
        import obstore

        options: GetOptions = {"range": (start, end)}
        if "e_tag" in head.version:  # half of an old and half of a new object would be neither
            options["if_match"] = head.version["e_tag"]
        with translate_errors(self._locate(key)):
            return bytes(obstore.get(self._store, key, options=options).bytes())

    def _locate(self, key: str) -> str:
        return f"{self.url}/{key}"


class Upload:
    """An object on its way into a bucket: nothing is visible under its name before ``complete``."""

    def __init__(self, writer: WritableFile, place: str) -> None:
        self._writer: WritableFile | None = writer
        self._place = place

    async def write(self, piece: bytes) -> None:
        """Send the next piece, or keep it until a part is full."""
        assert self._writer is not None  # noqa: S101 - nothing is written behind the end
        with translate_errors(self._place), self._report_abort():
            await _run_in_thread(partial(self._writer.write, piece))

    async def complete(self) -> None:
        """Make the object visible under its name, in place of what may be there."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with translate_errors(self._place), self._report_abort():
                await _run_in_thread(writer.close)

    async def abort(self) -> None:
        """Delete the parts that were sent, if the store can be reached."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with suppress(Exception):  # a lifecycle rule of the bucket deletes what is left
                await _run_in_thread(partial(writer.__exit__, ValueError, ValueError("given up"), None))

    @contextmanager
    def _report_abort(self) -> Iterator[None]:
        """Report that somebody else aborted the upload as a passing fault: the next try starts a new one."""
        try:
            yield
        except FileNotFoundError as error:
            if NO_BUCKET.search(str(error)):
                raise
            raise StoreUnavailable(errno.EIO, "the upload was given up meanwhile", self._place) from None


@lru_cache(maxsize=8)
def open_objects(url: BucketUrl) -> Objects:
    """The objects under ``url``; the same connections at each call.

    Raises ``UsageError`` if the extra is missing or the environment is incomplete.
    """
    return Objects(url)


def _open_bucket(url: BucketUrl) -> ObjectStore:
    """The store that the environment names; raises ``UsageError``."""
    require_cloud()
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store

    retry: RetryConfig = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)}
    client: ClientConfig = {"timeout": timedelta(seconds=REQUEST_SECONDS)}
    if _may_use_http(url.scheme):
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
        raise UsageError(f"{url} cannot be used: {summarize_answer(str(error))}{hint}") from None


def _may_use_http(scheme: str) -> bool:
    """Whether the environment names a store on this machine, or allows any store without TLS."""
    if os.environ.get(f"{FAMILIES[scheme]}_ALLOW_HTTP", "").lower() in ("1", "true"):
        return True
    endpoint = next(filter(None, map(os.environ.get, _ENDPOINTS[scheme])), "")
    return urlsplit(endpoint).hostname in _LOOPBACK


async def _run_in_thread(work: Callable[[], T]) -> T:
    """What ``work`` returns or raises. A cancellation leaves the thread, which ends with its request."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)


def _version_of(meta: ObjectMeta) -> UpdateVersion:
    version: UpdateVersion = {}
    if meta["e_tag"] is not None:
        version["e_tag"] = meta["e_tag"]
    if meta["version"] is not None:
        version["version"] = meta["version"]
    return version
