from __future__ import annotations

import io
import struct
from itertools import pairwise

import av
import pytest

from batchveo.sandbox import mp4
from batchveo.sandbox.mp4 import render


def boxes(file: bytes) -> list[tuple[str, int]]:
    found, start = [], 0
    while start < len(file):
        size, kind = struct.unpack_from(">I4s", file, start)
        found.append((kind.decode(), size))
        start += size
    assert start == len(file)
    return found


def frames(file: bytes) -> list[list[bytes]]:
    """The luma rows of each frame."""
    with av.open(io.BytesIO(file)) as container:
        return [rows(frame.planes[0], frame.width) for frame in container.decode(video=0)]


def rows(plane, width: int) -> list[bytes]:
    content = bytes(plane)
    return [content[y * plane.line_size : y * plane.line_size + width] for y in range(plane.height)]


@pytest.mark.parametrize("seconds", [4, 5, 7, 8])
@pytest.mark.parametrize(("portrait", "size"), [(False, (160, 90)), (True, (90, 160))])
def test_the_file_plays(seconds, portrait, size):
    """A real decoder finds the right picture size, frames and duration."""
    with av.open(io.BytesIO(render(token="a", seconds=seconds, portrait=portrait))) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", *size)
        assert (stream.frames, stream.average_rate) == (seconds * 8, 8)
        assert stream.duration * stream.time_base == seconds
        assert container.duration == seconds * av.time_base
        assert len(list(container.decode(stream))) == seconds * 8


@pytest.mark.parametrize("token", "abcdefgh")
def test_the_pan_is_exact(token):
    """Away from the edges each frame shows the stripes where they should have moved by then."""
    decoded = frames(render(token=token, seconds=4, portrait=False))
    look = mp4._look(token)
    for number, frame in enumerate(decoded):
        edge = 2 * (number % 16)
        wanted = mp4._picture(look, 160, 96, number).luma
        for y in range(edge, 90 - edge):
            assert frame[y][edge : 160 - edge] == wanted[y][edge : 160 - edge]


def test_the_picture_moves():
    """No two successive frames are the same."""
    decoded = frames(render(token="x", seconds=4, portrait=True))
    assert all(one != other for one, other in pairwise(decoded))


def test_tokens_show():
    """Another token is another video of the same size; the same token is the same video."""
    made = [render(token=str(n), seconds=4, portrait=False) for n in range(50)]
    assert len(set(made)) == 50
    assert len({len(file) for file in made}) == 1
    assert render(token="0", seconds=4, portrait=False) == made[0]


def test_the_index_comes_first():
    """The file can be played while it arrives, and is small."""
    file = render(token="a", seconds=8, portrait=False)
    assert [kind for kind, _ in boxes(file)] == ["ftyp", "moov", "mdat"]
    assert len(file) < 150_000


def test_padding():
    """A free box fills the file up; it still plays, and is never cut."""
    file = render(token="a", seconds=4, portrait=False, size=200_000)
    assert len(file) == 200_000
    assert boxes(file)[-1][0] == "free"
    assert len(frames(file)) == 32
    plain = render(token="a", seconds=4, portrait=False)
    assert render(token="a", seconds=4, portrait=False, size=100) == plain
