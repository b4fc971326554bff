"""One frame of a video as a PNG image: its first, its last, or the one that is shown after some seconds."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import av
import av.filter
from av.video.reformatter import Colorspace, Interpolation

from batchveo.core.errors import find_reason
from batchveo.core.links import FIRST, LAST
from batchveo.media.media_pass import find_format, open_container, prepare_picture

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

_HD_HEIGHT = 720
"""From this height on, a picture that states no matrix of colours is taken for one of BT.709, below for BT.601."""
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
"""The matrices of colours by their numbers in ITU-T H.273."""
_TURNS = {90: ("cclock",), 180: ("cclock", "cclock"), 270: ("clock",)}


def read_frame(path: Path, part: str) -> bytes:
    """The frame at ``part`` (``first``, ``last``, or seconds from the first frame) as a PNG image, turned upright.

    Seconds after the end give the last frame. The whole video is decoded for ``last``: what a container says of its end
    may be wrong. Raises ``OSError`` if the file cannot be opened, ``ValueError`` if no frame of it can be decoded.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a file", str(path))
    with path.open("rb") as file:
        head = file.read(16)
    try:
        with open_container(path, find_format(head)) as container:
            frame = _find_frame(_decode_frames(container), part)
            if frame is None:
                raise ValueError("no frame of it can be decoded")
            return _encode_png(turn_upright(frame))
    except av.FFmpegError as error:
        raise ValueError(f"it cannot be decoded: {find_reason(error)}") from None


def _decode_frames(container: InputContainer) -> Iterator[VideoFrame]:
    """All frames in the order in which they are shown; damaged packets are left out."""
    video = prepare_picture(container.streams.best("video"), smooth=True)
    for packet in container.demux(video):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            continue


def _find_frame(frames: Iterator[VideoFrame], part: str) -> VideoFrame | None:
    first = next(frames, None)
    if first is None or part == FIRST:
        return first
    shown = first
    until = None if part == LAST else (first.time or 0.0) + float(part)
    for frame in frames:
        if until is not None and frame.time > until + 1e-6:
            break
        shown = frame
    return shown


def find_matrix(frame: VideoFrame) -> Colorspace:
    """The matrix of its colours, as players take it."""
    assumed = Colorspace.ITU709 if min(frame.width, frame.height) >= _HD_HEIGHT else Colorspace.ITU601
    return _MATRICES.get(frame.colorspace, assumed)


def turn_upright(frame: VideoFrame) -> VideoFrame:
    """The frame as players show it: phones store turned pictures, with the angle beside them."""
    turns = _TURNS.get(frame.rotation % 360, ())
    for direction in turns:
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        graph.link_nodes(source, graph.add("transpose", direction), graph.add("buffersink")).configure()
        graph.push(frame)
        turned = graph.pull()
        if isinstance(turned, av.VideoFrame):
            turned.colorspace, turned.color_range = frame.colorspace, frame.color_range
            frame = turned
    return frame


def _encode_png(frame: VideoFrame) -> bytes:
    # by the method that FFmpeg's own command uses: the same pixels as those that a person takes with it
    image = frame.reformat(
        format="rgb24",
        src_colorspace=find_matrix(frame),
        src_color_range=frame.color_range or "MPEG",
        interpolation=Interpolation.BICUBIC,
    )
    target = BytesIO()
    with av.open(target, "w", format="image2pipe") as container:
        stream = container.add_stream("png", rate=1, width=image.width, height=image.height, pix_fmt="rgb24")
        image.pts, image.time_base = 0, Fraction(1)
        container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    return target.getvalue()
