"""A folder as a place for videos: a part beside its name, then fsync and a rename."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Self

from batchveo.core.destination import BESIDE, Sidecars
from batchveo.core.models import Job
from batchveo.core.outcomes import Downloaded, DownloadError, Scope
from batchveo.storage.base import DownloadFailed
from batchveo.storage.block_writer import Blocks, Disk
from batchveo.storage.disk_errors import NAME_ERRORS, scope_of
from batchveo.storage.local_files import SUFFIX, VideoFile, is_ours, longest_name, measure, no_name_left, stems_of
from batchveo.storage.mount_guard import FolderGone, MountGuard
from batchveo.storage.mp4 import PassingMp4, check_mp4

if TYPE_CHECKING:
    from hashlib import _Hash


@dataclass(frozen=True, slots=True)
class FolderShelf:
    """Puts videos into ``folder``; ``writer`` and ``sidecars``: see ``VideoFile.plan``."""

    folder: Path
    disk: Disk
    writer: str = ""
    sidecars: Sidecars = BESIDE
    _plain: set[int] = field(default_factory=set, init=False)
    """Numbers of the jobs whose own names the file system refuses."""
    _guard: MountGuard = field(default_factory=MountGuard, init=False)

    async def plan(self, job: Job) -> FolderSpot:
        """Choose the file. Raises ``FolderGone`` if the folder cannot be used, else ``OSError``."""
        self._guard.check(self.folder)
        file = next(self.places(job), None)
        if file is None:
            raise no_name_left(self.folder, job)
        return FolderSpot(file, job, self)

    def places(self, job: Job) -> Iterator[VideoFile]:
        """The files that the video of ``job`` may become, the best first."""
        plain = job.seq in self._plain
        return VideoFile.places(self.folder, job, writer=self.writer, sidecars=self.sidecars, plain=plain)

    def scope_of(self, error: OSError, job: Job) -> Scope:
        """By its number, or else by whether another file can be written."""
        if isinstance(error, FolderGone):
            return Scope.DISK
        return scope_of(error, lambda: self._write_another(job))

    def use_plain_name(self, job: Job) -> bool:
        """From now on give the video of ``job`` a name that any file system takes; false if it has that."""
        if job.seq in self._plain:
            return False
        self._plain.add(job.seq)
        return True

    def _write_another(self, job: Job) -> None:
        self._guard.check(self.folder)
        folders = [self.folder, *([self.sidecars.folder] if self.sidecars.folder else [])]
        for folder in folders:
            part = VideoFile.trial(folder, job)
            try:
                with VideoFile.open_part(part, keep=0) as out:
                    out.write(b"-")
            finally:
                with suppress(OSError):
                    part.unlink()

    def put(self, path: Path) -> None:
        """Remember that a video was put there."""
        self._guard.put(path)


@dataclass(frozen=True, slots=True)
class FolderSpot:
    """The file of one job's video."""

    file: VideoFile
    job: Job
    shelf: FolderShelf

    @property
    def disk(self) -> Disk:
        """Where work that waits for the disk is done."""
        return self.shelf.disk

    async def found(self) -> Downloaded | None:
        """The video, where a run left it whole just before it died."""
        found = is_ours(self.file.path, self.job, sidecars=self.shelf.sidecars)
        if found is None:
            return None
        with suppress(OSError):
            self.file.part.unlink()  # its second name, if the death came between the two
        return fetched(self.file.path, *found)

    async def holds(self, size: int, digest: _Hash) -> bool:
        """Whether the part is still as it was left."""
        try:
            return await self.disk(lambda: measure(self.file.part)) == (size, digest.hexdigest())
        except FileNotFoundError:
            return False

    def taking(self, size: int, digest: _Hash) -> FolderTaking:
        """Write to the part."""
        # what comes behind an earlier try is checked when it is whole
        passing = None if size else PassingMp4()
        return FolderTaking(self, Blocks(self.file.part, digest, size=size, disk=self.disk, passing=passing))


def fetched(path: Path, size: int, sha256: str, notes: tuple[str, ...] = ()) -> Downloaded:
    """The video as the state records it."""
    return Downloaded(folder=str(path.parent), file=path.name, bytes=size, sha256=sha256, notes=notes)


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

    async def discard(self) -> None:
        """Remove the part, unless another process has put its own there: nothing of it is of use."""
        part = self._spot.file.part
        if self._blocks.owns(part):
            with suppress(OSError):
                part.unlink()

    async def finish(self) -> Downloaded:
        """Write, check, sync, rename: one wait for the disk."""
        done = await self._spot.disk(self._finish)
        self._spot.shelf.put(Path(done.folder) / done.file)
        return done

    def _finish(self) -> Downloaded:
        blocks, spot = self._blocks, self._spot
        blocks.write()
        part = spot.file.part
        # a worker that was taken for dead may have been at it too: the first to finish is the one
        found = is_ours(spot.file.path, spot.job, sidecars=spot.shelf.sidecars)
        if found:
            with suppress(OSError):
                part.unlink()
            return fetched(spot.file.path, *found)
        if not blocks.owns(part):
            raise DownloadFailed(DownloadError(reason="another process fetches this video too"))
        check_mp4(part)
        return self._put(blocks.size, blocks.hexdigest())

    def _put(self, size: int, sha256: str) -> Downloaded:
        """Give the part its name; the next one if the file system refuses it, or somebody has it by now."""
        spot = self._spot
        standing = self._standing(size, sha256)
        if standing is not None:
            with suppress(OSError):
                spot.file.part.unlink()
            return fetched(standing, size, sha256)
        tried: set[Path] = set()
        for file in chain([spot.file], spot.shelf.places(spot.job)):
            if file.path in tried:
                continue
            tried.add(file.path)
            try:
                notes = replace(file, part=spot.file.part).finish(spot.job, size=size, sha256=sha256)
            except OSError as error:
                if not isinstance(error, FileExistsError) and error.errno not in NAME_ERRORS:
                    raise
            else:
                return fetched(file.path, size, sha256, notes)
        raise no_name_left(spot.shelf.folder, spot.job)

    def _standing(self, size: int, sha256: str) -> Path | None:
        """The video, where a run left it whole just before it died and no sidecar tells so."""
        shelf, job = self._spot.shelf, self._spot.job
        if shelf.sidecars.written:
            return None
        for stem in stems_of(job, longest=longest_name(shelf.folder)):
            path = shelf.folder / f"{stem}{SUFFIX}"
            with suppress(OSError):
                if path.stat().st_size == size and measure(path) == (size, sha256) and not path.is_symlink():
                    return path
        return None
