"""The sample clips that the sandbox delivers as videos; ``tools/make_clips.py`` makes them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

SCENES = (
    "aquarium",
    "balloon",
    "clock",
    "fire",
    "lighthouse",
    "rain",
    "sea",
    "snow",
    "stars",
    "street",
    "train",
    "vase",
)
FLAWED = ("black", "frozen", "silent", "small")
"""Clips that the checks of finished videos must reject, named by what is wrong with them."""
LONGEST = 8
"""Seconds that a clip has; a longer video repeats it."""
_BOX = struct.Struct(">I4s")
_PACKET = 1024
"""Samples of sound in a packet."""
_SEQUENCE, _START = struct.Struct(">I"), struct.Struct(">Q")


def sample_video(clip: str, *, label: str, seconds: int, portrait: bool, size: int | None = None) -> bytes:
    """The first ``seconds`` of a clip, of ``SCENES`` or ``FLAWED``, as an MP4; from the beginning again at its end.

    The file ends with a ``free`` box that begins with the label, so that each video can be told apart; ``size``
    pads the file to so many bytes if it is smaller.
    """
    content = _cut_clip(name_clip_file(clip, portrait=portrait), seconds)
    text = label.encode("utf-8", "surrogatepass")
    padding = max(0, (size or 0) - len(content) - _BOX.size - len(text))
    return b"".join((content, _BOX.pack(_BOX.size + len(text) + padding, b"free"), text, bytes(padding)))


def name_clip_file(clip: str, *, portrait: bool) -> str:
    """The name of a clip's file in ``clips/``."""
    return f"{clip}-{'9x16' if portrait else '16x9'}.mp4"


@cache
def _cut_clip(name: str, seconds: int) -> bytes:
    head, fragments = _split_clip(name)
    picture, sound = (_SEQUENCE.unpack_from(head, at + 16)[0] * LONGEST for at in _find_boxes(head, b"mdhd"))
    lengths = (picture, sound + _PACKET)  # the sound begins with a packet that its coder adds
    return head + b"".join(
        _move_fragment(fragments[second % LONGEST], second // LONGEST, lengths) for second in range(seconds)
    )


@cache
def _split_clip(name: str) -> tuple[bytes, list[bytes]]:
    """A clip's first boxes, and its fragments: one for each second, which ends with its ``mdat`` box."""
    content = files("batchveo.sandbox").joinpath("clips", name).read_bytes()
    pieces: list[bytes] = []
    begin = end = 0
    while end < len(content):
        length, kind = _BOX.unpack_from(content, end)
        if kind == b"moof" and not pieces:
            pieces.append(content[:end])
            begin = end
        end += length
        if kind == b"mdat":
            pieces.append(content[begin:end])
            begin = end
    return pieces[0], pieces[1:]


def _move_fragment(fragment: bytes, rounds: int, lengths: Iterable[int]) -> bytes:
    """A fragment that plays later by so many rounds of the clip, each as long as the track's ``lengths``."""
    if not rounds:
        return fragment
    moved = bytearray(fragment)
    (number,) = _find_boxes(fragment, b"mfhd")
    _SEQUENCE.pack_into(moved, number + 8, _SEQUENCE.unpack_from(fragment, number + 8)[0] + rounds * LONGEST)
    for at, length in zip(_find_boxes(fragment, b"tfdt"), lengths, strict=True):
        _START.pack_into(moved, at + 8, _START.unpack_from(fragment, at + 8)[0] + rounds * length)
    return bytes(moved)


def _find_boxes(content: bytes, kind: bytes) -> list[int]:
    """Where the boxes of this kind begin, behind their length; they are all before the data of the fragment."""
    length, first = _BOX.unpack_from(content)
    end = length if first == b"moof" else len(content)
    found = []
    at = content.find(kind, 0, end)
    while at >= 0:
        found.append(at)
        at = content.find(kind, at + 4, end)
    return found
