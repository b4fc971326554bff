"""What picture and sound of a clip are measured by: FFmpeg's filters, and hashes of frames."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import pairwise
from operator import sub
from statistics import median
from typing import TYPE_CHECKING

import av
from av.filter import Graph
from av.video.reformatter import Interpolation, VideoReformatter

from batchveo.core.measures import HASHED_FRAMES, CheckLevel

if TYPE_CHECKING:
    from av import AudioFrame, VideoFrame

LONGER_SIDE = 320
"""Frames are made this small, in pixels, before anything looks at them: all filters together then cost little beside
decoding, and noise is averaged out."""
BLUR_SIDE = 960
"""The same for blur, which a small picture hides."""
BLUR_SECONDS = 1.0
"""One frame in this time is measured for blur, the most costly measure."""
LEAST_SIDE = 16
"""No side is made smaller than this, whatever the shape."""
FREEZE_SECONDS, SILENCE_SECONDS = 1.0, 1.0
"""The shortest part that counts as frozen, or as silent."""
CUT_SCORE = 10
"""A frame begins a scene if it differs from the one before by so many percent more than that one did."""
SPOT_SIDE = 8
"""Parts of the small picture, in pixels, that are compared beside the whole, which a bird does not change."""
SPOT_CHANGE = 3
"""A spot moves if its brightness is so far from what it was, of 255."""
LEAST_MOVES = 4
"""So many moves within a second are motion. Key frames of the coder change still pictures too, but not as often."""
SILENT_LUFS = -70.0
"""The gate of EBU R 128: what is not louder has no loudness."""
_PICTURE_FILTERS = (
    ("blackdetect", "d=0:pic_th=0.999:pix_th=0.1"),  # stars, or a candle, have more than one pixel in a thousand
    ("freezedetect", f"n=0.001:d={FREEZE_SECONDS}"),
    ("scdet", f"t={CUT_SCORE}"),
)
_SOUND_FILTERS = (
    ("silencedetect", f"n=0.001:d={SILENCE_SECONDS}"),
    ("ebur128", "metadata=1:framelog=quiet"),
)
_HASH_WIDTH, _HASH_HEIGHT = 9, 8
_LEAST_CONTRAST = 3
"""Difference of brightness, of 255, that sets a bit of a hash: a smaller one comes and goes with the coder."""


class PartTimer:
    """Adds up the parts of a clip of which a filter reports the begin and the end, as seconds, in two metadata keys.

    ``measure`` gives the seconds that count from a begin to an end; by default all.
    """

    def __init__(
        self, begin_key: str, end_key: str, measure: Callable[[float, float], float] = lambda begin, end: end - begin
    ) -> None:
        self._begin_key, self._end_key = begin_key, end_key
        self._measure = measure
        self._begun: float | None = None
        self._seconds = 0.0

    def read_metadata(self, metadata: Mapping[str, str]) -> None:
        """Note the begin or the end of a part."""
        begin, end = (metadata.get(key) for key in (self._begin_key, self._end_key))
        # one frame may end the part before and begin another, or report all of a part that has just been long enough
        if end is not None and begin is not None and float(begin) < float(end):
            self._begun, begin = float(begin), None
        if end is not None:
            self._end_part(float(end))
        if begin is not None:
            self._begun = float(begin)

    def sum_seconds(self, end: float) -> float:
        """The length of all parts; filters never report the end of one that lasts until the ``end`` of the clip."""
        self._end_part(end)
        return self._seconds

    def _end_part(self, end: float) -> None:
        if self._begun is not None:
            self._seconds += max(0.0, self._measure(self._begun, end))
        self._begun = None


class PictureMeter:
    """Measures frames in the order of time. ``first_size`` is that of the first one, in pixels."""

    def __init__(self, level: CheckLevel) -> None:
        self.frames = 0
        self.first_size: tuple[int, int] | None = None
        self.changes_size = False
        self.black = PartTimer("lavfi.black_start", "lavfi.black_end")
        self.frozen = PartTimer(
            "lavfi.freezedetect.freeze_start",
            "lavfi.freezedetect.freeze_end",
            lambda begin, end: sum_still(begin, end, self._moves),
        )
        self._moves: list[float] = []
        self._spots = b""
        self.cuts = 0
        self._changes: list[float] = []
        self._blurs: list[float] = []
        self._measures_blur = level is CheckLevel.ALL
        self._next_blur = -math.inf
        self._thumbnails: list[bytes] = []
        self._small = _FilteredPicture(LONGER_SIDE, _PICTURE_FILTERS)
        self._large = _FilteredPicture(BLUR_SIDE, (("blurdetect", None),))
        self._tiny, self._spotter = VideoReformatter(), VideoReformatter()  # one for each size: a change costs

    def add_frame(self, frame: VideoFrame, seconds: float) -> None:
        """Measure the next frame, which is seen at ``seconds``. Raises what PyAV raises."""
        size = (frame.width, frame.height)
        self.first_size = self.first_size or size
        self.changes_size = self.changes_size or size != self.first_size
        small, metadata = self._small.filter_frame(frame, self.first_size)
        self.frames += 1
        self._thumbnails.append(_make_grey(self._tiny, small, _HASH_WIDTH, _HASH_HEIGHT))
        width, height = small.width // SPOT_SIDE, small.height // SPOT_SIDE
        self._watch_spots(_make_grey(self._spotter, small, width, height), seconds)
        self.black.read_metadata(metadata)
        self.frozen.read_metadata(metadata)
        if "lavfi.scd.time" in metadata:
            self.cuts += 1
        elif self.frames > 1:  # a cut is no motion
            self._changes.append(float(metadata.get("lavfi.scd.mafd", 0)))
        if self._measures_blur and seconds >= self._next_blur:
            self._next_blur = seconds + BLUR_SECONDS
            blur = float(self._large.filter_frame(frame, self.first_size)[1].get("lavfi.blur", "nan"))
            if blur > 0:  # neither of a picture without edges
                self._blurs.append(blur)

    def average_motion(self, fps: float) -> float:
        """Change of a pixel's brightness in a second, in percent of its range."""
        return fps * sum(self._changes) / len(self._changes) if self._changes else 0.0

    def find_blur(self) -> float | None:
        """Width of an edge in pixels; ``None`` if it is not measured, or no frame has an edge."""
        return median(self._blurs) if self._blurs else None

    def hash_frames(self) -> tuple[int, ...]:
        """The hashes of the frames in the middle of each part of the clip."""
        middles = [(2 * part + 1) * self.frames // (2 * HASHED_FRAMES) for part in range(HASHED_FRAMES)]
        return tuple(hash_thumbnail(self._thumbnails[middle]) for middle in middles) if self.frames else ()

    def _watch_spots(self, spots: bytes, seconds: float) -> None:
        """Note that something moves, if a spot is no longer as it was at the last move: also slow things do."""
        if self._spots and max(map(abs, map(sub, spots, self._spots))) < SPOT_CHANGE:
            return
        self._spots = spots
        self._moves.append(seconds)


class SoundMeter:
    """Measures the sound in the order of time."""

    def __init__(self) -> None:
        self.silent = PartTimer("lavfi.silence_start", "lavfi.silence_end")
        self.first_seconds: float | None = None
        self.last_seconds = 0.0
        self._loudness = SILENT_LUFS
        self._form: tuple[int, str, str] | None = None
        self._graph: Graph | None = None

    def add_frame(self, frame: AudioFrame) -> None:
        """Measure the next samples. Raises what PyAV raises, and ``ValueError`` if rate or layout change."""
        form = (frame.sample_rate, frame.format.name, frame.layout.name)
        if self._graph is None:
            self._form, self._graph = form, self._make_graph(frame)
        if form != self._form:
            raise ValueError("its rate or layout changes")
        begin = frame.time if frame.time is not None else self.last_seconds
        self.first_seconds = begin if self.first_seconds is None else self.first_seconds
        self.last_seconds = max(self.last_seconds, begin + frame.samples / frame.sample_rate)
        self._graph.push(frame)
        for filtered in _pull_frames(self._graph):
            self.silent.read_metadata(filtered.metadata)
            self._loudness = float(filtered.metadata.get("lavfi.r128.I", self._loudness))

    def read_loudness(self) -> float | None:
        """Integrated loudness; ``None`` if the sound is silent."""
        return self._loudness if self._loudness > SILENT_LUFS else None

    def sum_silence(self, begin: float, end: float) -> float:
        """Silent seconds from ``begin`` to ``end`` of the picture; before and after the sound it is silent, too."""
        gaps = ((self.first_seconds or 0.0) - begin, end - self.last_seconds)
        silent = self.silent.sum_seconds(min(end, self.last_seconds))
        return silent + sum(gap for gap in gaps if gap >= SILENCE_SECONDS)

    @staticmethod
    def _make_graph(frame: AudioFrame) -> Graph:
        graph = Graph()
        source = graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format.name,
            layout=frame.layout.name,
            time_base=frame.time_base,
        )
        filters = [graph.add(name, options) for name, options in _SOUND_FILTERS]
        graph.link_nodes(source, *filters, graph.add("abuffersink")).configure()
        return graph


class _FilteredPicture:
    """Makes frames small, and reads what filters find in them."""

    def __init__(self, side: int, filters: Sequence[tuple[str, str | None]]) -> None:
        self._side = side
        self._filters = filters
        self._scaler = VideoReformatter()
        self._graph: Graph | None = None

    def filter_frame(self, frame: VideoFrame, size: tuple[int, int]) -> tuple[VideoFrame, Mapping[str, str]]:
        """The small frame, and its metadata.

        All frames get the shape of one of ``size``: filters are not made for frames that change their size.
        """
        width, height = shrink_size(*size, self._side)
        small = self._scaler.reformat(frame, width, height, "yuv420p", interpolation=Interpolation.AREA)
        if self._graph is None:
            self._graph = self._make_graph(small)
        self._graph.push(small)
        metadata: dict[str, str] = {}
        for filtered in _pull_frames(self._graph):
            metadata |= filtered.metadata
        return small, metadata

    def _make_graph(self, frame: VideoFrame) -> Graph:
        graph = Graph()
        graph.threads = 1
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or Fraction(1, 90_000),
        )
        filters = [graph.add(name, options) for name, options in self._filters]
        graph.link_nodes(source, *filters, graph.add("buffersink")).configure()
        return graph


def _pull_frames(graph: Graph) -> Iterator[VideoFrame | AudioFrame]:
    with suppress(av.error.BlockingIOError, av.error.EOFError):
        while True:
            yield graph.pull()


def _make_grey(scaler: VideoReformatter, frame: VideoFrame, width: int, height: int) -> bytes:
    """A picture of this size, a byte a pixel, row by row."""
    plane = scaler.reformat(frame, width, height, "gray", interpolation=Interpolation.AREA).planes[0]
    content, step = bytes(plane), plane.line_size  # lines are padded
    return b"".join(content[row * step : row * step + width] for row in range(height))


def shrink_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Even width and height in pixels whose longer one is at most ``side``, in the same shape if it is usual."""
    part = min(1.0, side / max(width, height))
    return tuple(max(LEAST_SIDE, 2 * round(length * part / 2)) for length in (width, height))  # type: ignore[return-value]


def sum_still(begin: float, end: float, moves: Sequence[float]) -> float:
    """The seconds from ``begin`` to ``end`` without motion, in parts that are as long as frozen ones."""
    inside = moves[bisect_left(moves, begin) : bisect_right(moves, end)]
    still, last = 0.0, begin
    for first, later in zip(inside, inside[LEAST_MOVES - 1 :], strict=False):
        if later - first < 1:
            still += first - last if first - last >= FREEZE_SECONDS else 0.0
            last = max(last, later)
    return still + (end - last if end - last >= FREEZE_SECONDS or last == begin else 0.0)


def hash_thumbnail(pixels: bytes) -> int:
    """The 64-bit difference hash of a grey picture of 9 x 8 pixels, given row by row."""
    number = 0
    for row in range(_HASH_HEIGHT):
        line = pixels[row * _HASH_WIDTH : (row + 1) * _HASH_WIDTH]
        for left, right in pairwise(line):
            number = number << 1 | (left - right >= _LEAST_CONTRAST)
    return number
