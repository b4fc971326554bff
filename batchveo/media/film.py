"""Joins clips to a film: the picture is copied if all clips agree, else encoded anew; the sound is mixed at seams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.audio.resampler import AudioResampler

from batchveo.media.media_pass import find_format, open_container, prepare_picture

if TYPE_CHECKING:
    from av import AudioFrame, Packet, VideoFrame, VideoStream
    from av.container import InputContainer, OutputContainer
    from numpy.typing import NDArray

SAMPLES = 48_000
"""Samples of sound a second."""
QUALITY = 16
"""The quality of a picture that is encoded anew (x264's CRF): no difference is seen."""
FADE_SECONDS = Fraction(1, 25)
"""How long the sounds of two clips overlap at their seam."""
_MIX_SAMPLES = 1024


@dataclass(frozen=True, slots=True)
class FilmClip:
    """One clip of a film. ``repeats``: its first frame is the last one of the clip before, and is shown once."""

    path: Path
    title: str
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Film:
    """What was joined: ``begins`` are the seconds at which the clips begin, ``is_copied`` whether without encoding."""

    seconds: float
    begins: tuple[float, ...]
    is_copied: bool


def join_clips(clips: Sequence[FilmClip], target: Path) -> Film:
    """Write the film to ``target``, an MP4 file that is complete only once this returns.

    Each clip is a chapter. Raises ``ValueError`` if a clip has no picture, ``OSError`` if a file cannot be opened.
    """
    with ExitStack() as stack:
        sources = [_Source(stack.enter_context(_open_clip(clip.path)), clip) for clip in clips]
        _find_seams(sources)
        is_copied = all(source.can_follow(sources[0]) for source in sources)
        with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as output:
            writer = _CopiedPicture(output, sources) if is_copied else _EncodedPicture(output, sources)
            sound = _Sound(output, sources) if any(source.has_sound for source in sources) else None
            output.set_chapters(_list_chapters(sources))
            for packet in _interleave(writer.list_packets(), sound.list_packets() if sound else iter(())):
                output.mux(packet)
    seconds = float(sources[-1].begin + sources[-1].shown)
    return Film(seconds=seconds, begins=tuple(float(source.begin) for source in sources), is_copied=is_copied)


def _open_clip(path: Path) -> InputContainer:
    with path.open("rb") as file:
        head = file.read(16)
    return open_container(path, find_format(head))


class _Source:
    """A clip that is read: when its picture begins and ends, and where in the film it is.

    ``shown``: the seconds that the film shows of it, without a last frame that the next clip repeats.
    """

    def __init__(self, container: InputContainer, clip: FilmClip) -> None:
        self.container = container
        self.clip = clip
        self.video: VideoStream = prepare_picture(container.streams.best("video"), smooth=True)
        self.has_sound = container.streams.best("audio") is not None
        self.begin = Fraction(0)
        packets = [packet for packet in container.demux(self.video) if packet.pts is not None]
        if not packets:
            raise ValueError(f"{clip.path} has no picture")
        base = Fraction(self.video.time_base or Fraction(1, 90_000))
        times = sorted(packet.pts for packet in packets if packet.pts is not None)
        self.first = times[0] * base
        self.last = times[-1] * base
        self.frame = self._find_frame_seconds(packets, base)
        self.shown = self.last - self.first + self.frame
        # of frames that refer to later ones, the last in time is not the last in the file, and others need it
        self.ends_plainly = packets[-1].pts == times[-1]

    def _find_frame_seconds(self, packets: Sequence[Packet[Any]], base: Fraction) -> Fraction:
        last = max(packets, key=lambda packet: packet.pts or 0)
        if last.duration:
            return last.duration * base
        rate = self.video.average_rate
        return 1 / Fraction(rate) if rate else Fraction(1, 24)

    def can_follow(self, first: _Source) -> bool:
        """Whether its picture can be copied behind that of ``first``: the decoder sees no difference."""
        one, other = first.video.codec_context, self.video.codec_context
        return (
            first.video.time_base == self.video.time_base
            and one.name == other.name == "h264"
            and (one.width, one.height, one.pix_fmt) == (other.width, other.height, other.pix_fmt)
            and one.extradata == other.extradata
        )

    def list_video_packets(self) -> Iterator[Packet[VideoStream]]:
        """The packets of its picture from the beginning."""
        self.container.seek(0)
        for packet in self.container.demux(self.video):
            if packet.pts is not None and packet.dts is not None:
                yield packet


def _find_seams(sources: Sequence[_Source]) -> None:
    for before, after in pairwise(sources):
        if after.clip.repeats:
            before.shown -= before.frame
        after.begin = before.begin + before.shown


def _list_chapters(sources: Sequence[_Source]) -> list[Any]:
    return [
        {
            "id": number,
            "start": round(source.begin * 1000),
            "end": round((source.begin + source.shown) * 1000),
            "time_base": Fraction(1, 1000),
            "metadata": {"title": source.clip.title},
        }
        for number, source in enumerate(sources)
    ]


class _CopiedPicture:
    """The pictures of all clips one after the other, as they are."""

    def __init__(self, output: OutputContainer, sources: Sequence[_Source]) -> None:
        self._sources = sources
        self._stream = output.add_stream_from_template(sources[0].video)
        self._base = Fraction(sources[0].video.time_base or Fraction(1, 90_000))

    def list_packets(self) -> Iterator[Packet[Any]]:
        """In the order of decoding."""
        latest: int | None = None
        for source, after in zip(self._sources, [*self._sources[1:], None], strict=True):
            shift = round((source.begin - source.first) / self._base)
            end = round((source.begin + source.shown) / self._base)
            for packet in source.list_video_packets():
                pts, dts = (packet.pts or 0) + shift, (packet.dts or 0) + shift
                if after is not None and after.clip.repeats and pts >= end:
                    if source.ends_plainly:
                        continue
                    # others need it: it is shown for the shortest time there is, before the same picture again
                    pts = end - 1
                packet.pts = pts
                packet.dts = latest = dts if latest is None else max(dts, latest + 1)
                packet.stream = self._stream
                yield packet


class _EncodedPicture:
    """The pictures of all clips, decoded and encoded anew in the size and rate of the first."""

    def __init__(self, output: OutputContainer, sources: Sequence[_Source]) -> None:
        self._sources = sources
        first = sources[0].video
        self._rate = Fraction(first.average_rate or 24)
        self._stream = output.add_stream("libx264", rate=self._rate)
        self._stream.width = first.codec_context.width // 2 * 2
        self._stream.height = first.codec_context.height // 2 * 2
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"crf": str(QUALITY), "preset": "medium"}

    def list_packets(self) -> Iterator[Packet[Any]]:
        """In the order of decoding."""
        number = 0
        for source in self._sources:
            for frame in self._list_frames(source):
                end = (source.begin + source.shown) * self._rate
                begin = (source.begin + Fraction(frame.time).limit_denominator(100_000) - source.first) * self._rate
                if begin >= end - Fraction(1, 2):
                    break
                number = max(number, round(begin))
                image = frame.reformat(self._stream.width, self._stream.height, "yuv420p")
                image.pts, image.time_base = number, 1 / self._rate
                number += 1
                yield from self._stream.encode(image)
        yield from self._stream.encode(None)

    def _list_frames(self, source: _Source) -> Iterator[VideoFrame]:
        source.container.seek(0)
        for packet in source.container.demux(source.video):
            yield from packet.decode()


class _Sound:
    """The sounds of all clips in stereo; at a seam both are heard for a moment, one fading into the other."""

    def __init__(self, output: OutputContainer, sources: Sequence[_Source]) -> None:
        self._sources = sources
        self._stream = output.add_stream("aac", rate=SAMPLES, layout="stereo")

    def list_packets(self) -> Iterator[Packet[Any]]:
        """In the order of time."""
        fade = round(FADE_SECONDS * SAMPLES)
        written = 0
        tail: NDArray[np.float32] = np.zeros((2, 0), np.float32)
        for source, after in zip(self._sources, [*self._sources[1:], None], strict=True):
            end = round((source.begin + source.shown) * SAMPLES)
            samples = _read_samples(source, end - written + (fade if after is not None else 0))
            if tail.shape[1]:
                rising = np.sin(np.linspace(0, np.pi / 2, tail.shape[1], dtype=np.float32))
                samples[:, : tail.shape[1]] = samples[:, : tail.shape[1]] * rising + tail * rising[::-1]
            kept = end - written
            samples, tail = samples[:, :kept], samples[:, kept:]
            yield from self._encode(samples, written)
            written = end
        yield from self._stream.encode(None)

    def _encode(self, samples: NDArray[np.float32], at: int) -> Iterator[Packet[Any]]:
        for begin in range(0, samples.shape[1], _MIX_SAMPLES):
            part = np.ascontiguousarray(samples[:, begin : begin + _MIX_SAMPLES])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLES, at + begin, Fraction(1, SAMPLES)
            yield from self._stream.encode(frame)


def _read_samples(source: _Source, count: int) -> NDArray[np.float32]:
    """That many samples of a clip's sound from the beginning of its picture on; silence for what it does not have."""
    samples = np.zeros((2, count), np.float32)
    with _open_clip(source.clip.path) as container:  # the other one is in the middle of its picture
        track = container.streams.best("audio")
        if not isinstance(track, av.AudioStream):
            return samples
        resampler = AudioResampler(format="fltp", layout="stereo", rate=SAMPLES)
        for packet in container.demux(track):
            for decoded in packet.decode():
                for frame in resampler.resample(decoded):
                    _place_samples(samples, frame, source)
    return samples


def _place_samples(samples: NDArray[np.float32], frame: AudioFrame, source: _Source) -> None:
    begin = round(((frame.time or 0.0) - float(source.first)) * SAMPLES)
    part = frame.to_ndarray()
    skipped = max(0, -begin)
    begin = max(0, begin)
    length = min(part.shape[1] - skipped, samples.shape[1] - begin)
    if length > 0:
        samples[:, begin : begin + length] = part[:, skipped : skipped + length]


def _interleave(picture: Iterator[Packet[Any]], sound: Iterator[Packet[Any]]) -> Iterator[Packet[Any]]:
    """The packets of both in the order of time, as players read them."""

    def time_of(packet: Packet[Any] | None) -> Fraction | None:
        if packet is None or packet.dts is None or packet.time_base is None:
            return None
        return packet.dts * Fraction(packet.time_base)

    one, other = next(picture, None), next(sound, None)
    while one is not None or other is not None:
        first, second = time_of(one), time_of(other)
        if one is not None and (other is None or second is None or (first is not None and first <= second)):
            yield one
            one = next(picture, None)
        elif other is not None:
            yield other
            other = next(sound, None)
