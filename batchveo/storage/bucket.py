"""A bucket as storage: a sidecar that claims the name, then the upload made visible.

::

    look       HEAD video, GET sidecar    free, ours, or another's: then the next name
    upload     pieces as they come        nothing is visible; aborted if the video is not whole
    claim      PUT sidecar, create only   one writer has the name; a sidecar of ours is replaced by its version
    complete   the video is visible
    confirm    HEAD video, GET sidecar    the length, and that the sidecar is still this video's

After a death between any two steps the next try continues: a claim without a video is completed, a video with its
claim is recognised. A sidecar of this very generation is ours, even if another worker wrote it.
"""

from __future__ import annotations

import errno
import hashlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

import anyio

from batchveo.core.destination import SIDECAR_SUFFIX, VIDEO_SUFFIX
from batchveo.core.models import Job
from batchveo.core.outcomes import Downloaded, DownloadError, Scope
from batchveo.core.shutdown import CLEANUP_SECONDS
from batchveo.storage.base import Disk, DownloadFailed
from batchveo.storage.mp4 import PassingMp4
from batchveo.storage.object_errors import StoreRefused
from batchveo.storage.objects import Head, Objects, SmallObject
from batchveo.storage.sidecar import is_sidecar_of, parse_sidecar, sidecar_text
from batchveo.storage.video_file import stems_of

if TYPE_CHECKING:
    from hashlib import _Hash

    from obstore import UpdateVersion

BLOCK_BYTES = 1024 * 1024
"""Bytes that are gathered before they are hashed and uploaded."""
ROUNDS = 4
"""How often two writers may conflict before this one leaves the video to its next try."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Size and hash in a sidecar of ours, and the version of that sidecar."""

    size: object
    sha256: object
    version: UpdateVersion

    @classmethod
    def parse(cls, sidecar: SmallObject, job: Job) -> Claim | None:
        """The claim of this job's generation; ``None`` if the object is another's sidecar or none."""
        content = parse_sidecar(sidecar.content)
        if content is None or not is_sidecar_of(job, content):
            return None
        return cls(content.get("bytes"), content.get("sha256"), sidecar.version)

    def has_video(self, size: int, sha256: str) -> bool:
        """Whether it is the claim of a video of that length and hash."""
        return (self.size, self.sha256) == (size, sha256)


@dataclass(frozen=True, slots=True)
class BucketStorage:
    """Uploads videos under the prefix of ``objects``."""

    objects: Objects
    disk: Disk

    async def choose_target(self, job: Job) -> BucketTarget:
        """Choose the first name that is free or ours."""
        for stem in stems_of(job):
            target = BucketTarget(self.objects, job, stem, self.disk)
            if await target.look_up():
                return target
        raise StoreRefused(errno.EEXIST, "every name for this video is another's", f"{self.objects.url}/{job.stem}")

    def scope_of(self, error: OSError, job: Job) -> Scope:  # noqa: ARG002 - one shape for folders and buckets
        """Every refusal concerns the bucket, except that all names are taken."""
        return Scope.JOB if error.errno == errno.EEXIST else Scope.DISK

    def use_plain_name(self, job: Job) -> bool:  # noqa: ARG002 - one shape for folders and buckets
        """False: a bucket accepts any name."""
        return False


class BucketTarget:
    """The names of one job's video and sidecar, and what the last ``look_up`` found there."""

    def __init__(self, objects: Objects, job: Job, stem: str, disk: Disk) -> None:
        self.objects = objects
        self.disk = disk
        self.video = f"{stem}{VIDEO_SUFFIX}"
        self._job = job
        self._sidecar = f"{stem}{SIDECAR_SUFFIX}"
        self._head: Head | None = None
        self._claim: Claim | None = None

    async def look_up(self) -> bool:
        """Whether the name is free or ours."""
        # The video first: a writer that sees our video sees its sidecar too, which was there before it.
        self._head = await self.objects.find_head(self.video)
        sidecar = await self.objects.read_small(self._sidecar)
        self._claim = None if sidecar is None else Claim.parse(sidecar, self._job)
        return self._head is None if sidecar is None else self._claim is not None

    async def find_video(self) -> Downloaded | None:
        """The video, if it has the length and hash in its sidecar; it is read for that."""
        claim, head = self._claim, self._head
        if claim is None or head is None or head.size != claim.size:
            return None
        stored = await self._measure_video(head)
        return self._downloaded(*stored) if stored is not None and claim.has_video(*stored) else None

    async def has_part(self, size: int, digest: _Hash) -> bool:  # noqa: ARG002 - one shape for folders and buckets
        """False: a broken upload starts again."""
        return False

    def open_writer(self, size: int, digest: _Hash) -> BucketWriter:  # noqa: ARG002 - always from the start
        """Upload the video."""
        return BucketWriter(self, digest)

    async def claim_name(self, size: int, sha256: str) -> Downloaded | None:
        """Write the sidecar of the coming video; a whole video that is there by now is returned instead."""
        text = self._sidecar_text(size, sha256)
        for number in range(ROUNDS):
            if self._claim is None:
                if await self.objects.create(self._sidecar, text):
                    return None
            elif self._claim.has_video(size, sha256):
                return None
            elif number:  # the first look was before the download, and is old by now
                if (theirs := await self.find_video()) is not None:
                    return theirs
                if await self.objects.replace(self._sidecar, text, self._claim.version):
                    return None
            if not await self.look_up():
                raise DownloadFailed(DownloadError(reason=f"{self._sidecar} became another job's meanwhile"))
        raise self._conflict()

    async def confirm_video(self, size: int, sha256: str) -> Downloaded:
        """The video that is there, once its sidecar agrees: this one, or that of a writer who came later."""
        for _ in range(ROUNDS):
            await self.look_up()
            if self._claim is None or self._head is None:
                break
            if self._claim.has_video(size, sha256):
                return self._check_size(size, sha256)
            stored = await self._measure_video(self._head)
            if stored is not None and self._claim.has_video(*stored):
                return self._downloaded(*stored)
            # Another writer's sidecar came between our claim and our video: the sidecar is written again.
            text = self._sidecar_text(size, sha256)
            if stored == (size, sha256) and await self.objects.replace(self._sidecar, text, self._claim.version):
                return self._downloaded(size, sha256)
        raise self._conflict()

    def _check_size(self, size: int, sha256: str) -> Downloaded:
        if self._head is None or self._head.size != size:
            held = self._head.size if self._head else 0
            raise DownloadFailed(DownloadError(reason=f"the bucket holds {held} bytes of {size}"))
        return self._downloaded(size, sha256)

    async def _measure_video(self, head: Head) -> tuple[int, str] | None:
        """Length and hash of the object, which is read whole; ``None`` if it is gone."""
        digest = hashlib.sha256()
        try:
            async for piece in self.objects.read_pieces(self.video, head):
                await self.disk(partial(digest.update, piece))
        except FileNotFoundError:
            return None
        return head.size, digest.hexdigest()

    def _sidecar_text(self, size: int, sha256: str) -> bytes:
        return sidecar_text(self._job, self.video, size, sha256).encode(errors="surrogatepass")

    def _downloaded(self, size: int, sha256: str) -> Downloaded:
        return Downloaded(folder=str(self.objects.url), file=self.video, bytes=size, sha256=sha256)

    def _conflict(self) -> DownloadFailed:
        return DownloadFailed(DownloadError(reason=f"another writer is at work on {self.video}"))


class BucketWriter:
    """Uploads one video; an upload that is not finished is aborted."""

    def __init__(self, target: BucketTarget, digest: _Hash) -> None:
        self.size = 0
        self._target = target
        self._digest = digest
        self._checker = PassingMp4()
        self._pieces: list[bytes] = []
        self._gathered = 0
        self._upload = target.objects.open_upload(target.video)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        with anyio.move_on_after(CLEANUP_SECONDS, shield=True):
            await self._upload.abort()

    async def write(self, piece: bytes) -> None:
        """Take the next piece; a full block is uploaded."""
        self._pieces.append(piece)
        self._gathered += len(piece)
        self.size += len(piece)
        if self._gathered >= BLOCK_BYTES:
            await self._send_block()

    async def keep_part(self) -> None:
        """Nothing to keep: a broken upload starts again."""

    async def discard_part(self) -> None:
        """Nothing to delete: the upload is aborted at the end of the context."""

    async def finish_video(self) -> Downloaded:
        """Send the rest, claim the name, and only then make the video visible."""
        await self._send_block()
        self._checker.check_end()
        size, sha256 = self.size, self._digest.hexdigest()
        theirs = await self._target.claim_name(size, sha256)
        if theirs is not None:
            return theirs
        await self._upload.complete()
        return await self._target.confirm_video(size, sha256)

    async def _send_block(self) -> None:
        block = b"".join(self._pieces)
        self._pieces.clear()
        self._gathered = 0
        if block:
            await self._target.disk(partial(self._hash_block, block))
            await self._upload.write(block)

    def _hash_block(self, block: bytes) -> None:
        self._digest.update(block)
        self._checker.add_piece(block)
