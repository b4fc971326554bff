"""A video on its way to the disk: written and hashed in blocks, where waiting for the disk holds nobody up."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self, TypeVar

import anyio.to_thread

from batchveo.storage.local_files import VideoFile
from batchveo.storage.mp4 import PassingMp4

if TYPE_CHECKING:
    from hashlib import _Hash

T = TypeVar("T")

BLOCK_BYTES = 2 * 1024 * 1024


class Disk(Protocol):
    """Where work that waits for the disk is done."""

    async def __call__(self, work: Callable[[], T], /) -> T:
        """What ``work`` returns or raises."""


async def in_thread(work: Callable[[], T]) -> T:
    """In a thread: another core's time, and syncs that several wait for cost the disk little more than one."""
    return await anyio.to_thread.run_sync(work)


async def at_once(work: Callable[[], T]) -> T:
    """Here and now, for virtual time: that would run on while a thread works."""
    return work()


class Blocks:
    """Gathers a body for ``part`` and ``digest``, behind the first ``size`` bytes of both.

    The part is opened with the first block that is written: a small video is opened, written, hashed and finished
    in one go, and its thread is woken once. Use as a context manager; ``size`` counts what is gathered too. With
    ``passing`` a body that is no MP4 is noticed in its first block.
    """

    def __init__(self, part: Path, digest: _Hash, *, size: int, disk: Disk, passing: PassingMp4 | None = None) -> None:
        self.size = size
        self._passing = passing
        self._part = part
        self._kept = size
        self._digest = digest
        self._disk = disk
        self._out: BinaryIO | None = None
        self._pieces: list[bytes] = []
        self._gathered = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._out is not None:
            self._out.close()

    async def add(self, piece: bytes) -> None:
        """Take the next piece; raises ``OSError`` where the disk refuses it."""
        self._pieces.append(piece)
        self._gathered += len(piece)
        self.size += len(piece)
        if self._gathered >= BLOCK_BYTES:
            await self._disk(self.write)

    def write(self) -> None:
        """Write what is gathered; waits for the disk. Raises ``NotAnMp4`` as soon as that is clear."""
        if self._out is None:
            self._out = VideoFile.open_part(self._part, keep=self._kept)
        for piece in self._pieces:
            self._out.write(piece)
            self._digest.update(piece)
            if self._passing is not None:
                self._passing.add(piece)
        self._pieces.clear()
        self._gathered = 0
        self._out.flush()

    def owns(self, part: Path) -> bool:
        """Whether ``part`` is still the file that was written to, and not what another process put there."""
        try:
            return self._out is not None and os.path.samestat(os.fstat(self._out.fileno()), part.lstat())
        except FileNotFoundError:
            return False

    def hexdigest(self) -> str:
        """The hash of what was written."""
        return self._digest.hexdigest()
