"""A finished video in its storage, to be read: a file, or an object in a bucket."""

from __future__ import annotations

import errno
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchveo.core.destination import SIDECAR_SUFFIX, VIDEO_SUFFIX, BucketUrl, Destination, parse_destination
from batchveo.core.errors import find_reason
from batchveo.core.models import Job
from batchveo.storage.file_system import measure_file
from batchveo.storage.mp4 import NotAnMp4, PassingMp4, check_mp4
from batchveo.storage.objects import LARGEST_SMALL, Head, open_objects

LARGEST_COPY = 256 * 1024**2
"""Bytes of a video in a bucket that is copied to a temporary file."""


@dataclass(frozen=True, slots=True)
class BucketVideo:
    """A video in a bucket; ``str()`` is its URL. Its methods block, and raise ``OSError`` if it cannot be read."""

    folder: BucketUrl
    name: str

    def __str__(self) -> str:
        return f"{self.folder}/{self.name}"

    def read_head(self) -> Head:
        """Length and version; raises ``FileNotFoundError``."""
        return open_objects(self.folder).read_head(self.name)

    def iter_pieces(self, head: Head, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The bytes from ``start`` up to ``end``, of the version in ``head``."""
        return open_objects(self.folder).iter_pieces(self.name, head, start, end)

    def read_sidecar(self) -> bytes | None:
        """The object beside it; ``None`` if there is none, or a larger one than a sidecar."""
        sidecar = BucketVideo(self.folder, f"{self.name.removesuffix(VIDEO_SUFFIX)}{SIDECAR_SUFFIX}")
        try:
            head = sidecar.read_head()
        except FileNotFoundError:
            return None
        return b"".join(sidecar.iter_pieces(head)) if head.size <= LARGEST_SMALL else None

    def copy_to(self, path: Path, head: Head) -> None:
        """Copy the video to a new file, piece by piece."""
        with path.open("xb") as out:
            for piece in self.iter_pieces(head):
                out.write(piece)


StoredVideo = Path | BucketVideo


def locate_video(place: Destination, name: str) -> StoredVideo:
    """The video of that name in a folder or a bucket."""
    return BucketVideo(place, name) if isinstance(place, BucketUrl) else place / name


def video_at(job: Job, place: Destination | None = None) -> StoredVideo:
    """The video of a succeeded job; raises ``UsageError`` if the database names no such place."""
    return locate_video(parse_destination(job.folder or "") if place is None else place, job.file or "")


def size_of(video: StoredVideo) -> int:
    """Its length in bytes; raises ``OSError``."""
    return video.stat().st_size if isinstance(video, Path) else video.read_head().size


def find_flaw(video: StoredVideo, size: int | None, sha256: str | None) -> str | None:
    """The difference between a video and its recorded ``size`` and ``sha256``; ``None`` if it is as recorded."""
    try:
        found_size, found_sha256, flaw = _read_whole(video)
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read: {find_reason(error)}"
    if found_size != size:
        return f"{found_size} bytes, recorded were {size}"
    if found_sha256 != sha256:
        return "its content has changed since it was recorded"
    return flaw


@contextmanager
def local_copy(video: StoredVideo) -> Iterator[Path]:
    """The video as a file: itself, or a temporary copy inside the context. Raises ``OSError``."""
    if isinstance(video, Path):
        yield video
        return
    head = video.read_head()
    if head.size > LARGEST_COPY:
        raise OSError(errno.EFBIG, "too large to be looked into", str(video))
    with tempfile.TemporaryDirectory(prefix="batchveo-") as folder:
        copy = Path(folder) / "video.mp4"
        video.copy_to(copy, head)
        yield copy


def _read_whole(video: StoredVideo) -> tuple[int, str, str | None]:
    """Size, SHA-256, and what is wrong with the container."""
    if isinstance(video, Path):
        size, sha256 = measure_file(video)
        try:
            check_mp4(video)
        except NotAnMp4 as error:
            return size, sha256, str(error)
        return size, sha256, None
    digest, flaw = hashlib.sha256(), None
    checker = PassingMp4()
    head = video.read_head()
    pieces = video.iter_pieces(head)
    try:
        for piece in pieces:
            digest.update(piece)
            checker.add_piece(piece)
        checker.check_end()
    except NotAnMp4 as error:
        flaw = str(error)
        for piece in pieces:  # the rest, for the hash
            digest.update(piece)
    return head.size, digest.hexdigest(), flaw
