"""The page as one HTML file that needs only the videos beside it and may be mailed."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

from batchveo.core.destination import BucketUrl, Destination, parse_destination
from batchveo.core.fields import read_cause
from batchveo.core.models import Job
from batchveo.dataset.index import INDEX_FILE
from batchveo.storage.sidecar import sidecar_path
from batchveo.storage.stored_video import StoredVideo, video_at
from batchveo.store import Store
from batchveo.store.page_index import PageIndex
from batchveo.web import serializers
from batchveo.web.chains import make_lines, name_beginning
from batchveo.web.charts.data import make_charts
from batchveo.web.file_presence import VideoPresence, is_plain_file
from batchveo.web.page import make_static_page
from batchveo.web.redaction import ManifestLabels, Redaction, reveals_location
from batchveo.web.thumbnails import has_media_extra, make_poster, make_preview

MOST_JOBS = 20_000
"""A browser is too slow for more; the page shows how many are left out."""
POSTER_BYTES = 10_000_000
"""Bytes of all posters in one file; the videos beyond them show their first frame."""
PREVIEW_BYTES = 30_000_000
"""Bytes of all previews in one file; the videos beyond them are only linked."""
LONGEST_TEXT = 20_000
PATIENCE = 60.0
"""Seconds that a bucket has to answer which videos are there."""
WIDTH, HEIGHT, QUALITY = 320, 180, 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report on disk, with ``jobs`` of the ``total``."""

    path: Path
    jobs: int
    total: int
    posters: int
    previews: int
    bytes: int
    unlinked: int = 0
    """Videos without a link: the path to them would show where on this machine they are."""


def choose_output(store: Store, videos: Destination | None = None) -> Path:
    """``report.html`` beside the videos, or in the current folder if they are in a bucket, a dataset or nowhere."""
    folder = videos or parse_destination(store.search.find_usual_folder() or ".")
    if isinstance(folder, BucketUrl):
        return Path("report.html")
    published = any((place / INDEX_FILE).exists() for place in (folder, *folder.parents))
    return Path("report.html") if published else folder / "report.html"


def write_report(
    store: Store,
    output: Path,
    *,
    now: float,
    posters: bool = True,
    previews: bool = False,
    videos: Destination | None = None,
) -> Report:
    """Write the page of ``store`` to ``output``; ``videos`` is where the videos are now, if they were moved.

    With ``previews`` it holds a small, silent copy of the beginning of each video, and can be looked at without them.
    """
    presence = VideoPresence(videos, patience=PATIENCE)
    found = store.search.read_page(most=MOST_JOBS)
    folders = {row["folder"] for row in found if row["folder"]}
    folders |= {path.absolute() for path in (store.path.parent, output.parent, videos) if isinstance(path, Path)}
    redaction, labels = Redaction(folders), ManifestLabels()
    pictures = _Embedded(
        partial(make_poster, width=WIDTH, height=HEIGHT, quality=QUALITY),
        room=POSTER_BYTES if posters and has_media_extra() else 0,
    )
    copies = _Embedded(
        partial(make_preview, width=WIDTH, height=HEIGHT), room=PREVIEW_BYTES if previews and has_media_extra() else 0
    )
    cards = serializers.make_cards(store, found, presence)
    records = [store.queries.read_job(int(str(card["seq"]))) for card in cards]
    lines, line_of = make_lines(store, records)
    jobs = []
    for card, job in zip(cards, records, strict=True):
        video = video_at(job, videos) if card["video"] else None
        # what people decided is on the cards; who decided stays here
        detail = {**serializers.make_detail(store, job, videos), "votes": [], "near": [], "command": None}
        cause = read_cause(job.error, job.state.value)
        row = {**card, **detail, "prompt": job.prompt[:LONGEST_TEXT], "cause": cause}
        row |= {"chain_line": line_of.get(job.id), "begins_with": name_beginning(job)}
        pictures.add(job, video)
        copies.add(job, video)
        shown = {"video": True} if job.id in copies.by_id else {}
        jobs.append({**_redact_job(row, redaction, labels), **_make_link(video, output), **shown})
    with PageIndex(store.path) as index:
        choices, charts = serializers.list_choices(index), _make_charts(store, index, now, redaction)
    data = {
        "jobs": jobs,
        "lines": [redaction.clean_row(line) for line in lines],
        "progress": redaction.clean_row(_make_progress(store, now, presence)),
        "choices": _label_choices(choices, labels),
        "failures": [redaction.clean_row(cause) for cause in serializers.list_failures(store)],
        "charts": charts,
        "posters": pictures.by_id,
        "previews": copies.by_id,
        "made_at": now,
        "shown": len(jobs),
    }
    content = make_static_page(data, title=store.path.stem).encode()
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f".{output.name}.part")
    part.unlink(missing_ok=True)  # it may be a link, which would be written through
    part.write_bytes(content)
    part.replace(output)
    return Report(
        path=output,
        jobs=len(jobs),
        total=store.counts().total,
        posters=len(pictures.by_id),
        previews=len(copies.by_id),
        bytes=len(content),
        unlinked=sum("unlinked" in job for job in jobs),
    )


def _make_progress(store: Store, now: float, presence: VideoPresence) -> dict[str, object]:
    """The fields for the page's header, without the database's path and the ids in doubt."""
    row = serializers.make_progress(store, since=None, now=now, presence=presence)
    return {name: value for name, value in row.items() if name not in ("state", "in_doubt")} | {"running": False}


def _make_charts(store: Store, index: PageIndex, now: float, redaction: Redaction) -> dict[str, object]:
    """The data of the charts; the names of jobs are their only texts by a user."""
    data = make_charts(store, index, now=now)
    timeline = data.get("timeline")
    if not isinstance(timeline, dict):
        return data
    return {**data, "timeline": {**timeline, "names": list(map(redaction.clean_own_words, timeline["names"]))}}


def _redact_job(row: Mapping[str, object], redaction: Redaction, labels: ManifestLabels) -> dict[str, object]:
    named = {name: labels.find_label(str(row[name])) for name in ("manifest", "source") if row[name]}
    return {**redaction.clean_row(row), **named}


def _label_choices(choices: Mapping[str, list[dict[str, object]]], labels: ManifestLabels) -> dict[str, object]:
    """The values to filter by, with the same labels of manifests as the jobs."""
    manifests = [
        {**row, "value": row["value"] and labels.find_label(str(row["value"]))} for row in choices["manifests"]
    ]
    return {**choices, "manifests": manifests}


def _make_link(video: StoredVideo | None, output: Path) -> dict[str, object]:
    """The fields of a job that link to its video, by a relative path: the folder can be moved or mailed as a whole."""
    if video is None:
        return {}
    if not isinstance(video, Path):  # a browser opens no s3:// URL; a signed one expires, and admits every reader
        return {"video": False}
    folder = output.absolute().parent
    if reveals_location(folder, video.absolute()):
        return {"video": False, "unlinked": True}
    path = os.path.relpath(video.absolute(), folder).replace(os.sep, "/")
    return {"href": quote(path, safe="/", errors="surrogatepass"), "sidecar": sidecar_path(video).is_file()}


class _Embedded:
    """What ``make`` makes of videos, by job id and as base64, until ``room`` bytes are used."""

    def __init__(self, make: Callable[[Path], bytes | None], *, room: int) -> None:
        self.by_id: dict[str, str] = {}
        self._make = make
        self._room = room

    def add(self, job: Job, video: StoredVideo | None) -> None:
        """Add that of a job, if it can be made and there is room."""
        if self._room <= 0 or not isinstance(video, Path) or not is_plain_file(video):
            return
        made = self._make(video) or b""
        self._room -= len(made)
        if made and self._room >= 0:
            self.by_id[job.id] = base64.b64encode(made).decode()
