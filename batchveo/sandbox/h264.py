"""The smallest useful H.264 stream: uncompressed key frames, and frames that pan the one before.

Constrained Baseline, one slice a frame. A key frame holds its samples as they are (macroblock type I_PCM). A
frame between has one motion vector that all its macroblocks share; nothing else is coded, so such a frame
takes a few dozen bytes. Clauses and table numbers are those of ITU-T H.264.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

MACROBLOCK = 16
QUARTER_PELS = 4

_I_PCM = 25
_NAL_SLICE, _NAL_IDR, _NAL_SPS, _NAL_PPS = 0x41, 0x65, 0x67, 0x68
_P_SLICES, _I_SLICES = 5, 7
_FRAME_NUMBER_BITS = 4
_NEEDS_ESCAPE = re.compile(rb"\x00\x00(?=[\x00-\x03])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Samples in 4:2:0, row by row; the sides are multiples of 16.

    Samples keep to 1..255: without zeros, nothing in a key frame can be mistaken for a start code.
    """

    luma: Sequence[bytes]
    blue: Sequence[bytes]
    red: Sequence[bytes]


class _Bits:
    """Bits in the making, most significant first."""

    def __init__(self) -> None:
        self._value = 1

    def u(self, width: int, value: int) -> _Bits:
        """Fixed width, clause 7.2."""
        self._value = self._value << width | value
        return self

    def ue(self, *values: int) -> _Bits:
        """Unsigned Exp-Golomb codes, clause 9.1."""
        for value in values:
            self.u(2 * (value + 1).bit_length() - 1, value + 1)
        return self

    def se(self, value: int) -> _Bits:
        """A signed Exp-Golomb code, clause 9.1.1."""
        return self.ue(2 * value - 1 if value > 0 else -2 * value)

    def aligned(self) -> bytes:
        """The bits so far, filled up with zeros to whole bytes."""
        self.u(-(self._value.bit_length() - 1) % 8, 0)
        size = (self._value.bit_length() - 1) // 8
        return self._value.to_bytes(size + 1, "big")[1:]

    def ended(self) -> bytes:
        """The bits with the stop bit that ends a unit, clause 7.3.2.11."""
        return self.u(1, 1).aligned()


def parameter_sets(width: int, height: int) -> tuple[bytes, bytes]:
    """The sequence and the picture parameter set for pictures cropped to this size in (even) pixels."""
    columns, rows = -(-width // MACROBLOCK), -(-height // MACROBLOCK)
    sequence = _Bits().u(8, 66).u(8, 0xC0).u(8, 30).ue(0)
    sequence.ue(_FRAME_NUMBER_BITS - 4).ue(2).ue(1).u(1, 0)
    sequence.ue(columns - 1, rows - 1).u(1, 1).u(1, 1)
    sequence.u(1, 1).ue(0, (columns * MACROBLOCK - width) // 2, 0, (rows * MACROBLOCK - height) // 2)
    sequence.u(1, 0)
    # The deblocking filter is switched off in each slice: it would blur what is not coded at all.
    picture = _Bits().ue(0, 0).u(2, 0).ue(0, 0, 0).u(3, 0).se(0).se(0).se(0).u(3, 0b100)
    return _unit(_NAL_SPS, sequence.ended()), _unit(_NAL_PPS, picture.ended())


def key_frame(picture: Picture, *, number: int) -> bytes:
    """A key frame with these samples; successive ones differ in the parity of ``number``."""
    header = _Bits().ue(0, _I_SLICES, 0).u(_FRAME_NUMBER_BITS, 0).ue(number % 2).u(2, 0).se(0).ue(1)
    first, *others = _macroblocks(picture)
    start = header.ue(_I_PCM).aligned()
    between = _Bits().ue(_I_PCM).aligned()
    return _unit(_NAL_IDR, start) + first + between + between.join(others) + _Bits().ended()


@cache
def pan_frame(columns: int, rows: int, *, number: int, shift: tuple[int, int]) -> bytes:
    """The frame before, moved; ``number`` counts from the key frame, ``shift`` is in pixels and not (0, 0).

    The shift points to where in the frame before a sample comes from. Sizes are in macroblocks.
    """
    bits = _Bits().ue(0, _P_SLICES, 0).u(_FRAME_NUMBER_BITS, number % 2**_FRAME_NUMBER_BITS)
    bits.u(3, 0).se(0).ue(1)
    _moved(bits, skipped=0, vector=(shift[0] * QUARTER_PELS, shift[1] * QUARTER_PELS))
    for _ in range(columns - 1):
        _moved(bits, skipped=0)
    # Off the first row and column a skipped macroblock takes its neighbours' vector, clause 8.4.1.1.
    for row in range(1, rows):
        _moved(bits, skipped=0 if row == 1 else columns - 1)
    return _unit(_NAL_SLICE, bits.ue(columns - 1).ended())


def _moved(bits: _Bits, *, skipped: int, vector: tuple[int, int] = (0, 0)) -> None:
    """A macroblock P_L0_16x16 without residual; the vector is relative to its neighbours'."""
    bits.ue(skipped).ue(0).se(vector[0]).se(vector[1]).ue(0)


def _macroblocks(picture: Picture) -> Iterable[bytes]:
    luma, blue, red = picture.luma, picture.blue, picture.red
    for y in range(0, len(luma), MACROBLOCK):
        for x in range(0, len(luma[0]), MACROBLOCK):
            parts = [row[x : x + 16] for row in luma[y : y + 16]]
            parts += [row[x // 2 : x // 2 + 8] for row in blue[y // 2 : y // 2 + 8]]
            parts += [row[x // 2 : x // 2 + 8] for row in red[y // 2 : y // 2 + 8]]
            yield b"".join(parts)


def _unit(kind: int, payload: bytes) -> bytes:
    """A unit with its emulation prevention, clause 7.4.1."""
    return bytes((kind,)) + _NEEDS_ESCAPE.sub(b"\x00\x00\x03", payload)
