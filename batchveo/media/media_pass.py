"""One pass over a video file, which may be hostile: all frames and sound are decoded once and measured."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import av

from batchveo.core.errors import find_reason
from batchveo.core.measures import CheckLevel, Measures
from batchveo.media.meters import PictureMeter, SoundMeter

if TYPE_CHECKING:
    from av import AudioStream, Packet, VideoFrame, VideoStream
    from av.container import InputContainer
    from av.stream import Stream

MOST_SECONDS = 600.0
"""A longer clip is measured so far only."""
MOST_FRAMES = 40_000
MOST_PACKETS = 200_000
"""The same for frames, and for packets of picture and sound."""
MOST_PIXELS = 4096 * 4096
"""Most pixels of a frame: a file of some kilobytes may claim, and fill, gigabytes."""
LARGE_SIDE = 1280
"""Of a picture with a side this long the edges of blocks are not smoothed, a quarter of the decoding: they are not seen
once it is made small, and motion changes by one percent. In small pictures they would count as motion."""
MOST_STREAMS = 16
"""Most tracks of a file."""
MOST_CHANNELS = 8
PICTURE_CODECS = ("h264", "hevc", "av1", "libdav1d", "vp8", "vp9", "libvpx", "libvpx-vp9", "mpeg4", "prores")
SOUND_CODECS = (
    *("aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "libvorbis", "flac", "alac", "ac3", "eac3"),
    *("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_f32le"),
)
"""FFmpeg's decoders for what video services deliver; none of its hundreds of others sees the file."""
MOST_DAMAGE = 200
"""After so many packets that cannot be decoded the rest is left alone."""
EARLY_SECONDS = 0.25
"""A picture that ends so much before the end that the file states is cut off."""
_EARLY_FRAMES = 3
_FRAME_SECONDS = 1 / 24
"""Length of a frame if the file states none."""
_MATROSKA_MAGIC = b"\x1a\x45\xdf\xa3"
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof", b"pnot", b"uuid")


class _Undecodable(ValueError):
    """The file cannot be decoded; ``str()`` is the problem."""


def measure_file(path: Path, level: CheckLevel) -> Measures:
    """Measure the video at ``path`` at the level ``basic`` or ``all``.

    What is wrong with the content is a problem of the measures. No other file is opened and no address called, whatever
    the file asks for: it is read as MP4 or Matroska by its first bytes, through the protocol ``file`` only.
    Raises ``OSError`` if the file cannot be opened.
    """
    if level is CheckLevel.NONE:
        raise ValueError("the level none measures nothing")
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
        raise OSError(errno.EINVAL, "not a file", str(path))
    with path.open("rb") as file:
        size, head = os.fstat(file.fileno()).st_size, file.read(16)
    try:
        with open_container(path, find_format(head)) as container:
            media_pass = _MediaPass(container, level)
            media_pass.decode_packets()
            return media_pass.sum_up(size)
    except _Undecodable as error:
        problem = str(error)
    except MemoryError:  # a machine with more could decode it
        return Measures(level=level, problems=("decoding it needs too much memory",), is_conclusive=False)
    except (av.FFmpegError, ValueError, ArithmeticError) as error:
        problem = f"it cannot be decoded: {find_reason(error)}"
    return Measures(level=level, problems=(problem,))


def find_format(head: bytes) -> str:
    """FFmpeg's name of the container, by the first bytes of the file; raises ``ValueError`` for any other.

    Lists and scripts, which name other files, are no containers.
    """
    if head.startswith(_MATROSKA_MAGIC):
        return "matroska"
    if head[4:8] in _FIRST_BOXES:
        return "mov"
    raise _Undecodable("it is no MP4, MOV, WebM or Matroska file" if head else "the file is empty")


def open_container(path: Path, name: str) -> InputContainer:
    """Open a file as a container of this name, within the bounds of this module, and no other file."""
    bounds = {
        "protocol_whitelist": "file",
        "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm",
        "codec_whitelist": ",".join((*PICTURE_CODECS, *SOUND_CODECS)),
        "max_streams": str(MOST_STREAMS),
        "max_pixels": str(MOST_PIXELS),
    }
    if name == "mov":
        bounds["enable_drefs"] = "0"  # tracks whose data is in other files
    return av.open(f"file:{path.absolute()}", format=name, options=bounds, metadata_errors="replace")


class _MediaPass:
    """Decodes the packets of a container in their order, and hands frames and samples to the meters."""

    def __init__(self, container: InputContainer, level: CheckLevel) -> None:
        self._container = container
        self._level = level
        self._problems: list[str] = []
        self._video = prepare_picture(container.streams.best("video"))
        track = container.streams.best("audio")
        self._audio = track if isinstance(track, av.AudioStream) and self._can_hear(track) else None
        self._has_track = track is not None
        self._picture = PictureMeter(level)
        self._sound = SoundMeter()
        self._begin: float | None = None
        self._end = 0.0
        self._packets = 0
        self._damaged = 0
        self._is_whole = False

    def decode_packets(self) -> None:
        """Decode to the end, or to a bound."""
        streams = [stream for stream in (self._video, self._audio) if stream is not None]
        for packet in self._container.demux(streams):
            self._packets += 1
            self._damaged += packet.is_corrupt
            if packet.stream is self._video:
                self._decode_picture(packet)
            elif self._audio is not None:
                self._decode_sound(packet)
            if bound := self._find_bound():
                self._problems.append(f"{bound}; the rest is not measured")
                return
        self._is_whole = True

    def sum_up(self, size: int) -> Measures:
        """All measures of a file of ``size`` bytes. Raises ``_Undecodable`` if no frame was decoded."""
        picture, sound = self._picture, self._sound
        if self._begin is None or picture.first_size is None:
            raise _Undecodable("no frame of it can be decoded")
        seconds = max(self._end - self._begin, 1e-3)
        fps = picture.frames / seconds
        heard = self._audio is not None and sound.first_seconds is not None
        loudness = sound.read_loudness() if heard else None
        self._note_problems(seconds, fps)
        blur = picture.find_blur()
        return Measures(
            level=self._level,
            duration_seconds=round(seconds, 3),
            width=picture.first_size[0],
            height=picture.first_size[1],
            fps=round(fps, 3),
            frames=picture.frames,
            codec=self._video.codec_context.codec.canonical_name,
            bitrate=round(size * 8 / seconds),
            black_seconds=round(picture.black.sum_seconds(self._end), 3),
            frozen_seconds=round(picture.frozen.sum_seconds(self._end), 3),
            silent_seconds=round(sound.sum_silence(self._begin, self._end), 3) if heard else None,
            loudness_lufs=None if loudness is None else round(loudness, 1),
            has_sound=heard or (self._has_track and self._audio is None),
            cuts=picture.cuts,
            motion=round(picture.average_motion(fps), 3),
            blur=None if blur is None else round(blur, 3),
            hashes=picture.hash_frames(),
            problems=tuple(self._problems),
        )

    def _decode_picture(self, packet: Packet[Stream]) -> None:
        try:
            frames = [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
        except av.error.InvalidDataError:
            self._damaged += 1
            return
        for frame in frames:
            self._damaged += frame.is_corrupt
            begin, seconds = self._find_times(frame)
            self._begin = begin if self._begin is None else min(self._begin, begin)
            self._end = max(self._end, begin + seconds)
            self._picture.add_frame(frame, begin)

    def _decode_sound(self, packet: Packet[Stream]) -> None:
        try:
            for samples in packet.decode():
                if isinstance(samples, av.AudioFrame):
                    self._sound.add_frame(samples)
        except av.error.InvalidDataError:
            self._damaged += 1
        except (av.FFmpegError, ValueError) as error:  # the picture is worth measuring without it
            self._problems.append(f"its sound cannot be measured: {find_reason(error)}")
            self._audio = None

    def _find_times(self, frame: VideoFrame) -> tuple[float, float]:
        """Begin and length of a frame in seconds."""
        rate, base = self._video.average_rate, frame.time_base
        begin = self._end if frame.pts is None else frame.time
        if frame.duration and base:
            return begin, frame.duration * float(base)
        return begin, 1 / float(rate) if rate else _FRAME_SECONDS

    def _find_bound(self) -> str | None:
        """The bound that is reached, if one is."""
        if self._picture.frames >= MOST_FRAMES:
            return f"it has more than {MOST_FRAMES:,} frames"
        if self._begin is not None and max(self._end, self._sound.last_seconds) - self._begin > MOST_SECONDS:
            return f"it is longer than {MOST_SECONDS:.0f} s"
        if self._packets >= MOST_PACKETS:
            return f"it has more than {MOST_PACKETS:,} packets"
        if self._damaged >= MOST_DAMAGE:
            return "it is damaged in too many places"
        return None

    def _note_problems(self, seconds: float, fps: float) -> None:
        stated = _read_stated_seconds(self._container, self._video)
        if self._is_whole and stated is not None and stated - seconds > max(EARLY_SECONDS, _EARLY_FRAMES / fps):
            self._problems.append(f"the file ends early: {seconds:.1f} s of {stated:.1f} s can be decoded")
        if self._damaged:
            self._problems.append(f"it is damaged: {self._damaged} packets or frames")
        if self._picture.changes_size:
            self._problems.append("the picture changes its size")

    def _can_hear(self, track: AudioStream) -> bool:
        context, codec = track.codec_context, _name_decoder(track)
        if codec not in SOUND_CODECS:
            self._problems.append(f"its sound cannot be measured: its codec is not known: {codec}")
            return False
        if context.channels > MOST_CHANNELS:
            self._problems.append(f"its sound cannot be measured: it has {context.channels} channels")
            return False
        context.thread_type, context.thread_count = "NONE", 1
        return True


def _name_decoder(stream: Stream) -> str:
    """FFmpeg's decoder of a stream; PyAV has no context for what none decodes."""
    return getattr(stream.codec_context, "name", "none")


def prepare_picture(stream: object, *, smooth: bool = False) -> VideoStream:
    """The picture of a file, to be decoded within the bounds of this module; ``smooth``: exactly as it is meant.

    Raises ``ValueError`` if there is none, or none that may be decoded.
    """
    if not isinstance(stream, av.VideoStream):
        raise _Undecodable("the file holds no picture")
    context, codec = stream.codec_context, _name_decoder(stream)
    if codec not in PICTURE_CODECS:
        raise _Undecodable(f"its codec is not known: {codec}")
    if not 0 < context.width * context.height <= MOST_PIXELS:
        raise _Undecodable("its picture has no size, or too large a one")
    context.thread_type, context.thread_count = "NONE", 1  # several clips at a time keep all cores busy
    context.options = {"max_pixels": str(MOST_PIXELS)}
    if not smooth and max(context.width, context.height) >= LARGE_SIDE:
        context.options |= {"skip_loop_filter": "all"}
    return stream


def _read_stated_seconds(container: InputContainer, video: VideoStream) -> float | None:
    """The length that the headers state."""
    if video.duration and video.time_base:
        return float(video.duration * video.time_base)
    return container.duration / 1e6 if container.duration else None
