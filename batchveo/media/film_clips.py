"""A clip of a film as its file is: its frames, their times, how it is coded, and whether it has sound."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av

from batchveo.core.errors import find_reason
from batchveo.core.films import FilmClip
from batchveo.media.frames import find_matrix, turn_upright
from batchveo.media.media_pass import MOST_CHANNELS, SOUND_CODECS, find_format, open_container, prepare_picture
from batchveo.media.seams import Thumbnail, shrink_frame

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoFrame, VideoStream
    from av.container import InputContainer
    from av.video.reformatter import Colorspace

_COPIED = ("h264", "hevc", "av1", "vp9")
"""What players expect in an MP4."""
_FRAME_SECONDS = Fraction(1, 24)
"""Length of a frame if the file states none."""


@contextmanager
def open_clip(path: Path) -> Iterator[InputContainer]:
    """The container of a clip; what is wrong with its content is an ``OSError`` that names it."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
        with open_container(path, find_format(head)) as container:
            yield container
    except av.FFmpegError as error:
        raise OSError(error.errno, f"it cannot be decoded: {find_reason(error)}", str(path)) from None
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from None


@dataclass(slots=True, kw_only=True)
class _Look:
    """What decoding shows of a clip: small pictures and time stamps of its frames in the order of these."""

    thumbnails: list[Thumbnail]
    stamps: list[int]
    rotation: int
    size: tuple[int, int]
    matrix: Colorspace


@dataclass(slots=True, kw_only=True)
class Source:
    """A clip: what its file holds, how many ``frames`` of it the film shows, and where it ``begin``s there.

    ``times`` are those of all frames, in seconds from the first one, by their time stamps in the file; ``lengths``: the
    seconds up to the next. ``inside``: the seconds of the clips before that it contains at its beginning.
    """

    clip: FilmClip
    look: _Look
    times: dict[int, Fraction]
    lengths: dict[int, Fraction]
    end: Fraction
    stamps: list[int]
    """The time stamps of its packets, which are in the order of decoding."""
    coding: tuple[object, ...]
    """What has to be equal for a decoder to see no difference between two clips; empty if it cannot be copied."""
    rate: Fraction
    base: Fraction
    first: Fraction
    has_sound: bool
    has_plain_sound: bool
    """Whether its sound can be copied into an MP4."""
    frames: int
    begin: Fraction = Fraction(0)
    inside: Fraction = Fraction(0)

    @property
    def seconds(self) -> Fraction:
        """How long the film shows it."""
        ends = [*self.times.values(), self.end]
        return ends[self.frames]

    @property
    def chapter(self) -> Fraction:
        """Where in the film begins what is new in it."""
        return self.begin + self.inside

    def can_follow(self, first: Source) -> bool:
        """Whether its shown frames can be copied behind those of ``first``.

        Of frames that refer to later ones, the last in time is not the last in the file, and the others need it.
        """
        shown = set(islice(self.times, self.frames))
        return bool(self.coding) and self.coding == first.coding and shown == set(self.stamps[: self.frames])


def read_source(clip: FilmClip) -> Source:
    """Read a clip, all frames of it. Raises ``OSError``, with its name, if they cannot be decoded."""
    with open_clip(clip.path) as container:
        video = prepare_picture(container.streams.best("video"), smooth=True)
        packets = [packet for packet in container.demux(video) if packet.pts is not None]
        if any(packet.is_corrupt for packet in packets):
            raise ValueError("it is damaged, or ends early")
        container.seek(0)
        look = _look_at(container, video)
        times, end = _find_times(video, look.stamps, packets)
        stamps = [packet.pts or 0 for packet in packets]
        coding = _read_coding(video, packets) if sorted(stamps) == look.stamps else ()
        sound = find_sound(container)
        return Source(
            clip=clip,
            look=look,
            times=times,
            lengths=dict(zip(times, (after - at for at, after in pairwise([*times.values(), end])), strict=True)),
            end=end,
            stamps=stamps,
            coding=(*coding, look.rotation) if coding else (),
            rate=len(times) / end,
            base=Fraction(video.time_base or 1),
            first=look.stamps[0] * Fraction(video.time_base or 1),
            has_sound=sound is not None,
            has_plain_sound=sound is not None and sound.name == "aac" and len(container.streams.audio) == 1,
            frames=len(times),
        )


def _find_times(
    video: VideoStream, stamps: Sequence[int], packets: Sequence[Packet[Any]]
) -> tuple[dict[int, Fraction], Fraction]:
    """The times of the frames in seconds from the first, by their time stamps, and the time at which the last ends.

    Frames of a constant rate get exactly even times: some containers round them to milliseconds.
    """
    base = Fraction(video.time_base or 1)
    times = {stamp: (stamp - stamps[0]) * base for stamp in stamps}
    for rate in (video.average_rate, video.base_rate):
        even = {stamp: number / Fraction(rate) for number, stamp in enumerate(stamps)} if rate else {}
        if even and all(abs(even[stamp] - times[stamp]) <= base for stamp in stamps):
            return even, len(stamps) / Fraction(rate or 1)
    length = next((packet.duration for packet in packets if packet.pts == stamps[-1]), None)
    return times, times[stamps[-1]] + (length * base if length else _FRAME_SECONDS)


def _read_coding(video: VideoStream, packets: Sequence[Packet[Any]]) -> tuple[object, ...]:
    """Empty if the picture cannot be copied into an MP4 that begins, or continues, with it."""
    context, first = video.codec_context, packets[0]
    codec = context.codec.canonical_name
    if codec not in _COPIED or not first.is_keyframe or first.pts != min(packet.pts or 0 for packet in packets):
        return ()
    delay = None if first.dts is None or first.pts is None else first.pts - first.dts
    size = (context.width, context.height, context.pix_fmt, context.sample_aspect_ratio)
    return (codec, context.codec_tag, *size, context.extradata, video.time_base, delay)


def find_sound(container: InputContainer) -> AudioStream | None:
    """The sound of a clip, if it can be decoded."""
    track = container.streams.best("audio")
    if not isinstance(track, av.AudioStream) or getattr(track.codec_context, "name", "") not in SOUND_CODECS:
        return None
    return track if track.codec_context.channels <= MOST_CHANNELS else None


def list_frames(container: InputContainer, video: VideoStream) -> Iterator[VideoFrame]:
    """The frames that are shown, in their order."""
    for packet in container.demux(video):
        for frame in packet.decode():
            if frame.pts is not None:
                yield frame


def _look_at(container: InputContainer, video: VideoStream) -> _Look:
    look: _Look | None = None
    for frame in list_frames(container, video):
        upright = turn_upright(frame)
        if look is None:
            size, matrix = (upright.width, upright.height), find_matrix(upright)
            look = _Look(thumbnails=[], stamps=[], rotation=frame.rotation, size=size, matrix=matrix)
        stamp = frame.pts or 0
        if not look.stamps or stamp > look.stamps[-1]:
            look.stamps.append(stamp)
            look.thumbnails.append(shrink_frame(upright))
    if look is None:
        raise ValueError("no frame of it can be decoded")
    return look
