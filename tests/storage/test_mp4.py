"""Whether a file is a whole MP4."""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.storage.mp4 import NotAnMp4, PassingMp4, check_mp4


def box(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def large(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4sQ", 1, kind, 16 + len(payload)) + payload


WHOLE = box(b"ftyp", b"isom\0\0\0\0") + box(b"moov", b"m" * 40) + box(b"mdat", b"d" * 100)


@pytest.mark.parametrize(
    "content",
    [
        WHOLE,
        box(b"ftyp", b"isom") + box(b"mdat", b"d") + box(b"moov"),
        box(b"ftyp", b"isom") + box(b"free", b"x") + box(b"moov") + large(b"mdat", b"d" * 50),
        box(b"ftyp", b"isom") + box(b"moov") + struct.pack(">I4s", 0, b"mdat") + b"to the end",
    ],
)
def test_whole_files(tmp_path: Path, content: bytes) -> None:
    """Any order, 64-bit sizes, a last box to the end of the file."""
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    check_mp4(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><html>Not Found</html>", "begins with"),
        (b"{}", "inside a box header"),
        (WHOLE[:-1], "cut short: its mdat box ends 1 bytes later"),
        (WHOLE[:30], "cut short"),
        (WHOLE + b"\0\0", "cut short"),
        (box(b"ftyp", b"isom") + box(b"moov"), "without media data"),
        (box(b"ftyp", b"isom") + box(b"mdat"), "without its index"),
        (box(b"ftyp", b"isom") + struct.pack(">I4s", 3, b"moov"), "box of 3 bytes"),
        (box(b"ftyp") + box(b"free") * 10_001, "more than 10000 boxes"),
        (box(b"free") + box(b"moov") + box(b"mdat"), "file type"),
    ],
)
def test_what_is_not_one(tmp_path: Path, content: bytes, message: str) -> None:
    """Each with what is wrong."""
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    with pytest.raises(NotAnMp4, match=message):
        check_mp4(path)


@given(st.integers(0, len(WHOLE) - 1))
def test_no_beginning_of_a_file_is_a_whole_file(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    """Wherever it is cut."""
    path = tmp_path_factory.mktemp("cut") / "v.mp4"
    path.write_bytes(WHOLE[:length])
    with pytest.raises(NotAnMp4):
        check_mp4(path)


CONTENTS = [
    WHOLE,
    WHOLE[:-1],
    WHOLE[:30],
    WHOLE + b"\0\0",
    b"",
    b"<!DOCTYPE html>",
    b"{}",
    box(b"ftyp", b"isom") + box(b"free") + box(b"free") + box(b"moov") + large(b"mdat", b"d" * 50) + box(b"free"),
    box(b"ftyp", b"isom") + box(b"moov") + struct.pack(">I4s", 0, b"mdat") + b"to the end",
    box(b"ftyp", b"isom") + box(b"mdat"),
    box(b"ftyp", b"isom") + struct.pack(">I4s", 3, b"moov"),
    box(b"ftyp", b"isom") + struct.pack(">I4s", 1, b"moov"),
    box(b"ftyp") + box(b"free") * 10_001,
]


def flaw_of(check: Callable[[], None]) -> str | None:
    try:
        check()
    except NotAnMp4 as error:
        return str(error)
    return None


def passed(pieces: list[bytes]) -> None:
    passing = PassingMp4()
    for piece in pieces:
        passing.add_piece(piece)
    passing.check_end()


@pytest.mark.parametrize("content", CONTENTS)
def test_what_passes_is_judged_as_a_file_is(tmp_path: Path, content: bytes) -> None:
    """The same words, wherever the bytes are cut in two, and byte by byte."""
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    said = flaw_of(lambda: check_mp4(path))
    cuts = range(len(content) + 1) if len(content) < 1000 else range(0, len(content), 9973)
    for cut in cuts:
        assert flaw_of(partial(passed, [content[:cut], content[cut:]])) == said
    assert flaw_of(lambda: passed([bytes([byte]) for byte in content])) == said


@given(st.lists(st.integers(0, len(WHOLE)), max_size=8))
def test_every_split_of_a_whole_file_is_whole(cuts: list[int]) -> None:
    """Pieces of no bytes included."""
    edges = [0, *sorted(cuts), len(WHOLE)]
    passed([WHOLE[start:end] for start, end in pairwise(edges)])
