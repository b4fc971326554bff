"""An object on its way into a bucket."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio.to_thread

from batchveo.storage.objects.errors import NO_BUCKET, Faint, translated

if TYPE_CHECKING:
    from obstore import WritableFile

T = TypeVar("T")


class Upload:
    """An object on its way: nothing stands under its name before ``complete``."""

    def __init__(self, writer: WritableFile, place: str) -> None:
        self._writer: WritableFile | None = writer
        self._place = place

    async def write(self, piece: bytes) -> None:
        """Send the next piece, or keep it until a part is full."""
        assert self._writer is not None  # noqa: S101 - nothing is written behind the end
        with translated(self._place), self._lost():
            await waited_for(partial(self._writer.write, piece))

    async def complete(self) -> None:
        """Let the object stand under its name, in place of what may be there."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with translated(self._place), self._lost():
                await waited_for(writer.close)

    async def abort(self) -> None:
        """Give it up, parts that were sent included, as far as the store can be reached."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            with suppress(Exception):  # whatever is left of it, a lifecycle rule takes away
                await waited_for(partial(writer.__exit__, ValueError, ValueError("given up"), None))

    @contextmanager
    def _lost(self) -> Iterator[None]:
        """An upload that somebody else gave up is begun anew."""
        try:
            yield
        except FileNotFoundError as error:
            if NO_BUCKET.search(str(error)):
                raise
            raise Faint(errno.EIO, "the upload was given up meanwhile", self._place) from None


async def waited_for(work: Callable[[], T]) -> T:
    """What ``work`` returns or raises. A cancellation leaves its thread behind, which ends with its request."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
