"""The tracks of an MP4 by its boxes (ISO/IEC 14496-12): their coders as bytes, and how many pictures last how long."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, NamedTuple

MOST_BYTES = 1 << 22
"""Most bytes of headers that are read, in one file."""
_BOX, _NUMBER, _PAIR = struct.Struct(">I4s"), struct.Struct(">I"), struct.Struct(">II")
_PICTURE_FIELDS, _SOUND_FIELDS = 78, 28
"""Bytes of a sample description before its boxes, behind its own header."""
_LARGEST = (1 << 31) - 1
"""FFmpeg rounds a fraction of larger numbers."""
_EDIT = struct.Struct(">IIIiI")
_ONE = 1 << 16
"""The normal speed of an edit."""
_DEFAULT_TICKS, _OWN_TICKS = 0x8, 0x100
"""Flags of a fragment, and of a run of samples: whether it says how long a sample is."""
_RUN_FIELDS, _SAMPLE_FIELDS = (0x1, 0x4), (_OWN_TICKS, 0x200, 0x400, 0x800)
"""Flags of the fields of a run, and of each sample in it."""


class _UnusualMp4(ValueError):
    """The file has something that this module does not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mp4Tracks:
    """One track of pictures and at most one of sound.

    ``coders``: the bytes that set up the decoders, without bit rates, which differ between clips of one kind.
    ``duration`` is in seconds; ``frames`` is ``None`` for a fragmented file, whose index lists none.
    """

    coders: tuple[bytes, bytes]
    frame_rate: Fraction
    duration: float
    frames: int | None


class _Track(NamedTuple):
    """``ticks`` of all ``samples``, ``scale`` of them a second, and how many of them are ``shown``."""

    number: int
    handler: bytes
    coder: bytes
    scale: int
    samples: int
    ticks: int
    shown: int


def read_tracks(path: Path) -> Mp4Tracks | None:
    """The tracks of the file at ``path``; ``None`` if it is no MP4, or an unusual one. Raises ``OSError``."""
    try:
        with path.open("rb") as file:
            return _find_tracks(list(_read_headers(file)))
    except (_UnusualMp4, struct.error, ArithmeticError, LookupError, ValueError):  # also of a broken file
        return None


def _read_headers(file: BinaryIO) -> Iterator[tuple[bytes, memoryview]]:
    """The contents of the ``moov`` box and of all ``moof`` boxes."""
    left = MOST_BYTES
    at = 0
    while header := file.read(_BOX.size):
        length, kind = _BOX.unpack(header)
        if length < _BOX.size or kind == b"sidx":  # a long box, or an index that says how long fragments are
            raise _UnusualMp4
        if kind in (b"moov", b"moof"):
            left -= length
            content = file.read(length - _BOX.size) if left >= 0 else b""
            if len(content) != length - _BOX.size:
                raise _UnusualMp4
            yield kind, memoryview(content)
        at += length
        file.seek(at)


def _find_tracks(headers: list[tuple[bytes, memoryview]]) -> Mp4Tracks:
    (first, movie), *fragments = headers
    if first != b"moov" or any(kind != b"moof" for kind, _ in fragments):
        raise _UnusualMp4
    boxes = list(_iter_boxes(movie))
    ((_, head),) = [box for box in boxes if box[0] == b"mvhd"]
    tracks = [_read_track(content, _read_scale(head)[0]) for kind, content in boxes if kind == b"trak"]
    handlers = [track.handler for track in tracks]
    if sorted(handlers) not in ([b"vide"], [b"soun", b"vide"]):
        raise _UnusualMp4
    pictures = tracks[handlers.index(b"vide")]
    sound = tracks[handlers.index(b"soun")].coder if len(tracks) > 1 else b""
    is_fragmented = any(kind == b"mvex" for kind, _ in boxes)
    if is_fragmented == bool(pictures.samples) or is_fragmented != bool(fragments):
        raise _UnusualMp4
    for _, content in fragments:
        pictures = _add_fragment(pictures, content)
    frame_rate = Fraction(pictures.scale * pictures.samples, pictures.ticks)
    if max(frame_rate.as_integer_ratio()) > _LARGEST:
        raise _UnusualMp4
    return Mp4Tracks(
        coders=(pictures.coder, sound),
        frame_rate=frame_rate,
        duration=round(float(Fraction(pictures.shown, pictures.scale)), 6),
        frames=None if is_fragmented else pictures.samples,
    )


def _iter_boxes(content: memoryview, start: int = 0) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and content of each box from ``start`` on."""
    while start < len(content):
        length, kind = _BOX.unpack_from(content, start)
        if length < _BOX.size or start + length > len(content):
            raise _UnusualMp4
        yield kind, content[start + _BOX.size : start + length]
        start += length


def _read_track(content: memoryview, movie_scale: int) -> _Track:
    boxes = dict(_iter_boxes(content))
    media = dict(_iter_boxes(boxes[b"mdia"]))
    table = dict(_iter_boxes(dict(_iter_boxes(media[b"minf"]))[b"stbl"]))
    handler = bytes(media[b"hdlr"][8:12])
    coder = _read_coder(table[b"stsd"], _PICTURE_FIELDS if handler == b"vide" else _SOUND_FIELDS)
    scale, length = _read_scale(media[b"mdhd"])
    samples, ticks = _add_times(table[b"stts"])
    shown = min(ticks, length)  # less if a picture is shown later than it is decoded
    if handler == b"vide" and b"edts" in boxes:
        delay = _NUMBER.unpack_from(table[b"ctts"], 12)[0] if b"ctts" in table else 0
        edit = _read_edit(dict(_iter_boxes(boxes[b"edts"]))[b"elst"], delay)
        shown = min(shown, round(Fraction(edit * scale, movie_scale)))
    return _Track(_read_number(boxes[b"tkhd"]), handler, coder, scale, samples, ticks, shown)


def _read_number(header: memoryview) -> int:
    """The number of a track."""
    return int(_NUMBER.unpack_from(header, 20 if header[0] else 12)[0])


def _read_scale(header: memoryview) -> tuple[int, int]:
    """Ticks a second, and the length in ticks."""
    scale, length = struct.unpack_from(">IQ", header, 20) if header[0] else _PAIR.unpack_from(header, 12)
    return scale, length


def _add_times(table: memoryview) -> tuple[int, int]:
    """The number of samples, and their ticks in all."""
    (count,) = _NUMBER.unpack_from(table, 4)
    pairs = list(_PAIR.iter_unpack(table[8 : 8 + count * _PAIR.size]))
    return sum(samples for samples, _ in pairs), sum(samples * ticks for samples, ticks in pairs)


def _read_edit(edits: memoryview, delay: int) -> int:
    """How long the track is shown, in ticks of the movie; ``delay``: when its first picture is, in its own ticks."""
    flags, count, shown, start, speed = _EDIT.unpack(edits)
    if (flags, count, start, speed) != (0, 1, delay, _ONE):
        raise _UnusualMp4
    return int(shown)


def _read_coder(descriptions: memoryview, fields: int) -> bytes:
    """The bytes that set up the decoder of a track."""
    (count,) = _NUMBER.unpack_from(descriptions, 4)
    ((kind, content),) = _iter_boxes(descriptions, 8)
    if count != 1 or (fields == _SOUND_FIELDS and content[8:10] != bytes(2)):  # a later version has more fields
        raise _UnusualMp4
    boxes = [(name, part) for name, part in _iter_boxes(content, fields) if name != b"btrt"]
    parts = [name + (_drop_rates(part) if name == b"esds" else part) for name, part in boxes]
    return b"".join((kind, content[:fields], *parts))


def _drop_rates(descriptor: memoryview) -> bytes:
    """The description of a stream without its bit rates."""
    outer = _skip_length(descriptor, 4, 3)
    inner = _skip_length(descriptor, outer + 3, 4)
    decoder = bytes(descriptor[inner:])
    return decoder[:1] + decoder[13:]


def _skip_length(descriptor: memoryview, at: int, tag: int) -> int:
    """The offset behind the tag and the length at ``at``."""
    if descriptor[at] != tag:
        raise _UnusualMp4
    at += 1
    while descriptor[at] & 0x80:
        at += 1
    return at + 1


def _add_fragment(track: _Track, content: memoryview) -> _Track:
    """The track with its samples in a fragment, which follow those before."""
    for kind, part in _iter_boxes(content):
        boxes = list(_iter_boxes(part)) if kind == b"traf" else []
        if not boxes or _NUMBER.unpack_from(dict(boxes)[b"tfhd"], 4)[0] != track.number:
            continue
        start = dict(boxes)[b"tfdt"]
        if int.from_bytes(start[4:], "big") != track.ticks:
            raise _UnusualMp4
        for name, run in boxes:
            if name == b"trun":
                samples, ticks = _read_run(run, dict(boxes)[b"tfhd"])
                end = track.ticks + ticks
                track = track._replace(samples=track.samples + samples, ticks=end, shown=end)
    return track


def _read_run(run: memoryview, defaults: memoryview) -> tuple[int, int]:
    """The number of samples of a run, and their ticks in all."""
    flags, samples = _PAIR.unpack_from(run)
    if not flags & _OWN_TICKS:
        return samples, samples * _read_default_ticks(defaults)
    fields = sum(bool(flags & field) for field in _SAMPLE_FIELDS)
    start = _PAIR.size + 4 * sum(bool(flags & field) for field in _RUN_FIELDS)
    numbers = struct.unpack_from(f">{samples * fields}I", run, start)
    return samples, sum(numbers[::fields])


def _read_default_ticks(defaults: memoryview) -> int:
    (flags,) = _NUMBER.unpack_from(defaults)
    if not flags & _DEFAULT_TICKS:
        raise _UnusualMp4
    return int(_NUMBER.unpack_from(defaults, 8 + 8 * bool(flags & 1) + 4 * bool(flags & 2))[0])
