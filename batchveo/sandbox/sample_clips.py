"""The sample clips that the sandbox delivers as videos; ``tools/make_clips.py`` makes them."""

from __future__ import annotations

import struct
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
"""Seconds that a clip has."""
_BOX = struct.Struct(">I4s")


def sample_video(clip: str, *, label: str, seconds: int, portrait: bool, size: int | None = None) -> bytes:
    """The first ``seconds`` (1 to ``LONGEST``) of a clip, of ``SCENES`` or ``FLAWED``, as an MP4.

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
    """The first seconds of a clip: each has a fragment of its own, which ends with its ``mdat`` box."""
    content = files("batchveo.sandbox").joinpath("clips", name).read_bytes()
    end = 0
    while seconds:
        length, kind = _BOX.unpack_from(content, end)
        end += length
        seconds -= kind == b"mdat"  # the boxes before the first fragment count nothing
    return content[:end]
