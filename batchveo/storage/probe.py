"""The headers of a video file: picture, length, sound (PyAV, the extra ``media``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from batchveo.core.errors import UsageError, find_reason
from batchveo.storage.mp4_tracks import read_tracks

if TYPE_CHECKING:
    from av.container import InputContainer


MOST_PIXELS = 4096 * 4096
"""Most pixels of a frame: a file of some kilobytes may claim, and fill, gigabytes."""
PROBE_BYTES = 32
"""Bytes that FFmpeg reads beyond the headers, the least it takes: it decodes one picture, for the pixel format."""

MOST_KINDS = 1000
"""Kinds of clips that a probe of many remembers."""


class UnreadableVideo(ValueError):
    """The file holds no video that can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """The content of the headers; ``None`` for a value that they lack.

    ``width`` and ``height`` are in pixels, ``duration`` in seconds, ``frame_rate`` in frames a second, exactly;
    ``frames`` is how many pictures the index lists, ``sample_rate`` is in hertz.
    """

    width: int
    height: int
    frame_rate: Fraction | None
    duration: float | None
    frames: int | None
    video_codec: str
    pixel_format: str | None
    has_sound: bool
    audio_codec: str | None = None
    channels: int | None = None
    sample_rate: int | None = None

    @property
    def fps(self) -> float | None:
        """Frames a second, as a float."""
        return None if self.frame_rate is None else float(self.frame_rate)


@cache
def can_probe() -> bool:
    """Whether PyAV is installed."""
    return find_spec("av") is not None


def probe_video(path: Path) -> MediaInfo:
    """Read the headers of the file at ``path``; nothing is decoded.

    Raises ``UnreadableVideo`` if the file is no video, ``OSError`` if it cannot be read, ``UsageError`` if PyAV is
    not installed.
    """
    try:
        import av
    except ImportError:
        raise UsageError("looking into videos needs PyAV: pip install 'batchveo[media]'") from None
    with path.open("rb"):  # a missing file raises FileNotFoundError, not an error of PyAV
        pass
    try:
        with open_video(path) as container:
            return _read_info(container)
    except (av.FFmpegError, ValueError) as error:
        raise UnreadableVideo(f"not a readable video: {find_reason(error)}") from None


def open_video(path: Path) -> InputContainer:
    """The file at ``path`` as an MP4 and nothing else: other kinds of files make FFmpeg open more files.

    Frames of more than ``MOST_PIXELS`` are not decoded, neither to complete the headers nor later.
    Raises what PyAV raises.
    """
    import av

    bound = {"max_pixels": str(MOST_PIXELS)}
    container = av.open(str(path), format="mp4", options={**bound, "probesize": str(PROBE_BYTES)})
    for stream in container.streams.video:
        stream.codec_context.options = bound
    return container


def _read_info(container: InputContainer) -> MediaInfo:
    if not container.streams.video:
        raise UnreadableVideo("the file holds no picture")
    video = container.streams.video[0]
    if not video.width or not video.height:  # also if the decoder refuses so large a picture
        raise UnreadableVideo("its picture has no size, or too large a one")
    sound = container.streams.audio[0] if container.streams.audio else None
    rate = video.average_rate
    return MediaInfo(
        width=video.width,
        height=video.height,
        frame_rate=Fraction(rate.numerator, rate.denominator) if rate else None,
        duration=_read_duration(container),
        frames=video.frames or None,
        video_codec=video.codec_context.name,
        pixel_format=video.codec_context.pix_fmt,
        has_sound=sound is not None,
        audio_codec=sound.codec_context.name if sound else None,
        channels=sound.codec_context.channels if sound else None,
        sample_rate=sound.codec_context.sample_rate if sound else None,
    )


def _read_duration(container: InputContainer) -> float | None:
    video = container.streams.video[0]
    if video.duration is not None and video.time_base is not None:
        return round(float(video.duration * video.time_base), 6)
    return None if container.duration is None else round(container.duration / 1_000_000, 6)


class RepeatedProbe:
    """``probe_video`` for many clips: PyAV opens only one of each kind of clip, which takes half a millisecond.

    Two clips are of one kind if the same bytes set up their decoders. The length and the frame rate are of each clip's
    own boxes; a kind whose first clip has others by PyAV, and an unusual file, are always opened with PyAV. Threads may
    share it.
    """

    def __init__(self) -> None:
        self._kinds: dict[tuple[bytes, bytes], MediaInfo | None] = {}

    def read_headers(self, path: Path) -> MediaInfo:
        """Raises what ``probe_video`` raises."""
        tracks = read_tracks(path)
        known = None if tracks is None else self._kinds.get(tracks.coders)
        if tracks is not None and known is not None:
            return replace(known, frame_rate=tracks.frame_rate, duration=tracks.duration, frames=tracks.frames)
        info = probe_video(path)
        if tracks is not None and len(self._kinds) < MOST_KINDS:
            own = (tracks.frame_rate, tracks.duration, tracks.frames)
            is_alike = own == (info.frame_rate, info.duration, info.frames)
            self._kinds[tracks.coders] = info if is_alike else None
        return info
