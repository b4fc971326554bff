"""A finished video where it was put, to be read: a file, or an object in a bucket."""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchveo.core.destination import BucketUrl, Destination, parse_destination
from batchveo.core.models import Job
from batchveo.storage.local_files import LARGEST_SIDECAR, SUFFIX, measure
from batchveo.storage.mp4 import NotAnMp4, PassingMp4, check_mp4
from batchveo.storage.objects import Head, objects

MOST_AT_HAND = 256 * 1024**2
"""Bytes of a video that is copied to be looked into."""


@dataclass(frozen=True, slots=True)
class BucketVideo:
    """A video in a bucket; ``str()`` is its URL. Its methods block; ``OSError`` where it cannot be read."""

    folder: BucketUrl
    name: str

    def __str__(self) -> str:
        return f"{self.folder}/{self.name}"

    def head(self) -> Head:
        """Length and version; raises ``FileNotFoundError``."""
        return objects(self.folder).head_now(self.name)

    def pieces(self, head: Head, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from ``start`` up to ``end``, of the version that ``head`` told of."""
        return objects(self.folder).pieces_now(self.name, head, start, end)

    def sidecar(self) -> bytes | None:
        """What stands beside it, ``None`` where there is nothing, or too much."""
        beside = BucketVideo(self.folder, f"{self.name.removesuffix(SUFFIX)}.json")
        try:
            head = beside.head()
        except FileNotFoundError:
            return None
        return b"".join(beside.pieces(head)) if head.size <= LARGEST_SIDECAR else None


StoredVideo = Path | BucketVideo


def kept(place: Destination, name: str) -> StoredVideo:
    """The video of that name in a folder or a bucket."""
    return BucketVideo(place, name) if isinstance(place, BucketUrl) else place / name


def examine(video: StoredVideo, size: int | None, sha256: str | None) -> str | None:
    """What is wrong with a video of which ``size`` and ``sha256`` were recorded; ``None`` where nothing is."""
    try:
        found, flaw = _found(video)
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if found[0] != size:
        return f"{found[0]} bytes, recorded were {size}"
    if found[1] != sha256:
        return "its content has changed since it was recorded"
    return flaw


def size_of(video: StoredVideo) -> int:
    """Its length in bytes; ``OSError`` where it cannot be looked at."""
    return video.stat().st_size if isinstance(video, Path) else video.head().size


@contextmanager
def at_hand(video: StoredVideo) -> Iterator[Path]:
    """The video as a file: itself, or a temporary copy for as long as it takes. Raises ``OSError``."""
    if isinstance(video, Path):
        yield video
        return
    head = video.head()
    if head.size > MOST_AT_HAND:
        raise OSError(errno.EFBIG, "too large to be looked into", str(video))
    with tempfile.TemporaryDirectory(prefix="batchveo-") as aside:
        copy = Path(aside) / "video.mp4"
        fetch(video, head, copy)
        yield copy


def fetch(video: BucketVideo, head: Head, path: Path) -> None:
    """Copy an object to a new file, piece by piece."""
    with path.open("xb") as out:
        for piece in video.pieces(head):
            out.write(piece)


def _found(video: StoredVideo) -> tuple[tuple[int, str], str | None]:
    """Size and SHA-256, and what is wrong with the container."""
    if isinstance(video, Path):
        found = measure(video)
        return found, _flaw(video)
    digest = hashlib.sha256()
    passing: PassingMp4 | None = PassingMp4()
    flaw: str | None = None
    head = video.head()
    for piece in video.pieces(head):
        digest.update(piece)
        try:
            if passing is not None:
                passing.add(piece)
        except NotAnMp4 as error:
            passing, flaw = None, str(error)
    try:
        if passing is not None:
            passing.end()
    except NotAnMp4 as error:
        flaw = str(error)
    return (head.size, digest.hexdigest()), flaw


def _flaw(path: Path) -> str | None:
    try:
        check_mp4(path)
    except NotAnMp4 as error:
        return str(error)
    return None


def video_at(job: Job, place: Destination | None = None) -> StoredVideo:
    """Where the video of a succeeded job is; raises ``UsageError`` where the state names no such place."""
    return kept(parse_destination(job.folder or "") if place is None else place, job.file or "")
