"""A folder as storage: a part beside the final name, then fsync and a rename that replaces nothing."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field, replace
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Self

from batchveo.core.destination import BESIDE, VIDEO_SUFFIX, Sidecars
from batchveo.core.models import Job
from batchveo.core.outcomes import Downloaded, DownloadError, Scope
from batchveo.storage.base import Disk, DownloadFailed
from batchveo.storage.file_system import (
    NAME_ERRORS,
    has_subfolders,
    longest_name,
    measure_file,
    nearest_folder,
    scope_of,
    sync_open_file,
)
from batchveo.storage.mp4 import PassingMp4, check_mp4
from batchveo.storage.video_file import VideoFile, find_own_video, no_name_left, stems_of, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from hashlib import _Hash

ANOTHER_DRIVE = "it is on another drive than before; is its own mounted?"
BLOCK_BYTES = 2 * 1024 * 1024
"""Bytes that are gathered before a thread writes and hashes them."""


class FolderGone(OSError):
    """The output folder cannot be made, or its drive is gone: no other video would fare better."""


class MountGuard:
    """Notices that the output folder is on another device: an unmounted drive leaves an empty folder, or none."""

    def __init__(self) -> None:
        self._device: int | None = None
        self._last: Path | None = None

    def make_folder(self, folder: Path) -> None:
        """Make ``folder`` if it is absent, unless its drive is gone; raises ``FolderGone``.

        A network folder may come back under another device number: the newest video shows that it is the same.
        """
        try:
            if self._is_there(folder):
                return
            known = self._device in (None, nearest_folder(folder).stat().st_dev) or self._has_newest()
            if known:
                folder.mkdir(parents=True, exist_ok=True)
                self._device = folder.stat().st_dev
        except OSError as error:
            raise FolderGone(error.errno, error.strerror, str(folder)) from None
        if not known:
            raise FolderGone(errno.ENODEV, ANOTHER_DRIVE, str(folder))

    def _is_there(self, folder: Path) -> bool:
        """Whether ``folder`` is as it was: one call, since it nearly always is."""
        try:
            status = folder.stat()
        except FileNotFoundError:
            return False
        return self._device == status.st_dev and stat.S_ISDIR(status.st_mode)

    def remember_newest(self, video: Path) -> None:
        """Remember the video that was written last."""
        self._last = video

    def _has_newest(self) -> bool:
        return self._last is not None and os.path.lexists(self._last)


@dataclass(frozen=True, slots=True)
class FolderStorage:
    """Writes videos to ``folder``; ``writer`` and ``sidecars``: see ``VideoFile``."""

    folder: Path
    disk: Disk
    writer: str = ""
    sidecars: Sidecars = BESIDE
    guard: MountGuard = field(default_factory=MountGuard, init=False)
    synced: set[Path] = field(default_factory=set, init=False)
    """The folders in ``folder``, and in that of the sidecars, that are on the disk."""
    _plain: set[int] = field(default_factory=set, init=False)
    """Numbers of the jobs whose own names the file system refuses."""

    async def choose_target(self, job: Job) -> FolderTarget:
        """Choose the file. Raises ``FolderGone`` if the folder cannot be used, else ``OSError``."""
        self.guard.make_folder(self.folder)
        plain = job.seq in self._plain
        return FolderTarget(
            VideoFile.choose(self.folder, job, writer=self.writer, sidecars=self.sidecars, plain=plain), job, self
        )

    def iter_choices(self, job: Job) -> Iterator[VideoFile]:
        """The files that the video of ``job`` may become, the best first."""
        plain = job.seq in self._plain
        return VideoFile.iter_choices(self.folder, job, writer=self.writer, sidecars=self.sidecars, plain=plain)

    def scope_of(self, error: OSError, job: Job) -> Scope:
        """By the number of the error, or else by whether another file can be written."""
        if isinstance(error, FolderGone):
            return Scope.DISK
        return scope_of(error, lambda: self._write_trial(job))

    def use_plain_name(self, job: Job) -> bool:
        """From now on give the video of ``job`` a name that any file system accepts; false if it has that."""
        if job.seq in self._plain:
            return False
        self._plain.add(job.seq)
        return True

    def _write_trial(self, job: Job) -> None:
        self.guard.make_folder(self.folder)
        for folder in filter(None, (self.folder, self.sidecars.folder)):
            part = VideoFile.trial_part(folder, job)
            try:
                with VideoFile.open_part(part, keep=0) as out:
                    out.write(b"-")
            finally:
                with suppress(OSError):
                    part.unlink()


@dataclass(frozen=True, slots=True)
class FolderTarget:
    """The file of one job's video."""

    file: VideoFile
    job: Job
    storage: FolderStorage

    async def find_video(self) -> Downloaded | None:
        """The video, if a run left it whole just before it died."""
        if not self.file.own:  # its sidecar would have been found
            return None
        found = self.find_own()
        if found is not None:
            with suppress(OSError):
                self.file.part.unlink()  # its second name, if the death came between the two
        return found

    def find_own(self) -> Downloaded | None:
        """The video of this job, whole under its name; blocks."""
        found = find_own_video(self.file, self.job)
        return None if found is None else _downloaded(self.file.folder, self.file.file, *found)

    async def has_part(self, size: int, digest: _Hash) -> bool:
        """Whether the part is still as it was left."""
        try:
            return await self.storage.disk(lambda: measure_file(self.file.part)) == (size, digest.hexdigest())
        except FileNotFoundError:
            return False

    def open_writer(self, size: int, digest: _Hash) -> FolderWriter:
        """Write to the part."""
        return FolderWriter(self, size, digest)


class FolderWriter:
    """Writes the part of one video in blocks, so that waiting for the disk delays nobody else.

    The part is opened with the first block: a small video is opened, written, hashed and finished by one thread at
    one go. What is not finished stays as a part.
    """

    def __init__(self, target: FolderTarget, size: int, digest: _Hash) -> None:
        self.size = size
        self._target = target
        self._part = target.file.part
        self._disk = target.storage.disk
        self._kept = size
        self._digest = digest
        # the rest of an earlier try is checked with the whole file, by check_mp4
        self._checker = None if size else PassingMp4()
        self._out: FileIO | None = None
        self._status: os.stat_result | None = None
        self._pieces: list[bytes] = []
        self._gathered = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._close_part()

    async def write(self, piece: bytes) -> None:
        """Take the next piece; a full block is written. Raises ``OSError`` or ``NotAnMp4``."""
        self._pieces.append(piece)
        self._gathered += len(piece)
        self.size += len(piece)
        if self._gathered >= BLOCK_BYTES:
            await self._disk(self.write_block)

    async def keep_part(self) -> None:
        """Write what is gathered."""
        await self._disk(self.write_block)

    async def discard_part(self) -> None:
        """Remove the part, unless another process has put its own there."""
        if self._owns_part():
            self._remove_part()

    async def finish_video(self) -> Downloaded:
        """Write, check, sync, rename: one wait for the disk."""
        done = await self._disk(self._finish_video)
        self._target.storage.guard.remember_newest(Path(done.folder) / done.file)
        return done

    def write_block(self) -> None:
        """Write and hash what is gathered; blocks. Raises ``NotAnMp4`` as soon as the body cannot be one."""
        out = self._open_part()
        for piece in self._pieces:
            write_whole(out, piece)
            self._digest.update(piece)
            if self._checker is not None:
                self._checker.add_piece(piece)
        self._pieces.clear()
        self._gathered = 0

    def _open_part(self) -> FileIO:
        if self._out is None:
            self._out = VideoFile.open_part(self._part, keep=self._kept)
        return self._out

    def _owns_part(self) -> bool:
        """Whether the part is still the file that was written to, and not one of another process."""
        if self._out is not None and not self._out.closed:
            self._status = os.fstat(self._out.fileno())
        try:
            return self._status is not None and os.path.samestat(self._status, self._part.lstat())
        except FileNotFoundError:
            return False

    def _finish_video(self) -> Downloaded:
        self.write_block()
        # A worker that was given up may have written this video too: the first to finish wins.
        found = self._target.find_own()
        if found is not None:
            return self._drop_part(found)
        if not self._owns_part():
            raise DownloadFailed(DownloadError(reason="another process fetches this video too"))
        self._check_video()
        out = self._open_part()
        note = sync_open_file(out.fileno(), self._part)
        out.close()  # before it gets its name: Windows renames no file that is open
        done = self._publish(self.size, self._digest.hexdigest())
        return replace(done, notes=tuple(dict.fromkeys(filter(None, (note, *done.notes)))))

    def _check_video(self) -> None:
        """Raise ``NotAnMp4`` unless the part is a whole MP4."""
        if self._checker is None:
            check_mp4(self._part)
        else:
            self._checker.check_end()

    def _publish(self, size: int, sha256: str) -> Downloaded:
        """Give the part, which is synced, its name; the next if that is refused, or another file has it by now."""
        target = self._target
        same = self._find_without_sidecar(size, sha256)
        if same is not None:
            return self._drop_part(_downloaded(target.storage.folder, same, size, sha256))
        tried: set[Path] = set()
        for file in chain([target.file], target.storage.iter_choices(target.job)):
            if file.path in tried:
                continue
            tried.add(file.path)
            try:
                notes = file.make_subfolders(target.storage.synced)
                notes += replace(file, part=self._part).publish_part(target.job, size=size, sha256=sha256)
            except OSError as error:
                if not isinstance(error, FileExistsError) and error.errno not in NAME_ERRORS:
                    raise
            else:
                return _downloaded(file.folder, file.file, size, sha256, notes)
        raise no_name_left(target.storage.folder, target.job)

    def _drop_part(self, found: Downloaded) -> Downloaded:
        """The video that is there already; the part has no use."""
        self._remove_part()
        return found

    def _remove_part(self) -> None:
        with suppress(OSError):
            self._close_part()  # Windows removes no file that is open
            self._part.unlink()

    def _close_part(self) -> None:
        if self._out is not None:
            self._out.close()

    def _find_without_sidecar(self, size: int, sha256: str) -> str | None:
        """The video, if no sidecars are written and a run left it whole just before it died."""
        storage, job = self._target.storage, self._target.job
        if storage.sidecars.written:
            return None
        for stem in stems_of(job, longest=longest_name(storage.folder)):
            file = f"{stem}{VIDEO_SUFFIX}"
            path = storage.folder / file
            if not has_subfolders(storage.folder, path.parent):
                continue
            with suppress(OSError):
                if path.stat().st_size == size and measure_file(path) == (size, sha256) and not path.is_symlink():
                    return file
        return None


def _downloaded(folder: Path, file: str, size: int, sha256: str, notes: tuple[str, ...] = ()) -> Downloaded:
    """The video as the database records it."""
    return Downloaded(folder=str(folder), file=file, bytes=size, sha256=sha256, notes=notes)
