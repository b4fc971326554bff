"""Whether a file is a whole MP4, by its boxes (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from pathlib import Path

MOST_BOXES = 10_000
HEADER = 16
"""Most bytes of a box header: kind and length."""
_SHORT_HEADER = 8
_BEGINNINGS = ("ftyp", "styp", "free", "skip", "wide")


class NotAnMp4(ValueError):
    """The file is not an MP4, or not all of it."""


class BoxList:
    """The boxes of a file, header by header. ``next`` is the offset of the next header, in bytes."""

    def __init__(self) -> None:
        self.next = 0
        self._kinds: list[str] = []
        self._open = False

    def add_header(self, header: bytes) -> None:
        """Take the ``HEADER`` bytes at ``next``, fewer only at the end of the file; raises ``NotAnMp4``."""
        if len(self._kinds) == MOST_BOXES:
            raise NotAnMp4(f"an MP4 of more than {MOST_BOXES} boxes")
        kind, length = _parse_header(header)
        if not self._kinds and kind not in _BEGINNINGS:
            raise NotAnMp4(f"not an MP4: it begins with {repr(header)[1:]}")
        self._kinds.append(kind)
        self._open = length == 0  # the last box, to the end of the file
        self.next += length

    @property
    def is_last(self) -> bool:
        """Whether no further header can follow."""
        return self._open

    def check_end(self, size: int) -> None:
        """Raise ``NotAnMp4`` unless the boxes fill ``size`` bytes and hold a type, an index and media data."""
        if size == 0:
            raise NotAnMp4("an empty file")
        if self.next > size:
            kind = self._kinds[-1]
            raise NotAnMp4(f"an MP4 cut short: its {kind} box ends {self.next - size} bytes later")
        if "ftyp" not in self._kinds:
            raise NotAnMp4("not an MP4: it does not begin with a file type box")
        if "moov" not in self._kinds:
            raise NotAnMp4("an MP4 without its index (moov)")
        if "mdat" not in self._kinds:
            raise NotAnMp4("an MP4 without media data (mdat)")


class PassingMp4:
    """Checks an MP4 that comes in pieces; keeps no more of it than a header."""

    def __init__(self) -> None:
        self._boxes = BoxList()
        self._size = 0
        self._held = b""

    def add_piece(self, piece: bytes) -> None:
        """Check the next piece; raises ``NotAnMp4`` as soon as the file cannot be one."""
        self._size += len(piece)
        if not self._has_header(self._size):
            return
        seen = self._held + piece
        first = self._size - len(seen)
        while self._has_header(self._size - HEADER + 1):
            at = self._boxes.next - first
            self._boxes.add_header(seen[at : at + HEADER])
        self._held = seen[max(0, self._boxes.next - first) :]

    def check_end(self) -> None:
        """Raise ``NotAnMp4`` unless the pieces were a whole MP4."""
        while self._has_header(self._size):
            at = self._boxes.next - (self._size - len(self._held))
            self._boxes.add_header(self._held[at : at + HEADER])
        self._boxes.check_end(self._size)

    def _has_header(self, end: int) -> bool:
        """Whether the next header begins before byte ``end``."""
        return not self._boxes.is_last and self._boxes.next < end


def check_mp4(path: Path) -> None:
    """Raise ``NotAnMp4`` unless the file's boxes are whole and hold a type, an index and media data.

    Reads box headers only. Raises ``OSError`` if the file cannot be read.
    """
    size = path.stat().st_size
    boxes = BoxList()
    with path.open("rb") as file:
        while not boxes.is_last and boxes.next < size:
            file.seek(boxes.next)
            boxes.add_header(file.read(HEADER))
    boxes.check_end(size)


def _parse_header(header: bytes) -> tuple[str, int]:
    """Kind and length in bytes; 0 for a box that ends with the file."""
    if len(header) < _SHORT_HEADER:
        raise NotAnMp4("an MP4 cut short: it ends inside a box header")
    length, raw = struct.unpack(">I4s", header[:_SHORT_HEADER])
    kind = raw.decode("latin-1")
    if length == 0:
        return kind, 0
    least = _SHORT_HEADER
    if length == 1 and len(header) == HEADER:
        (length,) = struct.unpack(">Q", header[_SHORT_HEADER:])
        least = HEADER
    if length < least:
        raise NotAnMp4(f"not an MP4: a {kind!r} box of {length} bytes")
    return kind, length
