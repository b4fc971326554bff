"""File names that every file system accepts, made from names that people write, and paths made of such names."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence

SUFFIX_ROOM = 24
"""Bytes that must be free after a stem: ``~12345678`` of a distinct stem, then ``.mp4.json.part``."""

STEM_LIMIT = 255 - SUFFIX_ROOM
"""The longest stem in UTF-8 bytes; common file systems allow 255 bytes a name."""

PATH_LIMIT = 480
"""The longest path without its ending in UTF-8 bytes: a bucket allows keys of 1,024 bytes, with a prefix of 512."""

MOST_PIECES = 16
"""The most folders and names in a path; each may have 29 bytes then."""

_TOKEN = 8
_PLAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9 _.,'()\[\]+=~#@!$%&;^`{}-]*[A-Za-z0-9_,'()\[\]+=~#@!$%&;^`{}-])?")
_FORBIDDEN = re.compile(
    r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]'
    "|[" + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(1, 17)) + "]"
)
_ZERO_WIDTH_JOINERS = "\u200c\u200d"  # part of the spelling of emoji and of many scripts
_RESERVED = frozenset(
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"]
    + [f"{device}{digit}" for device in ("COM", "LPT") for digit in "123456789¹²³"]
)


def safe_stem(name: str) -> str:
    """A file stem (no extension) for ``name``, the same for the same name; unchanged if it is safe.

    At most ``STEM_LIMIT`` bytes of UTF-8: a longer one is cut between characters and ends in ``~`` and the
    first eight hex digits of the SHA-256 of the whole name. The result is safe, so a second call does not change it.
    """
    if len(name) <= STEM_LIMIT and _PLAIN.fullmatch(name) and not _is_reserved(name):
        return name
    stem = _make_ends_safe(_FORBIDDEN.sub("_", unicodedata.normalize("NFC", _drop_format_characters(name))))
    if len(_encode(stem)) <= STEM_LIMIT:
        return stem
    return distinct_stem(stem, hashlib.sha256(_encode(name)).hexdigest(), limit=STEM_LIMIT)


def safe_path(pieces: Sequence[str]) -> str:
    """The stem, with folders before it, for these pieces of a path; each becomes one name, whatever it holds.

    At most ``PATH_LIMIT`` bytes of UTF-8 for at most ``MOST_PIECES`` pieces: the pieces of a longer one are cut alike.
    """
    stems = [safe_stem(piece) for piece in pieces]
    path = "/".join(stems)
    return path if len(_encode(path)) <= PATH_LIMIT else cut_pieces(path, PATH_LIMIT // len(stems) - 1)


def cut_pieces(path: str, limit: int) -> str:
    """The path with each piece in at most ``limit`` bytes of UTF-8; a longer piece ends as one of ``safe_stem``."""
    return "/".join(
        piece
        if len(_encode(piece)) <= limit
        else distinct_stem(piece, hashlib.sha256(_encode(piece)).hexdigest(), limit=limit)
        for piece in path.split("/")
    )


def distinct_stem(stem: str, token: str, *, limit: int = STEM_LIMIT + 1 + _TOKEN) -> str:
    """The stem, ``~`` and the first eight characters of ``token``; its last piece in at most ``limit`` bytes."""
    folders, slash, name = stem.rpartition("/")
    return f"{folders}{slash}{_cut_stem(name, limit - 1 - _TOKEN)}~{token[:_TOKEN]}"


def _drop_format_characters(name: str) -> str:
    if name.isascii():
        return name
    return "".join(char for char in name if char in _ZERO_WIDTH_JOINERS or unicodedata.category(char) != "Cf")


def _make_ends_safe(stem: str) -> str:
    stem = stem.strip(" " + _ZERO_WIDTH_JOINERS).rstrip(" ." + _ZERO_WIDTH_JOINERS)
    if not stem or stem.startswith((".", "-")) or _is_reserved(stem):
        return f"_{stem}"
    return stem


def _is_reserved(stem: str) -> bool:
    return stem.partition(".")[0].rstrip(" ").upper() in _RESERVED


def _cut_stem(stem: str, limit: int) -> str:
    """The beginning of ``stem`` in at most ``limit`` bytes; it never ends within a character."""
    kept = _encode(stem)[:limit].decode(errors="ignore")
    if len(kept) == len(stem):
        return stem
    # an emoji or an accented letter can be several code points, and must not lose some of them
    end = len(kept)
    while end > 1 and (_is_joined(stem[end]) or stem[end - 1] == "\u200d"):
        end -= 1
    return stem[:end].rstrip(" ." + _ZERO_WIDTH_JOINERS)


def _is_joined(char: str) -> bool:
    """Whether the character belongs to the one before it: a mark, a joiner, a skin tone."""
    return (
        unicodedata.category(char).startswith("M")
        or char in _ZERO_WIDTH_JOINERS
        or "\U0001f3fb" <= char <= "\U0001f3ff"
    )


def _encode(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
