"""The input files that a worker has at hand, so that one that many jobs use travels once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

ROOM_BYTES = 64 * 1024 * 1024
"""Of files that are kept; the one that was used last is kept whatever its size."""

File = tuple[str, bytes]
"""Media type and content."""


class FileCache:
    """Files by their SHA-256. What is not at hand is asked of ``fetch``, one at a time; the last used are kept."""

    def __init__(self, fetch: Callable[[str], Awaitable[File]], *, room: int = ROOM_BYTES) -> None:
        self._fetch = fetch
        self._room = room
        self._files: dict[str, File] = {}
        """The one that was used last comes last."""
        self._turn = anyio.Lock()

    async def __call__(self, sha256: str) -> File:
        """The file, fetched once for all who need it at the same time."""
        async with self._turn:
            file = self._files.pop(sha256, None) or await self._fetch(sha256)
            self._files[sha256] = file
            self._make_room()
        return file

    def _make_room(self) -> None:
        size = sum(len(content) for _, content in self._files.values())
        while size > self._room and len(self._files) > 1:
            oldest = next(iter(self._files))
            size -= len(self._files.pop(oldest)[1])
