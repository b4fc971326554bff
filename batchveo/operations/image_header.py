"""What the first bytes of a picture tell: that it is one, and how large."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFile import Parser

_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")
_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1")
LONGEST_SIGNATURE = 16
"""Bytes after which it is clear what something is."""


class ImageHeader:
    """Takes a picture's bytes as they come, until its ``size`` (width, height in pixels) is known.

    Without Pillow the size stays ``None``. Never raises, whatever the bytes are.
    """

    def __init__(self) -> None:
        self.size: tuple[int, int] | None = None
        self._start = b""
        self._parser = _parser()
        self._hopeless = self._parser is None

    @property
    def is_image(self) -> bool:
        """Whether it is a picture, as far as its bytes tell."""
        return self.size is not None or _is_signed(self._start)

    @property
    def has_enough(self) -> bool:
        """Whether more bytes would tell nothing more."""
        return self.size is not None or (self._hopeless and len(self._start) >= LONGEST_SIGNATURE)

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        self._start += piece[: max(LONGEST_SIGNATURE - len(self._start), 0)]
        if self._parser is None or self._hopeless or self.size is not None:
            return
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of huge pictures: nothing of them is decoded here
                self._parser.feed(piece)
        except Exception:  # noqa: BLE001 - decoders fail on broken pictures in every way there is
            self._hopeless = True
        if self._parser.image is not None:
            self.size = self._parser.image.size


def has_pillow() -> bool:
    """Whether Pillow is there."""
    return find_spec("PIL") is not None


def _parser() -> Parser | None:
    if not has_pillow():
        return None
    from PIL.ImageFile import Parser

    return Parser()


def _is_signed(start: bytes) -> bool:
    if start.startswith(_SIGNATURES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP"):
        return True
    return start[4:8] == b"ftyp" and start[8:12] in _BRANDS
