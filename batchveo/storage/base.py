"""Where the downloader puts videos: what a folder and a bucket have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

from batchveo.core.models import Job
from batchveo.core.outcomes import Downloaded, DownloadError, Scope

if TYPE_CHECKING:
    from hashlib import _Hash


class DownloadFailed(Exception):
    """One try brought no whole video; ``trouble`` says what to do about it."""

    def __init__(self, trouble: DownloadError) -> None:
        self.trouble = trouble
        super().__init__(trouble.reason)


class Taking(Protocol):
    """A video on its way to its place; use as an async context manager. ``size`` counts all bytes so far.

    Nothing stands under the video's name before ``finish``, and nothing that is not whole ever does.
    """

    @property
    def size(self) -> int:
        """Bytes that were taken, those of an earlier try included."""

    async def __aenter__(self) -> Self:
        """Begin."""

    async def __aexit__(self, *exc: object) -> None:
        """Let go of what is not finished."""

    async def add(self, piece: bytes) -> None:
        """Take the next piece; ``OSError`` where the place refuses it, ``NotAnMp4`` where it is none."""

    async def keep(self) -> None:
        """Keep what came for a later try, where the place can."""

    async def discard(self) -> None:
        """Keep nothing of what came."""

    async def finish(self) -> Downloaded:
        """Make it the video, verified; raises ``NotAnMp4``, ``OSError``, ``DownloadFailed``."""


class Spot(Protocol):
    """The place of one job's video."""

    async def found(self) -> Downloaded | None:
        """The video, where an earlier run left it whole."""

    async def holds(self, size: int, digest: _Hash) -> bool:
        """Whether the first ``size`` bytes of an earlier try, as ``digest`` has seen them, are still there."""

    def taking(self, size: int, digest: _Hash) -> Taking:
        """Take the video, behind its first ``size`` bytes, which ``digest`` has seen."""


class Shelf(Protocol):
    """A place for videos."""

    async def plan(self, job: Job) -> Spot:
        """Choose the spot of a job; what is another's is left alone. Raises ``OSError``."""

    def scope_of(self, error: OSError, job: Job) -> Scope:
        """Whether ``error``, met with the video of ``job``, would meet the next video too."""

    def use_plain_name(self, job: Job) -> bool:
        """From now on give the video of ``job`` a name that any place takes; false if there is no other to try."""
