"""The objects under a prefix of a bucket."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from batchveo.core.destination import BucketUrl
from batchveo.storage.objects.connection import open_bucket
from batchveo.storage.objects.errors import NO_BUCKET, Refused, translated
from batchveo.storage.objects.uploads import Upload, waited_for

if TYPE_CHECKING:
    from obstore import GetOptions, ObjectMeta, UpdateVersion
    from obstore.store import ObjectStore

PART_BYTES = 8 * 1024 * 1024
"""What is shorter is put in one request; what is longer, in parts of this size."""
PARTS_AT_ONCE = 2
READ_BYTES = 4 * 1024 * 1024
"""How much of an object one request asks for: each is bounded in time, none in memory but by this."""
LARGEST_SMALL = 64 * 1024 * 1024
"""Bytes of an object that is read whole; what is larger was not written by us."""


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


class Objects:
    """The objects whose keys begin with the prefix of ``url``; keys here are what comes behind it."""

    def __init__(self, url: BucketUrl, store: ObjectStore | None = None) -> None:
        self.url = url
        self._store = store or open_bucket(url)

    async def small(self, key: str) -> Small | None:
        """The object, ``None`` where there is none; raises ``Refused`` where it is no small one."""
        try:
            return await waited_for(partial(self._small, key))
        except FileNotFoundError:
            return None

    async def create(self, key: str, content: bytes) -> bool:
        """Put a new object; false where one of that name stands there, which is left alone."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with translated(self._place(key)):
            try:
                await waited_for(partial(obstore.put, self._store, key, content, mode="create"))
            except AlreadyExistsError:
                return False
        return True

    async def replace(self, key: str, content: bytes, version: UpdateVersion) -> bool:
        """Put an object in place of that ``version``; false where another stands there by now."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with translated(self._place(key)):
            try:
                await waited_for(partial(obstore.put, self._store, key, content, mode=version))
            except (AlreadyExistsError, PreconditionError, FileNotFoundError) as error:
                if NO_BUCKET.search(str(error)):
                    raise
                return False
        return True

    async def head(self, key: str) -> Head | None:
        """Length and version of an object, ``None`` where there is none."""
        try:
            return await waited_for(partial(self.head_now, key))
        except FileNotFoundError:
            return None

    async def pieces(self, key: str, head: Head) -> AsyncIterator[bytes]:
        """The object from its beginning, piece by piece; ``Faint`` where it is replaced meanwhile."""
        for start in range(0, head.size, READ_BYTES):
            yield await waited_for(partial(self._piece, key, head, start, min(start + READ_BYTES, head.size)))

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

    async def names(self, *, most: int) -> list[str]:
        """The keys of the objects right under the prefix, at most ``most`` of them."""
        return await waited_for(partial(self._names, most))

    async def delete(self, key: str) -> None:
        """Take an object away; it need not be there."""
        import obstore

        with suppress(FileNotFoundError), translated(self._place(key)):
            await waited_for(partial(obstore.delete, self._store, key))

    def head_now(self, key: str) -> Head:
        """``head`` for callers that may block; raises ``FileNotFoundError``."""
        import obstore

        with translated(self._place(key)):
            meta = obstore.head(self._store, key)
        return Head(meta["size"], _version(meta))

    def pieces_now(self, key: str, head: Head, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """``pieces`` for callers that may block: the bytes from ``start`` up to ``end``."""
        stop = head.size if end is None else min(end, head.size)
        for first in range(start, stop, READ_BYTES):
            yield self._piece(key, head, first, min(first + READ_BYTES, stop))

    def _names(self, most: int) -> list[str]:
        import obstore

        names: list[str] = []
        with translated(str(self.url)):
            for page in obstore.list(self._store):
                names += [meta["path"] for meta in page if "/" not in meta["path"]]
                if len(names) >= most:
                    break
        return names[:most]

    def _small(self, key: str) -> Small:
        import obstore

        with translated(self._place(key)):
            answer = obstore.get(self._store, key)
            if answer.meta["size"] > LARGEST_SMALL:
                raise Refused(errno.EFBIG, "too large to be a sidecar", self._place(key))
            return Small(bytes(answer.bytes()), _version(answer.meta))

    def _piece(self, key: str, head: Head, start: int, end: int) -> bytes:
        import obstore

        with translated(self._place(key)):
            return bytes(obstore.get(self._store, key, options=_range(start, end, head)).bytes())

    def _place(self, key: str) -> str:
        return f"{self.url}/{key}"


@lru_cache(maxsize=8)
def objects(url: BucketUrl) -> Objects:
    """The objects under ``url``, with the connections of those who asked before.

    Raises ``UsageError`` where the extra is missing, or the environment does not say what is needed.
    """
    return Objects(url)


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
