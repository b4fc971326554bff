"""Whether a file is a whole MP4, by its boxes (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

MOST_BOXES = 10_000
_HEADER = 8
_LARGE_HEADER = 16


class NotAnMp4(ValueError):
    """The file is not an MP4, or not all of it."""


def check_mp4(path: Path) -> None:
    """Raise ``NotAnMp4`` unless the file's boxes are whole and hold a type, an index and media data.

    Reads box headers only. ``OSError`` where the file cannot be read.
    """
    size = path.stat().st_size
    if size == 0:
        raise NotAnMp4("an empty file")
    with path.open("rb") as file:
        kinds = _kinds(file, size)
    if kinds[:1] != ["ftyp"] and "ftyp" not in kinds:
        raise NotAnMp4("not an MP4: it does not begin with a file type box")
    if "moov" not in kinds:
        raise NotAnMp4("an MP4 without its index (moov)")
    if "mdat" not in kinds:
        raise NotAnMp4("an MP4 without media data (mdat)")


def _kinds(file: BinaryIO, size: int) -> list[str]:
    kinds: list[str] = []
    offset = 0
    while offset < size:
        if len(kinds) == MOST_BOXES:
            raise NotAnMp4(f"an MP4 of more than {MOST_BOXES} boxes")
        file.seek(offset)
        kind, length = _box(file.read(_LARGE_HEADER), size - offset)
        if not kinds and kind not in ("ftyp", "styp", "free", "skip", "wide"):
            raise NotAnMp4(f"not an MP4: it begins with {file_start(file)}")
        if length > size - offset:
            raise NotAnMp4(f"an MP4 cut short: its {kind} box ends {length - (size - offset)} bytes later")
        kinds.append(kind)
        offset += length
    return kinds


def _box(header: bytes, left: int) -> tuple[str, int]:
    if len(header) < _HEADER:
        raise NotAnMp4("an MP4 cut short: it ends inside a box header")
    length, raw = struct.unpack(">I4s", header[:_HEADER])
    kind = raw.decode("latin-1")
    least = _HEADER
    if length == 1 and len(header) == _LARGE_HEADER:
        (length,) = struct.unpack(">Q", header[_HEADER:])
        least = _LARGE_HEADER
    elif length == 0:  # the last box, to the end of the file
        return kind, left
    if length < least:
        raise NotAnMp4(f"not an MP4: a {kind!r} box of {length} bytes")
    return kind, length


def file_start(file: BinaryIO) -> str:
    """The first bytes of a file, for a message."""
    file.seek(0)
    return repr(file.read(24))[1:]
