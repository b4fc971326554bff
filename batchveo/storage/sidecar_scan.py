"""The sidecars that stand in a destination: what they tell of their videos."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batchveo.core.destination import BESIDE, BucketUrl, Destination, Sidecars
from batchveo.storage.local_files import SUFFIX, read_file, read_sidecar, sidecar_stems
from batchveo.storage.objects import objects
from batchveo.storage.reader import BucketVideo, StoredVideo

MOST_IN_A_BUCKET = 200_000
"""Objects of a bucket whose names are looked at: a thousand come with each request."""
READ_AT_ONCE = 16
"""Sidecars of a bucket that are read at the same time: each is a request or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What the sidecar of ``video`` says. Times are seconds since the epoch; ``None`` where it does not say.

    ``service``: the address that made the video, or ``sandbox``; older sidecars do not tell.
    """

    video: StoredVideo
    job_id: str
    name: str
    request: dict[str, Any]
    index: int
    generation_id: str | None
    client_request_id: str | None
    key: str | None
    service: str | None
    cost_usd: float | None
    submitted_at: float | None
    completed_at: float | None
    bytes: int | None
    sha256: str | None

    @property
    def folder(self) -> str:
        """The folder or prefix that the video is in, as the database records it."""
        return str(self.video.parent) if isinstance(self.video, Path) else str(self.video.folder)

    @property
    def file(self) -> str:
        """The name of the video in it."""
        return self.video.name


async def sidecar_names(place: Destination, sidecars: Sidecars = BESIDE) -> set[str]:
    """The names, without their endings, of what may be sidecars of videos in ``place``.

    Raises ``OSError`` where a bucket cannot be listed, or holds more than is looked at: what is left out would be
    bought again.
    """
    if isinstance(place, BucketUrl):
        names = await objects(place).names(most=MOST_IN_A_BUCKET)
        if len(names) >= MOST_IN_A_BUCKET:
            raise OSError(errno.EFBIG, f"more than {MOST_IN_A_BUCKET:,} objects are there")
        return {name.removesuffix(".json") for name in names if name.endswith(".json")}
    folder = place if sidecars.folder is None else sidecars.folder
    return sidecar_stems(folder.absolute()) if sidecars.written else set()


def read_sidecars(place: Destination, stems: Collection[str], sidecars: Sidecars = BESIDE) -> Iterator[Sidecar]:
    """Those of these names that are sidecars of ours, in the order of their names. Blocks."""
    videos = list(_videos(place, sorted(stems)))
    if isinstance(place, BucketUrl):
        with ThreadPoolExecutor(READ_AT_ONCE) as readers:
            yield from _sidecars(videos, list(readers.map(_read_in_bucket, videos)))
    else:
        yield from _sidecars(videos, (read_file(sidecars.of(Path(str(video)))) for video in videos))


def _sidecars(videos: Iterable[StoredVideo], read: Iterable[dict[str, object] | None]) -> Iterator[Sidecar]:
    for video, says in zip(videos, read, strict=True):
        sidecar = None if says is None else _sidecar(video, says)
        if sidecar is not None:
            yield sidecar


def _videos(place: Destination, stems: Iterable[str]) -> Iterator[StoredVideo]:
    folder = place if isinstance(place, BucketUrl) else place.absolute()
    for stem in stems:
        file = f"{stem}{SUFFIX}"
        yield BucketVideo(folder, file) if isinstance(folder, BucketUrl) else folder / file


def _read_in_bucket(video: StoredVideo) -> dict[str, object] | None:
    if isinstance(video, Path):
        return None
    try:
        return read_sidecar(video.sidecar() or b"")
    except OSError:
        return None


def _sidecar(video: StoredVideo, says: dict[str, object]) -> Sidecar | None:
    """The record of what was read; ``None`` where another program wrote it."""
    job_id, request = _text(says.get("job_id")), says.get("request")
    if job_id is None or not isinstance(request, dict):
        return None
    index, size, usd = says.get("index"), says.get("bytes"), says.get("cost_usd")
    return Sidecar(
        video=video,
        job_id=job_id,
        name=_text(says.get("name")) or "",
        request=request,
        index=index if isinstance(index, int) else 0,
        generation_id=_text(says.get("generation_id")),
        client_request_id=_text(says.get("client_request_id")),
        key=_text(says.get("key")),
        service=_text(says.get("service")),
        cost_usd=float(usd) if isinstance(usd, int | float) and 0 <= usd < 1e6 else None,
        submitted_at=_moment(says.get("submitted_at")),
        completed_at=_moment(says.get("completed_at")),
        bytes=size if isinstance(size, int) else None,
        sha256=_text(says.get("sha256")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _moment(value: object) -> float | None:
    """ISO 8601 as seconds since the epoch."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
