"""Small playable MP4 files, made without any codec library."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from math import pi, sin

from batchveo.sandbox.h264 import MACROBLOCK, Picture, key_frame, pan_frame, parameter_sets

FRAMES_PER_SECOND = 8
LONG_SIDE, SHORT_SIDE = 160, 90

_KEY_EVERY = 16
_TICKS = 1024
_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


def render(*, token: str, seconds: int, portrait: bool, size: int | None = None) -> bytes:
    """A video of moving stripes, whose look the token decides.

    ``size`` pads the file to so many bytes where it is smaller. Files of one length in seconds and one shape
    have the same size whatever their token.
    """
    width, height = (SHORT_SIDE, LONG_SIDE) if portrait else (LONG_SIDE, SHORT_SIDE)
    samples = list(_frames(_look(token), width, height, seconds * FRAMES_PER_SECOND))
    head = _box("ftyp", b"isom" + _u32(0x200) + b"isomiso2avc1mp41")
    # The index holds the place of the samples, which follow it: once without it, to learn its size.
    start = len(head) + len(_movie(samples, width, height, 0)) + 8
    file = head + _movie(samples, width, height, start) + _box("mdat", *samples)
    padding = (size or 0) - len(file) - 8
    return file + _box("free", bytes(padding)) if padding >= 0 else file


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """Stripes in three planes: where they start, how they lean, what they are made of, where they go."""

    phase: int
    slope: int
    shift: tuple[int, int]
    luma: bytes
    blue: bytes
    red: bytes


def _look(token: str) -> _Look:
    chance = blake2b(token.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return _Look(
        phase=int.from_bytes(chance[0:2], "big"),
        # Not 1 or -1: such stripes could lie along their own movement.
        slope=(-3, -2, 0, 2, 3)[chance[2] % 5],
        # Never 0, so that every pan frame has the same length.
        shift=(2 if chance[3] & 1 else -2, 2 if chance[3] & 2 else -2),
        luma=_wave(24 + chance[4] % 40, 32 + chance[5] % 64, 140 + chance[6] % 90),
        blue=_wave(40 + chance[7] % 80, 24 + chance[8] % 104, 128 + chance[9] % 104),
        red=_wave(40 + chance[10] % 80, 24 + chance[11] % 104, 128 + chance[12] % 104),
    )


def _wave(period: int, low: int, high: int) -> bytes:
    return bytes(round(low + (high - low) * (0.5 + 0.5 * sin(2 * pi * x / period))) for x in range(period))


def _frames(look: _Look, width: int, height: int, count: int) -> Iterator[bytes]:
    """Each frame as a sample of the file: a unit behind its length."""
    columns, rows = -(-width // MACROBLOCK), -(-height // MACROBLOCK)
    for number in range(count):
        age = number % _KEY_EVERY
        if age:
            unit = pan_frame(columns, rows, number=age, shift=look.shift)
        else:
            picture = _picture(look, columns * MACROBLOCK, rows * MACROBLOCK, number)
            unit = key_frame(picture, number=number // _KEY_EVERY)
        yield _u32(len(unit)) + unit


def _picture(look: _Look, width: int, height: int, number: int) -> Picture:
    """The picture where the pan frames have moved it by this frame."""
    x, y = look.shift[0] * number, look.shift[1] * number
    return Picture(
        luma=_stripes(look, look.luma, width, height, x, y),
        blue=_stripes(look, look.blue, width // 2, height // 2, x // 2, y // 2),
        red=_stripes(look, look.red, width // 2, height // 2, x // 2, y // 2),
    )


def _stripes(look: _Look, wave: bytes, width: int, height: int, x: int, y: int) -> list[bytes]:
    period = len(wave)
    endless = wave * (width // period + 2)
    starts = ((look.phase + x + look.slope * (y + row)) % period for row in range(height))
    return [endless[start : start + width] for start in starts]


def _movie(samples: list[bytes], width: int, height: int, start: int) -> bytes:
    ticks = len(samples) * _TICKS
    scale = FRAMES_PER_SECOND * _TICKS
    header = _full_box("mvhd", _u32(0, 0, scale, ticks, 0x10000, 0x1000000), bytes(8), _MATRIX, bytes(24), _u32(2))
    track = _full_box("tkhd", _u32(0, 0, 1, 0, ticks), bytes(16), _MATRIX, _u32(width << 16, height << 16), flags=3)
    media = _box(
        "mdia",
        _full_box("mdhd", _u32(0, 0, scale, ticks, 0x55C40000)),
        _full_box("hdlr", _u32(0), b"vide", bytes(12), b"VideoHandler\0"),
        _box("minf", _full_box("vmhd", bytes(8), flags=1), _DATA_INFORMATION, _table(samples, width, height, start)),
    )
    return _box("moov", header, _box("trak", track, media))


def _table(samples: list[bytes], width: int, height: int, start: int) -> bytes:
    count = len(samples)
    key_frames = range(1, count + 1, _KEY_EVERY)
    return _box(
        "stbl",
        _full_box("stsd", _u32(1), _sample_entry(width, height)),
        _full_box("stts", _u32(1, count, _TICKS)),
        _full_box("stss", _u32(len(key_frames), *key_frames)),
        _full_box("stsc", _u32(1, 1, count, 1)),
        _full_box("stsz", _u32(0, count, *map(len, samples))),
        _full_box("stco", _u32(1, start)),
    )


def _sample_entry(width: int, height: int) -> bytes:
    sequence, picture = parameter_sets(width, height)
    configuration = b"".join(
        (
            b"\x01",
            sequence[1:4],
            b"\xff\xe1",
            struct.pack(">H", len(sequence)),
            sequence,
            b"\x01",
            struct.pack(">H", len(picture)),
            picture,
        )
    )
    start = bytes(6) + struct.pack(">H", 1) + bytes(16)
    look = struct.pack(">HHIIIH32sHh", width, height, 0x480000, 0x480000, 0, 1, b"", 24, -1)
    return _box("avc1", start, look, _box("avcC", configuration))


def _u32(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def _box(kind: str, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return _u32(len(content) + 8) + kind.encode() + content


def _full_box(kind: str, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, _u32(flags), *parts)


_DATA_INFORMATION = _box("dinf", _full_box("dref", _u32(1), _full_box("url ", flags=1)))
