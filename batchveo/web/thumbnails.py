"""Posters: a small picture of each video, its first good frame, kept on disk beside the database; and small copies."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from batchveo.storage.probe import open_video
from batchveo.storage.stored_video import StoredVideo, local_copy

if TYPE_CHECKING:
    from av import VideoFrame
    from PIL.Image import Image

WIDTH, HEIGHT = 480, 270
QUALITY = 74
GOOD_SPREAD = 14.0
"""Standard deviation of brightness of a good frame, at the least; frames of a fade from black have less."""
MOST_FRAMES = 8
FRAME_STEP = 8
"""At most ``MOST_FRAMES`` are compared: every ``FRAME_STEP``-th one from the beginning."""
MOST_SECONDS = 10.0
"""Time limit for one video."""
PREVIEW_SECONDS = 6.0
PREVIEW_RATE = 12
"""Length and frames a second of a small copy, which has no sound."""
PREVIEW_OPTIONS = {"crf": "32", "preset": "veryfast"}
MOST_KEPT = 20_000
PRUNE_STEP = 500
"""New posters between two deletions of the oldest ones."""
_HASH = re.compile(r"[0-9a-f]{64}")


def has_media_extra() -> bool:
    """Whether the ``media`` extra is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("av", "PIL"))


class Posters:
    """Makes posters, and keeps at most ``most`` of them in ``folder``."""

    def __init__(self, folder: Path, *, most: int = MOST_KEPT) -> None:
        self._folder = folder
        self._most = most
        self._made = 0

    def read_poster(self, video: StoredVideo, sha256: str) -> bytes | None:
        """The poster of a video with this hash, as JPEG; ``None`` if none can be made."""
        kept = self._folder / f"{sha256}.jpg" if _HASH.fullmatch(sha256) else None
        if kept is not None:
            with suppress(OSError):
                return kept.read_bytes()
        picture = make_poster(video)
        if kept is not None and picture is not None:
            with suppress(OSError):  # without a folder to write to, the poster is made again each time
                self._save(kept, picture)
        return picture

    def _save(self, path: Path, picture: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as part:
            part.write(picture)
        Path(part.name).replace(path)  # two requests may make the same poster: readers see a whole one
        if self._made % PRUNE_STEP == 0:
            self._prune()
        self._made += 1

    def _prune(self) -> None:
        with os.scandir(self._folder) as entries:
            kept = sorted((entry.stat().st_mtime, entry.path) for entry in entries if entry.name.endswith(".jpg"))
        for _, path in kept[: max(0, len(kept) - self._most)]:
            with suppress(OSError):
                Path(path).unlink()


def make_poster(
    video: StoredVideo, *, width: int = WIDTH, height: int = HEIGHT, quality: int = QUALITY
) -> bytes | None:
    """The first good frame of ``video`` as a JPEG within ``width`` and ``height``; ``None`` if it has none."""
    import av

    try:
        with local_copy(video) as path:
            picture = _choose_frame(_read_frames(path))
    except (av.error.FFmpegError, OSError, ValueError, IndexError):
        return None
    if picture is None:
        return None
    picture.thumbnail((width, height))
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()


def make_preview(video: StoredVideo, *, width: int, height: int) -> bytes | None:
    """The beginning of ``video`` as a silent MP4 within ``width`` and ``height``; ``None`` if it cannot be made."""
    import av

    out = io.BytesIO()
    try:
        with local_copy(video) as path, av.open(out, "w", format="mp4") as copy:
            stream = None
            for number, frame in enumerate(_read_preview_frames(path)):
                if stream is None:
                    stream = copy.add_stream("libx264", rate=PREVIEW_RATE, options=PREVIEW_OPTIONS)
                    scale = min(1.0, width / frame.width, height / frame.height)
                    stream.width, stream.height = (max(2, round(side * scale / 2) * 2) for side in _size(frame))
                    stream.pix_fmt = "yuv420p"
                small = frame.reformat(width=stream.width, height=stream.height, format="yuv420p")
                small.pts, small.time_base = number, Fraction(1, PREVIEW_RATE)
                copy.mux(stream.encode(small))
            if stream is None:
                return None
            copy.mux(stream.encode())
    except (av.error.FFmpegError, OSError, ValueError, IndexError):
        return None
    return out.getvalue()


def _size(frame: VideoFrame) -> tuple[int, int]:
    return frame.width, frame.height


def _read_preview_frames(video: Path) -> Iterator[VideoFrame]:
    """The frames of the beginning, ``PREVIEW_RATE`` a second at the most."""
    deadline, due = time.monotonic() + MOST_SECONDS, 0.0
    with open_video(video) as container:
        for frame in container.decode(video=0):
            at = frame.time or 0.0
            if at >= PREVIEW_SECONDS or time.monotonic() > deadline:
                return
            if at >= due:
                due = max(due + 1 / PREVIEW_RATE, at)
                yield frame


def _read_frames(video: Path) -> Iterator[Image]:
    deadline = time.monotonic() + MOST_SECONDS
    with open_video(video) as container:
        number = 0
        for packet in container.demux(container.streams.video[0]):
            if time.monotonic() > deadline:
                return
            for frame in packet.decode():
                if number >= MOST_FRAMES * FRAME_STEP:
                    return
                if number % FRAME_STEP == 0:
                    yield frame.to_image()  # type: ignore[no-untyped-call]
                number += 1


def _choose_frame(pictures: Iterator[Image]) -> Image | None:
    """The first picture with enough contrast; else the one with the most."""
    best, most = None, -1.0
    for picture in pictures:
        spread = _measure_spread(picture)
        if spread > most:
            best, most = picture, spread
        if spread >= GOOD_SPREAD:
            break
    return best


def _measure_spread(picture: Image) -> float:
    from PIL import ImageStat

    small = picture.convert("L").resize((64, 36))
    return float(ImageStat.Stat(small).stddev[0])
