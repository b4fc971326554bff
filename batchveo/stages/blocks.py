"""A video on its way to the disk: written and hashed in blocks, where waiting for the disk holds nobody up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar

import anyio.to_thread

if TYPE_CHECKING:
    from hashlib import _Hash

T = TypeVar("T")

BLOCK_BYTES = 2 * 1024 * 1024
SMALL_BYTES = 64 * 1024
"""What is sooner written than handed to a thread."""


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
    """Gathers a body into blocks for ``out`` and ``digest``; ``size`` counts what is gathered too."""

    def __init__(self, out: BinaryIO, digest: _Hash, *, size: int, disk: Disk) -> None:
        self.size = size
        self._out = out
        self._digest = digest
        self._disk = disk
        self._pieces: list[bytes] = []
        self._gathered = 0

    async def add(self, piece: bytes) -> None:
        """Take the next piece; raises ``OSError`` where the disk refuses it."""
        self._pieces.append(piece)
        self._gathered += len(piece)
        self.size += len(piece)
        if self._gathered >= BLOCK_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Write what is gathered."""
        if self._gathered > SMALL_BYTES:
            await self._disk(self._write)
        else:
            self._write()

    def _write(self) -> None:
        for piece in self._pieces:
            self._out.write(piece)
            self._digest.update(piece)
        self._pieces.clear()
        self._gathered = 0
