"""A bucket in memory, on virtual time: what is in it, what was asked of it, and how it fails."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from random import Random

import anyio

from batchveo.core.destination import BucketUrl
from batchveo.storage.object_errors import StoreUnavailable

URL = BucketUrl("s3://bucket/inputs")


@dataclass
class FakeBucket:
    """Signs addresses like S3's; each call takes ``seconds``.

    ``broken``: what every call but signing raises; ``chance``: how often one raises that the store is busy.
    """

    seconds: float = 0.2
    broken: OSError | None = None
    chance: float = 0.0
    random: Random = field(default_factory=lambda: Random(0))
    unremovable: OSError | None = None
    objects: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    puts: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)
    opened: set[str] = field(default_factory=set)

    def open(self, url: BucketUrl) -> FakeBucket:
        """What stands for ``open_objects``."""
        self.opened.add(url)
        return self

    async def find_head(self, key: str) -> object | None:
        await self._answer()
        return self.objects.get(key)

    async def put(self, key: str, content: bytes, media_type: str) -> None:
        await self._answer()
        self.objects[key] = (content, media_type)
        self.puts.append(key)

    async def sign_url(self, key: str, seconds: float) -> str:
        url = f"https://bucket.s3.amazonaws.com/inputs/{key}?X-Amz-Expires={seconds:.0f}&X-Amz-Signature=secret"
        self.signed.append(url)
        return url

    async def delete(self, key: str) -> None:
        await self._answer()
        if self.unremovable is not None:
            raise self.unremovable
        self.objects.pop(key, None)
        self.deleted.append(key)

    async def _answer(self) -> None:
        await anyio.sleep(self.seconds)
        if self.broken is not None:
            raise self.broken
        if self.random.random() < self.chance:
            raise StoreUnavailable(errno.EIO, "busy")
