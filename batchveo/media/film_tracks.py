"""The tracks of a film: pictures and sounds of its clips, copied or made anew, as packets in their order."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from math import cos, lcm, pi, sin
from typing import TYPE_CHECKING, Any

import av
from av.audio.resampler import AudioResampler
from av.filter import Graph
from av.video.frame import PictureType
from av.video.reformatter import ColorRange, Colorspace

from batchveo.media.film_clips import Source, find_sound, list_frames, open_clip
from batchveo.media.frames import find_matrix, turn_upright
from batchveo.media.media_pass import prepare_picture

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream, Packet, VideoFrame
    from av.container import InputContainer, OutputContainer

SAMPLES = 48_000
"""Samples of sound a second."""
QUALITY = "16"
"""The quality of a picture that is encoded anew (x264's CRF): no difference is seen."""
FADE = SAMPLES // 25
"""Samples in which the sounds of two clips overlap at their seam: the time of a frame."""
_END_FADE = SAMPLES // 100
"""Samples in which a sound fades that ends before the overlap does: a sound that is cut off clicks."""
_CHANNELS = 2
_BLOCK = SAMPLES // 10
_MATRICES = {
    Colorspace.ITU709: "bt709",
    Colorspace.FCC: "fcc",
    Colorspace.ITU601: "bt601",
    Colorspace.SMPTE240M: "smpte240m",
    Colorspace.BT2020: "bt2020",
}
_THREADS = 4
_MOST_TICKS = 10_000_000
_USUAL_TICKS = 90_000
"""Units of time in a second."""


def _find_base(sources: Sequence[Source]) -> Fraction:
    """The unit in which the times of all frames are whole numbers, or nearly so."""
    ticks = lcm(*(time.denominator for source in sources for time in (*source.times.values(), source.end)))
    return Fraction(1, ticks if ticks <= _MOST_TICKS else _USUAL_TICKS)


class CopiedPicture:
    """The packets of all clips as they are, one clip behind the other."""

    def __init__(self, output: OutputContainer, sources: Sequence[Source]) -> None:
        self._sources = sources
        with open_clip(sources[0].clip.path) as container:
            video = prepare_picture(container.streams.best("video"), smooth=True)
            self._stream = output.add_stream_from_template(video, opaque=True)  # not every codec has an encoder here
        self._base = _find_base(sources)
        self._stream.time_base = self._base

    def list_packets(self) -> Iterator[Packet[Any]]:
        """In the order of decoding."""
        for source in self._sources:
            with open_clip(source.clip.path) as container:
                packets = container.demux(container.streams.video[0])
                for packet in islice(packets, source.frames):
                    self._move_packet(packet, source)
                    yield packet

    def _move_packet(self, packet: Packet[Any], source: Source) -> None:
        old = packet.pts or 0
        delay = 0 if packet.dts is None else round((old - packet.dts) * source.base / self._base)
        packet.pts = round((source.begin + source.times[old]) / self._base)
        packet.dts = packet.pts - delay
        packet.duration = round(source.lengths[old] / self._base)
        packet.time_base, packet.stream = self._base, self._stream


class EncodedPicture:
    """The pictures of all clips, encoded anew: upright, in the size and colours of the first, each in its own time."""

    def __init__(self, output: OutputContainer, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._width, self._height = (side // 2 * 2 for side in sources[0].look.size)
        self._matrix = sources[0].look.matrix
        self._graphs: dict[tuple[object, ...], Graph] = {}
        self._base = _find_base(sources)
        self._stream = output.add_stream("libx264", rate=max(source.rate for source in sources).limit_denominator(1001))
        self._stream.width, self._stream.height, self._stream.pix_fmt = self._width, self._height, "yuv420p"
        self._stream.options = {"crf": QUALITY, "preset": "medium"}
        context = self._stream.codec_context
        context.time_base = self._base
        context.thread_count = _THREADS
        context.colorspace, context.color_range = self._matrix, ColorRange.MPEG

    def list_packets(self) -> Iterator[Packet[Any]]:
        """In the order of decoding."""
        for source in self._sources:
            with open_clip(source.clip.path) as container:
                video = prepare_picture(container.streams.best("video"), smooth=True)
                frames = (frame for frame in list_frames(container, video) if frame.pts in source.times)
                for frame in islice(frames, source.frames):
                    image = self._fit_frame(turn_upright(frame))
                    image.pts = round((source.begin + source.times[frame.pts or 0]) / self._base)
                    image.time_base = self._base
                    image.pict_type = PictureType.NONE  # the encoder decides
                    yield from self._stream.encode(image)
        yield from self._stream.encode(None)

    def _fit_frame(self, frame: VideoFrame) -> VideoFrame:
        """The frame in the size and colours of the film; whole, between black bars if it has another shape."""
        kind = (frame.width, frame.height, frame.format.name, find_matrix(frame), frame.color_range == ColorRange.JPEG)
        if kind == (self._width, self._height, "yuv420p", self._matrix, False):
            return frame
        if kind not in self._graphs:
            self._graphs[kind] = self._make_graph(frame)
        self._graphs[kind].push(frame)
        fitted = self._graphs[kind].pull()
        if not isinstance(fitted, av.VideoFrame):
            raise TypeError(fitted)
        return fitted

    def _make_graph(self, frame: VideoFrame) -> Graph:
        graph, size = Graph(), f"{self._width}:{self._height}"
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        colours = f"in_color_matrix={_MATRICES[find_matrix(frame)]}:out_color_matrix={_MATRICES[self._matrix]}"
        ranges = f"in_range={'pc' if frame.color_range == ColorRange.JPEG else 'tv'}:out_range=tv"
        shape = "force_original_aspect_ratio=decrease:force_divisible_by=2:flags=bicubic"
        scale = graph.add("scale", f"{size}:{shape}:{colours}:{ranges}")
        pad, plain = graph.add("pad", f"{size}:(ow-iw)/2:(oh-ih)/2"), graph.add("format", "yuv420p")
        graph.link_nodes(source, scale, plain, pad, graph.add("setsar", "1"), graph.add("buffersink")).configure()
        return graph


class CopiedSound:
    """The packets of the sound of the only clip as they are."""

    def __init__(self, output: OutputContainer, source: Source) -> None:
        self._source = source
        with open_clip(source.clip.path) as container:
            self._stream = output.add_stream_from_template(container.streams.audio[0])

    def list_packets(self) -> Iterator[Packet[Any]]:
        """In the order of time."""
        with open_clip(self._source.clip.path) as container:
            for packet in container.demux(container.streams.audio[0]):
                if packet.pts is not None and packet.dts is not None:
                    moved = round(self._source.first / Fraction(packet.time_base or 1))
                    packet.pts, packet.dts, packet.stream = packet.pts - moved, packet.dts - moved, self._stream
                    yield packet


class MixedSound:
    """The sounds of all clips in stereo; at a seam both are heard for a moment, one fading into the other.

    Each sound begins where its picture does, so that the two never drift apart. Samples are numbers of both channels in
    turn.
    """

    def __init__(self, output: OutputContainer, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._stream = output.add_stream("aac", rate=SAMPLES, layout="stereo")

    def list_packets(self) -> Iterator[Packet[Any]]:
        """In the order of time."""
        written = 0
        tail = array("f")
        for source, after in zip(self._sources, [*self._sources[1:], None], strict=True):
            end = round((source.begin + source.seconds) * SAMPLES)
            samples = _read_samples(source, end - written + (FADE if after is not None else 0))
            _mix_in(samples, tail)
            kept = (end - written) * _CHANNELS
            samples, tail = samples[:kept], samples[kept:]
            yield from self._encode(samples, written)
            written = end
        yield from self._stream.encode(None)

    def _encode(self, samples: array[float], at: int) -> Iterator[Packet[Any]]:
        for begin in range(0, len(samples), _BLOCK * _CHANNELS):
            part = samples[begin : begin + _BLOCK * _CHANNELS]
            frame = av.AudioFrame(format="flt", layout="stereo", samples=len(part) // _CHANNELS)
            frame.planes[0].update(part.tobytes())
            frame.sample_rate, frame.time_base = SAMPLES, Fraction(1, SAMPLES)
            frame.pts = at + begin // _CHANNELS
            yield from self._stream.encode(frame)


def _mix_in(samples: array[float], tail: array[float]) -> None:
    """Let the end of the sound before fade into the beginning of ``samples``, at equal power."""
    for at, old in enumerate(tail[: len(samples)]):
        angle = pi / 2 * at / len(tail)
        samples[at] = samples[at] * sin(angle) + old * cos(angle)


def _read_samples(source: Source, count: int) -> array[float]:
    """So many samples of a clip's sound from the beginning of its picture on; silence for those that it lacks."""
    samples = array("f", bytes(4 * _CHANNELS * count))
    end = 0
    with open_clip(source.clip.path) as container:
        track = find_sound(container)
        if track is None:
            return samples
        resampler = AudioResampler(format="flt", layout="stereo", rate=SAMPLES)
        for frame in _list_samples(container, track, resampler):
            begin = round((Fraction(frame.pts or 0) * Fraction(frame.time_base or 1) - source.first) * SAMPLES)
            part = array("f", bytes(frame.planes[0])[: 4 * _CHANNELS * frame.samples])[max(0, -begin) * _CHANNELS :]
            at = max(0, begin) * _CHANNELS
            part = part[: max(0, len(samples) - at)]
            samples[at : at + len(part)] = part
            end = max(end, at + len(part))
    if end < len(samples):
        length = min(end, _END_FADE * _CHANNELS)
        for number in range(length):
            samples[end - length + number] *= 1 - number / length
    return samples


def _list_samples(container: InputContainer, track: AudioStream, resampler: AudioResampler) -> Iterator[AudioFrame]:
    """The sound of a clip; what is damaged is left out."""
    for packet in container.demux(track):
        with suppress(av.error.InvalidDataError):
            for frame in packet.decode():
                yield from resampler.resample(frame)
    yield from resampler.resample(None)
