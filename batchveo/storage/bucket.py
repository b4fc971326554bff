"""A bucket as a place for videos: a sidecar that claims the name, then the upload made visible.

::

    look       HEAD video, GET sidecar    free, ours, or another's: then the next name
    upload     pieces as they come        nothing is visible; given up where the video is not whole
    claim      PUT sidecar, create only   one writer has the name; what is ours is changed by its version
    complete   the video is visible
    agree      HEAD video, GET sidecar    the length, and that the sidecar is still this video's

A death between any two of these leaves what the next try takes up: a claim without a video is completed, a video
with its claim is recognised. A sidecar of this very generation is ours, whoever wrote it: another worker's too.
"""

from __future__ import annotations

import errno
import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

import anyio

from batchveo.core.models import Job
from batchveo.core.outcomes import Downloaded, DownloadError, Scope
from batchveo.core.shutdown import CLEANUP_SECONDS
from batchveo.storage.base import DownloadFailed
from batchveo.storage.block_writer import Disk
from batchveo.storage.local_files import SUFFIX, is_sidecar_of, read_sidecar, sidecar_text, stems_of
from batchveo.storage.mp4 import PassingMp4
from batchveo.storage.objects import Head, Objects, Refused, Small

if TYPE_CHECKING:
    from hashlib import _Hash

    from obstore import UpdateVersion

BLOCK_BYTES = 1024 * 1024
"""How much is gathered before it is hashed and handed to the upload."""
ROUNDS = 4
"""How often two writers may get into each other's way before this one leaves it to its next try."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a sidecar of ours says of its video, and which version of the sidecar says so."""

    size: object
    sha256: object
    version: UpdateVersion

    @classmethod
    def of(cls, sidecar: Small, job: Job) -> Claim | None:
        """The claim of this job's generation; ``None`` where it is another's, or no sidecar at all."""
        says = read_sidecar(sidecar.content)
        if says is None or not is_sidecar_of(job, says):
            return None
        return cls(says.get("bytes"), says.get("sha256"), sidecar.version)

    def fits(self, size: int, sha256: str) -> bool:
        """Whether it tells of a video of that length and hash."""
        return (self.size, self.sha256) == (size, sha256)


@dataclass(frozen=True, slots=True)
class BucketShelf:
    """Puts videos under the prefix of ``objects``."""

    objects: Objects
    disk: Disk

    async def plan(self, job: Job) -> BucketSpot:
        """Choose the first name that is free or ours."""
        for stem in stems_of(job):
            spot = BucketSpot(self.objects, job, stem, self.disk)
            if await spot.look():
                return spot
        raise Refused(errno.EEXIST, "every name for this video is another's", f"{self.objects.url}/{job.stem}")

    def scope_of(self, error: OSError, job: Job) -> Scope:  # noqa: ARG002 - one shape for folders and buckets
        """All that a store refuses is about the bucket, but for names that others have."""
        return Scope.JOB if error.errno == errno.EEXIST else Scope.DISK

    def use_plain_name(self, job: Job) -> bool:  # noqa: ARG002 - a bucket takes any name
        """There is no other to try."""
        return False


class BucketSpot:
    """The names of one job's video and sidecar. What was seen there last is kept until the next ``look``."""

    def __init__(self, objects: Objects, job: Job, stem: str, disk: Disk) -> None:
        self.objects = objects
        self.disk = disk
        self.video = f"{stem}{SUFFIX}"
        self._job = job
        self._sidecar = f"{stem}.json"
        self._head: Head | None = None
        self._claim: Claim | None = None

    async def look(self) -> bool:
        """Whether the name is free or ours. The video first: whoever sees ours there sees its sidecar too."""
        self._head = await self.objects.head(self.video)
        sidecar = await self.objects.small(self._sidecar)
        self._claim = None if sidecar is None else Claim.of(sidecar, self._job)
        return self._head is None if sidecar is None else self._claim is not None

    async def found(self) -> Downloaded | None:
        """The video, where it stands whole as its sidecar says; it is read for that."""
        claim, head = self._claim, self._head
        if claim is None or head is None or head.size != claim.size:
            return None
        standing = await self._standing(head)
        return self._fetched(*standing) if standing is not None and claim.fits(*standing) else None

    async def holds(self, size: int, digest: _Hash) -> bool:  # noqa: ARG002 - an upload that broke off is begun anew
        """Nothing of an earlier try."""
        return False

    def taking(self, size: int, digest: _Hash) -> BucketTaking:  # noqa: ARG002 - from the start, always
        """Upload the video."""
        return BucketTaking(self, digest)

    async def claim(self, size: int, sha256: str) -> Downloaded | None:
        """Let the sidecar tell of the video that comes; one that stands there whole by now is returned instead."""
        text = self._text(size, sha256)
        for number in range(ROUNDS):
            if self._claim is None:
                if await self.objects.create(self._sidecar, text):
                    return None
            elif self._claim.fits(size, sha256):
                return None
            elif number:  # what was seen before the download is old by now
                if (theirs := await self.found()) is not None:
                    return theirs
                if await self.objects.replace(self._sidecar, text, self._claim.version):
                    return None
            if not await self.look():
                raise DownloadFailed(DownloadError(reason=f"{self._sidecar} became another job's meanwhile"))
        raise self._rivalry()

    async def agree(self, size: int, sha256: str) -> Downloaded:
        """What stands there, once the sidecar says the same: this video, or that of a writer who came later."""
        for _ in range(ROUNDS):
            await self.look()
            if self._claim is None or self._head is None:
                break
            if self._claim.fits(size, sha256):
                return self._whole(size, sha256)
            standing = await self._standing(self._head)
            if standing is not None and self._claim.fits(*standing):
                return self._fetched(*standing)
            text = self._text(size, sha256)
            if standing == (size, sha256) and await self.objects.replace(self._sidecar, text, self._claim.version):
                return self._fetched(size, sha256)
        raise self._rivalry()

    def _whole(self, size: int, sha256: str) -> Downloaded:
        if self._head is None or self._head.size != size:
            held = self._head.size if self._head else 0
            raise DownloadFailed(DownloadError(reason=f"the bucket holds {held} bytes of {size}"))
        return self._fetched(size, sha256)

    async def _standing(self, head: Head) -> tuple[int, str] | None:
        """Length and hash of the object, read anew."""
        digest = hashlib.sha256()
        try:
            async for piece in self.objects.pieces(self.video, head):
                await self.disk(partial(digest.update, piece))
        except FileNotFoundError:
            return None
        return head.size, digest.hexdigest()

    def _text(self, size: int, sha256: str) -> bytes:
        return sidecar_text(self._job, self.video, size, sha256).encode(errors="surrogatepass")

    def _fetched(self, size: int, sha256: str) -> Downloaded:
        return Downloaded(folder=str(self.objects.url), file=self.video, bytes=size, sha256=sha256)

    def _rivalry(self) -> DownloadFailed:
        return DownloadFailed(DownloadError(reason=f"another writer is at work on {self.video}"))


class BucketTaking:
    """A video on its way into a bucket; what is not finished is given up."""

    def __init__(self, spot: BucketSpot, digest: _Hash) -> None:
        self.size = 0
        self._spot = spot
        self._digest = digest
        self._passing = PassingMp4()
        self._pieces: list[bytes] = []
        self._gathered = 0
        self._upload = spot.objects.upload(spot.video)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        with anyio.move_on_after(CLEANUP_SECONDS, shield=True):
            await self._upload.abort()

    async def add(self, piece: bytes) -> None:
        """Take the next piece."""
        self._pieces.append(piece)
        self._gathered += len(piece)
        self.size += len(piece)
        if self._gathered >= BLOCK_BYTES:
            await self._send()

    async def keep(self) -> None:
        """Keep nothing."""

    async def discard(self) -> None:
        """There is nothing: an upload that broke off is begun anew."""

    async def finish(self) -> Downloaded:
        """Send the rest; claim the name, and only then let the video be seen."""
        await self._send()
        self._passing.end()
        size, sha256 = self.size, self._digest.hexdigest()
        theirs = await self._spot.claim(size, sha256)
        if theirs is not None:
            return theirs
        await self._upload.complete()
        return await self._spot.agree(size, sha256)

    async def _send(self) -> None:
        block = b"".join(self._pieces)
        self._pieces.clear()
        self._gathered = 0
        if block:
            await self._spot.disk(partial(self._see, block))
            await self._upload.write(block)

    def _see(self, block: bytes) -> None:
        self._digest.update(block)
        self._passing.add(block)
