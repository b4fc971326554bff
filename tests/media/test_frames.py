"""Frames of videos: which one, its colours, its turn, and files that have none."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

av = pytest.importorskip("av", reason="taking frames needs the extra media")

from batchveo.media.frames import read_frame  # noqa: E402 - only with the extra
from tests.helpers.video_clips import MOVING, write_clip  # noqa: E402 - only with the extra

CLIPS = Path(__file__).parents[2] / "batchveo/sandbox/clips"
RED, GREEN, BLUE = (254, 0, 0), (0, 127, 0), (0, 0, 254)
PARTS = [("color=red", 1.0), ("color=green", 1.0), ("color=blue", 1.0)]

# the pixels in the middle of a 4 x 4 grid, as `ffmpeg -i FILE` of FFmpeg 9 wrote them to PNG files
BY_FFMPEG = {
    ("aquarium-16x9", "first"): "3caec7 3caec7 46afcb 624999 2087ad 2186af 3590b4 2e8bb3 "
    "0d5d92 255676 2876a3 136396 033e75 0b3d58 124970 0f3f66",
    ("aquarium-16x9", "last"): "59b5d4 c1a1e1 4bafcb 41abca 358eb7 2583b3 2c89b1 2584af "
    "126297 0f5e96 125f95 0d5c96 03406b 113e59 0b4073 0b3a66",
    ("aquarium-16x9", "0.5"): "3caec7 3caec7 47b4cf efdaf8 2087ad 2186af 3690b9 2f8cb4 "
    "0e5a95 115a8f 317ba9 19659b 033e75 103f5b 124970 0e3e67",
    ("fire-9x16", "first"): "0a0810 14080a 13060e 0c0811 33170e b6502c 3d120c 331612 "
    "4e2312 9a3f13 872a11 482211 331c11 3a2110 3a2110 2e1b0f",
    ("fire-9x16", "last"): "0b0a0f 130811 100a11 0c090f 2e1512 3e1a10 491a11 301510 "
    "421e14 872f1d 9c3015 3d1c11 2b1914 372015 361f14 311b13",
    ("fire-9x16", "0.5"): "0d0a10 110a0d 13080f 0b0710 37180e 4d2019 4b1f15 341711 "
    "512313 943707 a12909 491f12 331c11 3b2211 3a2110 351e11",
}


def _read_pixels(image: bytes) -> Any:
    with av.open(BytesIO(image)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


def _is_near(pixel: Any, colour: tuple[int, ...], most: int = 3) -> bool:
    return all(abs(int(one) - other) <= most for one, other in zip(pixel, colour, strict=True))


@pytest.mark.parametrize(("clip", "part"), BY_FFMPEG)
def test_the_same_pixels_as_ffmpeg(clip: str, part: str) -> None:
    """Of the same frame, in the same colours."""
    pixels = _read_pixels(read_frame(CLIPS / f"{clip}.mp4", part))
    height, width, _ = pixels.shape
    expected = [tuple(bytes.fromhex(colour)) for colour in BY_FFMPEG[clip, part].split()]
    found = [
        pixels[height * row // 4 + height // 8, width * column // 4 + width // 8]
        for row in range(4)
        for column in range(4)
    ]
    assert all(_is_near(pixel, colour, most=1) for pixel, colour in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("part", "colour"),
    [
        ("first", RED),
        ("last", BLUE),
        ("0", RED),
        ("0.95", RED),
        ("1", GREEN),
        ("1.99", GREEN),
        ("2", BLUE),
        ("99", BLUE),
    ],
)
def test_the_frame_that_is_shown_then(tmp_path: Path, part: str, colour: tuple[int, int, int]) -> None:
    """A frame is shown until the next one; after the end it is the last."""
    path = write_clip(tmp_path / "a.mp4", PARTS, fps=12)
    assert _is_near(_read_pixels(read_frame(path, part))[40, 80], colour)


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (720, 1280), (640, 360)])
def test_colours_of_a_picture_that_states_no_matrix(tmp_path: Path, width: int, height: int) -> None:
    """As players take it: by its size."""
    path = write_clip(tmp_path / "a.mp4", [("color=0x3060c0", 0.2)], width=width, height=height)
    pixels = _read_pixels(read_frame(path, "first"))
    assert pixels.shape == (height, width, 3)


# rotation matrices of a track header, by the angle that FFmpeg shows
MATRICES = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


@pytest.mark.parametrize("angle", MATRICES)
def test_a_turned_picture_is_upright(tmp_path: Path, angle: int) -> None:
    """The pixels are those of the picture, turned as players turn it."""
    path = write_clip(tmp_path / "a.mp4", [(MOVING, 0.5)])
    plain = _read_pixels(read_frame(path, "first"))
    content = bytearray(path.read_bytes())
    matrix = content.index(b"tkhd") + 4 + 40
    a, b, c, d = MATRICES[angle]
    struct.pack_into(">9i", content, matrix, a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(content)
    turned = _read_pixels(read_frame(path, "first")).astype(int)
    back = {90: turned[:, ::-1].transpose(1, 0, 2), 180: turned[::-1, ::-1], 270: turned.transpose(1, 0, 2)[:, ::-1]}
    assert turned.shape == ((160, 90, 3) if angle != 180 else (90, 160, 3))
    assert abs(back[angle] - plain).mean() < 8


@pytest.mark.parametrize("content", [b"", b"#EXTM3U\nhttp://127.0.0.1:1/\n", b"\0\0\0\x18ftypmp42" + bytes(200)])
def test_files_without_a_frame(tmp_path: Path, content: bytes) -> None:
    """They are errors, in words."""
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(ValueError, match=r"empty|no MP4|cannot be decoded|no picture"):
        read_frame(tmp_path / "a.mp4", "last")
    with pytest.raises(OSError, match="not a file"):
        read_frame(tmp_path, "last")
