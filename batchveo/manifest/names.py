"""The names of jobs: made from prompts where none is given, and no two alike."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

SLUG_LIMIT = 48
"""The most characters that a name made from a prompt takes from it."""

_ID_SHOWN = 8
_ASCII_WORDS = bytes(byte if chr(byte).isalnum() and byte < 128 else 32 for byte in bytes(range(256)).lower())
"""What each byte comes to: letters and digits to small ones, all else to a space."""


def slug(prompt: str) -> str:
    """The first words of a prompt, joined by ``-``; every script keeps its letters and marks."""
    text = _join_words(prompt[: 2 * SLUG_LIMIT])
    if len(text) <= SLUG_LIMIT < len(prompt):  # most prompts say enough in their first characters
        text = _join_words(prompt[: 4 * SLUG_LIMIT])
    if len(text) > SLUG_LIMIT:
        text = text[: SLUG_LIMIT + 1].rpartition("-")[0] or text[:SLUG_LIMIT]
    return text.lower()


def _join_words(beginning: str) -> str:
    if beginning.isascii():
        return b"-".join(beginning.encode().translate(_ASCII_WORDS).split()).decode()
    return "-".join(_split_words(beginning))


def _split_words(text: str) -> list[str]:
    kept = (char if unicodedata.category(char)[0] in "LMN" else " " for char in text)
    return "".join(kept).split()


class Place(NamedTuple):
    """Where something stands."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Names:
    """What is taken already, as hashes: a million names take little room.

    A clash is therefore looked up in a second reading with its names as ``wanted``; ``first`` then tells who
    took them, and as the how-manieth.
    """

    def __init__(self, wanted: frozenset[str] = frozenset()) -> None:
        self.first: dict[str, tuple[int, Place]] = {}
        self.asked = 0
        self._taken: set[int] = set()
        self._wanted = wanted

    def take(self, name: str, file: str, line: int) -> bool:
        """Take a name for what stands there; false where it is taken already."""
        self.asked += 1
        if self._wanted and name in self._wanted:
            self.first.setdefault(name, (self.asked, Place(file, line)))
        key = hash(name) >> 4
        if key in self._taken:
            return False
        self._taken.add(key)
        return True

    def take_default(self, prompt: str, job_id: str, file: str, line: int) -> str:
        """Take a name made from the prompt and the id, with more of the id where that is taken."""
        start = f"{slug(prompt)}-".removeprefix("-")
        name = start + job_id[:_ID_SHOWN]
        return name if self.take(name, file, line) else start + job_id
