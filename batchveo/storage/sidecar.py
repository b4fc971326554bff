"""Sidecars, the JSON files beside videos: their text, and reading those of a whole destination."""

from __future__ import annotations

import errno
import json
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from batchveo.core.destination import BESIDE, SIDECAR_SUFFIX, VIDEO_SUFFIX, BucketUrl, Destination, Sidecars
from batchveo.core.models import Job
from batchveo.core.version import __version__
from batchveo.storage.file_system import list_names, replace_file
from batchveo.storage.objects import LARGEST_SMALL, open_objects
from batchveo.storage.stored_video import BucketVideo, StoredVideo, locate_video

MOST_IN_A_BUCKET = 200_000
"""Most objects of a bucket that are listed: a thousand come with each request."""
MOST_TAKES = 1_000
"""No job has more; the number in a sidecar may be anybody's."""
READ_AT_ONCE = 16
"""Sidecars of a bucket that are read at the same time: each takes a request or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """The content of the sidecar of a video, ``file`` in ``place``. Times are seconds since the epoch.

    ``None`` if a value is absent. ``service``: the address that made the video, or ``sandbox``. ``catalog``: the digest
    of the catalogue of models that the job was validated against. ``take``: which take of its clip it is, from 1. Older
    sidecars lack these. ``in_place_of``: the ids of the jobs that it was made in place of, by ``retry``.
    """

    place: Destination
    file: str
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
    catalog: str | None
    take: int = 1
    in_place_of: tuple[str, ...] = ()

    @property
    def video(self) -> StoredVideo:
        """The video, which may be missing."""
        return locate_video(self.place, self.file)

    @property
    def folder(self) -> str:
        """The folder or prefix that the video is in, as the database records it."""
        return str(self.place)


def sidecar_path(video: Path) -> Path:
    """The path of the sidecar beside ``video``."""
    return video.with_name(video.name.removesuffix(VIDEO_SUFFIX) + SIDECAR_SUFFIX)


def sidecar_text(job: Job, file: str, size: int, sha256: str) -> str:
    """All that made a video, as JSON: a folder explains itself without the database. Times are ISO 8601, UTC.

    Of a job in a chain also the id of its first job as ``chain``, its place there as ``link``, and the ``parents``:
    which part of the video of which job its input was, and the hash of that video. Of a job that was made in place of
    others, with another prompt or model, also their ids as ``in_place_of``.
    """
    content = {
        "file": file,
        "name": job.name,
        "model": job.model,
        "prompt": job.prompt,
        "seed": job.request.get("seed"),
        "request": dict(job.request),
        "meta": dict(job.meta),
        "index": job.index,
        "job_id": job.id,
        "generation_id": job.generation_id,
        "client_request_id": job.client_request_id,
        "key": job.api_key_label,
        "service": job.service,
        "submitted_at": format_time(job.submitted_at),
        "completed_at": format_time(job.completed_at),
        "generation_seconds": generation_seconds(job),
        "cost_usd": job.cost_usd,
        "bytes": size,
        "sha256": sha256,
        "catalogue": job.catalog,
        "take": job.take,
        **({} if job.place is None else json.loads(job.place)),
        "made_by": f"batchveo {__version__}",
    }
    return _format_content(content)


def add_to_sidecar(job: Job, sidecar: Path, content: Mapping[str, object]) -> None:
    """Add keys to the sidecar at a path, if it is that of the job's video. Blocks; raises ``OSError``."""
    known = read_sidecar(sidecar)
    if known is None or not is_sidecar_of(job, known) or {**known, **content} == known:
        return
    with replace_file(sidecar) as part:
        part.write_text(_format_content({**known, **content}), encoding="utf-8", errors="surrogatepass")


async def add_to_bucket_sidecar(job: Job, video: BucketVideo, content: Mapping[str, object]) -> None:
    """The same in a bucket; another writer that is faster wins. Raises ``OSError``."""
    objects, name = open_objects(video.folder), f"{video.name.removesuffix(VIDEO_SUFFIX)}{SIDECAR_SUFFIX}"
    found = await objects.read_small(name)
    known = None if found is None else parse_sidecar(found.content)
    if found is None or known is None or not is_sidecar_of(job, known) or {**known, **content} == known:
        return
    text = _format_content({**known, **content})
    await objects.replace(name, text.encode(errors="surrogatepass"), found.version)


def _format_content(content: Mapping[str, object]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def generation_seconds(job: Job) -> float | None:
    """Seconds from submit to completion."""
    if job.completed_at is None or job.submitted_at is None:
        return None
    return round(job.completed_at - job.submitted_at, 3)


def format_time(when: float | None) -> str | None:
    """Seconds since the epoch as ISO 8601, UTC."""
    return None if when is None else datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")


def parse_sidecar(text: str | bytes) -> dict[str, object] | None:
    """The keys of a sidecar; ``None`` if the text is no JSON object."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def read_sidecar(sidecar: Path | None) -> dict[str, object] | None:
    """The keys of the sidecar at a path; ``None`` if there is no regular file that can be read."""
    if sidecar is None:
        return None
    try:
        status = sidecar.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_SMALL:  # a FIFO would block for ever
            return None
        return parse_sidecar(sidecar.read_bytes())
    except OSError:
        return None


def is_sidecar_of(job: Job, content: dict[str, object]) -> bool:
    """Whether it belongs to the video of this very generation.

    The same job of another database is a stranger: its video was paid for too.
    """
    return content.get("job_id") == job.id and content.get("generation_id") == job.generation_id


async def list_sidecars(place: Destination, sidecars: Sidecars = BESIDE) -> set[str]:
    """The names, without their endings, of all JSON files in ``place``: each may be a sidecar.

    Raises ``OSError`` if a bucket cannot be listed or holds more than ``MOST_IN_A_BUCKET`` objects: a video that is
    not seen would be bought again.
    """
    if isinstance(place, BucketUrl):
        names = await open_objects(place).list_names(most=MOST_IN_A_BUCKET)
        if len(names) >= MOST_IN_A_BUCKET:
            raise OSError(errno.EFBIG, f"more than {MOST_IN_A_BUCKET:,} objects are there")
    else:
        names = list_names(sidecars.folder or place) if sidecars.written else []
    return {name.removesuffix(SIDECAR_SUFFIX) for name in names if name.endswith(SIDECAR_SUFFIX)}


def read_sidecars(place: Destination, stems: Collection[str], sidecars: Sidecars = BESIDE) -> Iterator[Sidecar]:
    """The sidecars of batchveo among these names, in the order of their names. Blocks."""
    folder = place if isinstance(place, BucketUrl) else place.absolute()
    files = [f"{stem}{VIDEO_SUFFIX}" for stem in sorted(stems)]
    if isinstance(folder, BucketUrl):
        with ThreadPoolExecutor(READ_AT_ONCE) as readers:
            yield from _build_sidecars(folder, files, list(readers.map(partial(_read_in_bucket, folder), files)))
    else:
        yield from _build_sidecars(folder, files, (read_sidecar(sidecars.of(folder, file)) for file in files))


def _build_sidecars(
    place: Destination, files: Iterable[str], read: Iterable[dict[str, object] | None]
) -> Iterator[Sidecar]:
    for file, content in zip(files, read, strict=True):
        sidecar = None if content is None else _build_sidecar(place, file, content)
        if sidecar is not None:
            yield sidecar


def _read_in_bucket(place: BucketUrl, file: str) -> dict[str, object] | None:
    try:
        return parse_sidecar(BucketVideo(place, file).read_sidecar() or b"")
    except OSError:
        return None


def _build_sidecar(place: Destination, file: str, content: dict[str, object]) -> Sidecar | None:
    """The record of a sidecar; ``None`` if another program wrote it."""
    job_id, request = _as_text(content.get("job_id")), content.get("request")
    if job_id is None or not isinstance(request, dict):
        return None
    take, replaced = content.get("take"), content.get("in_place_of")
    index, size, usd = content.get("index"), content.get("bytes"), content.get("cost_usd")
    return Sidecar(
        place=place,
        file=file,
        job_id=job_id,
        name=_as_text(content.get("name")) or "",
        request=request,
        index=index if isinstance(index, int) else 0,
        generation_id=_as_text(content.get("generation_id")),
        client_request_id=_as_text(content.get("client_request_id")),
        key=_as_text(content.get("key")),
        service=_as_text(content.get("service")),
        cost_usd=float(usd) if isinstance(usd, int | float) and 0 <= usd < 1e6 else None,
        submitted_at=_parse_time(content.get("submitted_at")),
        completed_at=_parse_time(content.get("completed_at")),
        bytes=size if isinstance(size, int) else None,
        sha256=_as_text(content.get("sha256")),
        catalog=_as_text(content.get("catalogue")),
        take=take if isinstance(take, int) and 1 <= take <= MOST_TAKES else 1,
        in_place_of=tuple(filter(None, map(_as_text, replaced if isinstance(replaced, list) else ()))),
    )


def _as_text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _parse_time(value: object) -> float | None:
    """ISO 8601 as seconds since the epoch."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
