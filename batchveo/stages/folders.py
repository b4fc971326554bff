"""A folder as a place for videos: a part beside its name, then fsync and a rename."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from batchveo.container import check_mp4
from batchveo.files import VideoFile, is_ours, measure
from batchveo.models import Job
from batchveo.outcomes import Fetched, FetchTrouble
from batchveo.stages.blocks import Blocks, Disk
from batchveo.stages.ranges import DownloadFailed

if TYPE_CHECKING:
    from hashlib import _Hash


@dataclass(frozen=True, slots=True)
class FolderShelf:
    """Puts videos into ``folder``; ``writer``: see ``VideoFile.plan``."""

    folder: Path
    disk: Disk
    writer: str = ""

    async def plan(self, job: Job) -> FolderSpot:
        """Choose the file."""
        return FolderSpot(VideoFile.plan(self.folder, job, writer=self.writer), job, self.disk)


@dataclass(frozen=True, slots=True)
class FolderSpot:
    """The file of one job's video."""

    file: VideoFile
    job: Job
    disk: Disk

    async def found(self) -> Fetched | None:
        """The video, where a run left it whole just before it died."""
        found = is_ours(self.file.path, self.job)
        return self.fetched(*found) if found else None

    async def holds(self, size: int, digest: _Hash) -> bool:
        """Whether the part is still as it was left."""
        try:
            return await self.disk(lambda: measure(self.file.part)) == (size, digest.hexdigest())
        except FileNotFoundError:
            return False

    def taking(self, size: int, digest: _Hash) -> FolderTaking:
        """Write to the part."""
        return FolderTaking(self, Blocks(self.file.part, digest, size=size, disk=self.disk))

    def fetched(self, size: int, sha256: str) -> Fetched:
        """The video as the state records it."""
        return Fetched(folder=str(self.file.path.parent), file=self.file.path.name, bytes=size, sha256=sha256)


class FolderTaking:
    """A video on its way into a folder. What is not finished stays as a part."""

    def __init__(self, spot: FolderSpot, blocks: Blocks) -> None:
        self._spot = spot
        self._blocks = blocks

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._blocks.size

    async def __aenter__(self) -> Self:
        self._blocks.__enter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._blocks.__exit__(*exc)

    async def add(self, piece: bytes) -> None:
        """Take the next piece."""
        await self._blocks.add(piece)

    async def keep(self) -> None:
        """Write what is gathered."""
        await self._spot.disk(self._blocks.write)

    async def finish(self) -> Fetched:
        """Write, check, sync, rename: one wait for the disk."""
        return await self._spot.disk(self._finish)

    def _finish(self) -> Fetched:
        blocks, spot = self._blocks, self._spot
        blocks.write()
        part = spot.file.part
        # a worker that was taken for dead may have been at it too: the first to finish is the one
        found = is_ours(spot.file.path, spot.job)
        if found:
            with suppress(OSError):
                part.unlink()
            return spot.fetched(*found)
        if not blocks.owns(part):
            raise DownloadFailed(FetchTrouble(reason="another process fetches this video too"))
        check_mp4(part)
        spot.file.finish(spot.job, size=blocks.size, sha256=blocks.hexdigest())
        return spot.fetched(blocks.size, blocks.hexdigest())
