"""What a folder and a bucket have in common as a place for videos."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

import anyio.to_thread

from batchveo.core.models import Job
from batchveo.core.outcomes import Downloaded, DownloadError, Scope

if TYPE_CHECKING:
    from hashlib import _Hash

T = TypeVar("T")


class DownloadFailed(Exception):
    """A download brought no whole video; ``trouble`` is its outcome."""

    def __init__(self, trouble: DownloadError) -> None:
        self.trouble = trouble
        super().__init__(trouble.reason)


class VideoWriter(Protocol):
    """Writes one video; use as an async context manager. ``size`` counts all bytes so far.

    Nothing is visible under the video's name before ``finish_video``, and only a whole video ever is.
    """

    @property
    def size(self) -> int:
        """Bytes written, those of an earlier try included."""

    async def __aenter__(self) -> Self:
        """Begin."""

    async def __aexit__(self, *exc: object) -> None:
        """Release what is not finished."""

    async def write(self, piece: bytes) -> None:
        """Write the next piece; raises ``OSError``, or ``NotAnMp4`` as soon as the video cannot be one."""

    async def keep_part(self) -> None:
        """Keep what was written for a later try, if the storage can."""

    async def discard_part(self) -> None:
        """Delete what was written."""

    async def finish_video(self) -> Downloaded:
        """Verify the video and make it visible; raises ``NotAnMp4``, ``OSError``, ``DownloadFailed``."""


class VideoTarget(Protocol):
    """The name that the video of one job gets in a storage."""

    async def find_video(self) -> Downloaded | None:
        """The video, if an earlier run left it whole."""

    async def has_part(self, size: int, digest: _Hash) -> bool:
        """Whether the first ``size`` bytes of an earlier try, hashed by ``digest``, are still there."""

    def open_writer(self, size: int, digest: _Hash) -> VideoWriter:
        """Write the video after its first ``size`` bytes, which ``digest`` has hashed."""


class Storage(Protocol):
    """A destination that videos are written to."""

    async def choose_target(self, job: Job) -> VideoTarget:
        """Choose a name that is free or this job's own; raises ``OSError``."""

    def scope_of(self, error: OSError, job: Job) -> Scope:
        """Whether ``error``, met with the video of ``job``, would meet the next video too."""

    def use_plain_name(self, job: Job) -> bool:
        """From now on give the video of ``job`` a name that any storage accepts; false if it has that already."""


class InputBucket(Protocol):
    """A prefix of a bucket from which a service fetches inputs. All methods raise ``OSError``."""

    async def find_head(self, key: str) -> object | None:
        """Something about an object; ``None`` if there is none."""

    async def put(self, key: str, content: bytes, media_type: str) -> None:
        """Put an object, in place of what may be there."""

    async def sign_url(self, key: str, seconds: float) -> str:
        """An address at which anybody can read the object, for so many seconds."""

    async def delete(self, key: str) -> None:
        """Delete an object; it need not exist."""


class Disk(Protocol):
    """Runs work that waits for the disk."""

    async def __call__(self, work: Callable[[], T], /) -> T:
        """What ``work`` returns or raises."""


async def in_thread(work: Callable[[], T]) -> T:
    """In a thread: it uses another core, and several syncs at once cost the disk little more than one."""
    return await anyio.to_thread.run_sync(work)


async def at_once(work: Callable[[], T]) -> T:
    """Inline, for virtual time, which would advance while a thread works."""
    return work()
