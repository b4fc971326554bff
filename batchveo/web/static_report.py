"""The page as one file that needs nothing but the videos beside it, and may be mailed."""

from __future__ import annotations

import base64
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from batchveo.core.destination import BucketUrl, Destination, parse_destination
from batchveo.core.models import Job, JobState
from batchveo.dataset.index import INDEX_FILE
from batchveo.storage.sidecar import sidecar_path
from batchveo.storage.stored_video import video_at
from batchveo.store import Store
from batchveo.store.job_search import Filter
from batchveo.web import serializers
from batchveo.web.charts.data import charts
from batchveo.web.file_presence import Presence
from batchveo.web.html import whole_page
from batchveo.web.redaction import Labels, Redaction, is_telling_way
from batchveo.web.thumbnails import available, make_poster

MOST_JOBS = 20_000
"""More than this a browser would not thank for; the page says so where it is less than all."""
POSTER_BYTES = 10_000_000
"""Of JPEGs in one file: the first videos have posters, the others show their first frame."""
LONGEST_TEXT = 20_000
PATIENCE = 60.0
"""Seconds that a bucket has to say which videos are there."""
SMALL = {"width": 320, "height": 180, "quality": 60}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A report on disk. ``jobs`` are in it of ``total``."""

    path: Path
    jobs: int
    total: int
    posters: int
    bytes: int
    unlinked: int = 0
    """Videos that it does not link to: the way there would tell where on this machine they are."""


def default_output(store: Store, videos: Destination | None = None) -> Path:
    """``report.html`` beside the videos; in the current folder where there are none, or in a bucket or dataset."""
    folder = videos or parse_destination(store.search.find_usual_folder() or ".")
    if isinstance(folder, BucketUrl):
        return Path("report.html")
    published = any((place / INDEX_FILE).exists() for place in (folder, *folder.parents))
    return Path("report.html") if published else folder / "report.html"


def write_report(
    store: Store, output: Path, *, now: float, posters: bool = True, videos: Destination | None = None
) -> Written:
    """Write the page of ``store`` to ``output``; ``videos`` says where the videos are now, if they were moved."""
    presence = Presence(videos, patience=PATIENCE)
    found = store.search.read_page(Filter(), most=MOST_JOBS)
    cards = serializers.cards(found, presence)
    total = store.counts().total
    jobs = list(_told(store, cards, output, videos))
    pictures = _pictures(store, cards, videos) if posters and available() else {}
    redaction = Redaction(
        [store.path.absolute().parent, *_folders_of(found), output.absolute().parent, *_given(videos)]
    )
    labels = Labels()
    data = {
        "jobs": [_mailable(job, redaction, labels) for job in jobs],
        "progress": redaction.row(_progress(store, now, presence)),
        "choices": _labelled(serializers.choices(store), labels),
        "failures": [redaction.row(cause) for cause in serializers.failures(store)],
        "charts": _charts(store, now, redaction),
        "posters": pictures,
        "made_at": now,
        "shown": len(jobs),
    }
    content = whole_page(data, title=store.path.stem).encode()
    output.parent.mkdir(parents=True, exist_ok=True)
    part = output.with_name(f".{output.name}.part")
    part.unlink(missing_ok=True)  # a link that somebody laid there
    part.write_bytes(content)
    part.replace(output)
    unlinked = sum("unlinked" in job for job in jobs)
    return Written(
        path=output,
        jobs=len(jobs),
        total=total,
        posters=len(pictures),
        bytes=len(content),
        unlinked=unlinked,
    )


def _folders_of(found: Iterable[sqlite3.Row]) -> set[str]:
    return {row["folder"] for row in found if row["folder"]}


def _given(videos: Destination | None) -> list[str]:
    return [] if videos is None or isinstance(videos, BucketUrl) else [str(videos.absolute())]


def _progress(store: Store, now: float, presence: Presence) -> dict[str, object]:
    """What the page's header needs; the database's path and the ids in doubt stay here."""
    told = serializers.progress(store, since=None, now=now, presence=presence)
    return {name: value for name, value in told.items() if name not in ("state", "in_doubt")} | {"running": False}


def _charts(store: Store, now: float, redaction: Redaction) -> dict[str, object]:
    """Their only texts that are not ours are the names of jobs."""
    told = charts(store, now=now)
    timeline = told.get("timeline")
    if not isinstance(timeline, dict):
        return told
    return {**told, "timeline": {**timeline, "names": list(map(redaction.own_words, timeline["names"]))}}


def _mailable(job: Mapping[str, object], redaction: Redaction, labels: Labels) -> dict[str, object]:
    """A job without what tells of this machine; the links were made for the report, and stay."""
    told = redaction.row(job)
    kept = {name: job[name] for name in ("href",) if name in job}
    named = {name: labels.of(str(job[name])) for name in ("manifest", "source") if job[name]}
    return {**told, **kept, **named}


def _labelled(choices: Mapping[str, list[dict[str, object]]], labels: Labels) -> dict[str, object]:
    """What there is to filter by, manifests by the names that the jobs have them by."""
    manifests = [{**row, "value": row["value"] and labels.of(str(row["value"]))} for row in choices["manifests"]]
    return {**choices, "manifests": manifests}


def _told(
    store: Store, cards: list[dict[str, object]], output: Path, videos: Destination | None
) -> Iterator[dict[str, object]]:
    """Each card with its job's history, and the way from the report to its video."""
    for card in cards:
        job = store.queries.read_job(int(str(card["seq"])))
        told = {**card, **serializers.detail(store, job, videos)}
        told["prompt"] = job.prompt[:LONGEST_TEXT]
        if card["video"]:
            video = video_at(job, videos)
            if isinstance(video, Path) and is_telling_way(output.absolute().parent, video.absolute()):
                told |= {"video": False, "unlinked": True}
            elif isinstance(video, Path):
                told["href"] = _href(video, output)
                told["sidecar"] = sidecar_path(video).is_file()
            else:  # no browser opens s3://, and a signed link would expire, and let in whoever has the page
                told["video"] = False
        yield told


def _href(video: Path, output: Path) -> str:
    """Relative, so that the folder can be moved or mailed as a whole."""
    relative = os.path.relpath(video.absolute(), output.absolute().parent)
    return quote(relative.replace(os.sep, "/"), safe="/", errors="surrogatepass")


def _pictures(store: Store, cards: list[dict[str, object]], videos: Destination | None) -> Mapping[str, str]:
    """Posters by job id, as base64 of JPEGs, as long as there is room."""
    found: dict[str, str] = {}
    room = POSTER_BYTES
    for card in cards:
        if not card["video"]:
            continue
        job = store.queries.read_job(int(str(card["seq"])))
        picture = _picture(job, videos)
        room -= len(picture or b"")
        if room < 0:
            break
        if picture is not None:
            found[job.id] = base64.b64encode(picture).decode()
    return found


def _picture(job: Job, videos: Destination | None) -> bytes | None:
    path = video_at(job, videos)
    if job.state is not JobState.SUCCEEDED or not isinstance(path, Path):
        return None
    if path.is_symlink() or not path.is_file():
        return None
    return make_poster(path, **SMALL)
