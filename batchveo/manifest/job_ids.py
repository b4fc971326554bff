"""The ids of jobs: a hash of what a job asks for, and which of equal jobs it is; and tables of hashes."""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Hashable
from hashlib import sha256
from typing import NamedTuple

from batchveo.core.job_row import normal_request

ID_BYTES = 10
"""An id is the beginning of a SHA-256, written as twice as many hex digits."""

_LINE_BITS = 32
_WORD = (1 << 60) - 1
_FEWEST_SLOTS = 1 << 12
_NOT_ASCII = re.compile(r"[^ -~]+")


class Place(NamedTuple):
    """A line of a file."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class KeyTable:
    """The first number of each key. Keys are hashes of sixty bits.

    A hash table with open addressing in two arrays: a million keys take 34 MB, and 100 MB as numbers in a dict.
    """

    def __init__(self) -> None:
        self._count = 0
        self._make_slots(_FEWEST_SLOTS)

    def _make_slots(self, count: int) -> None:
        self._mask = count - 1
        self._keys = array("Q", bytes(8 * count))  # 0 is a free slot
        self._numbers = array("Q", bytes(8 * count))

    def find_number(self, key: int) -> int | None:
        """The number of a key; ``None`` if it is not taken."""
        keys, mask = self._keys, self._mask
        slot = key & mask
        while taken := keys[slot]:
            if taken == key:
                return self._numbers[slot]
            slot = slot + 1 & mask
        return None

    def take_number(self, key: int, number: int) -> int | None:
        """Take a key for this number; the number that took it first, if one did."""
        keys, mask = self._keys, self._mask
        slot = key & mask
        while taken := keys[slot]:
            if taken == key:
                return self._numbers[slot]
            slot = slot + 1 & mask
        keys[slot] = key
        self._numbers[slot] = number
        self._count += 1
        if self._count * 2 > mask:  # fuller, a search would pass many keys
            self._double_slots()
        return None

    def _double_slots(self) -> None:
        old = zip(self._keys, self._numbers, strict=True)
        self._make_slots(2 * (self._mask + 1))
        keys, numbers, mask = self._keys, self._numbers, self._mask
        for key, number in old:
            if key:
                slot = key & mask
                while keys[slot]:
                    slot = slot + 1 & mask
                keys[slot], numbers[slot] = key, number


class FirstPlaces:
    """The first place of each key."""

    def __init__(self) -> None:
        self._table = KeyTable()
        self._files: dict[str, int] = {}
        self._file: str | None = None  # that of the last place: most places are in the same file
        self._base = 0

    def take_key(self, key: int, place: Place) -> Place | None:
        """Take a key for this place; the place that took it first, if one did."""
        file, line = place
        if file is not self._file:
            self._file, self._base = file, self._files.setdefault(file, len(self._files)) << _LINE_BITS
        number = self._table.take_number(key, self._base + line)
        return None if number is None else Place([*self._files][number >> _LINE_BITS], number & (1 << _LINE_BITS) - 1)

    def has_key(self, key: int) -> bool:
        """Whether a key is taken."""
        return self._table.find_number(key) is not None


class JobIds:
    """Gives out the ids of one reading, and tells equal requests in it apart by counting them.

    Keeps eight bytes of a hash for each job. If two of a million differ and agree in those, one of them
    is counted as a repeat: its id is as unique and as stable as any.
    """

    def __init__(self) -> None:
        self._first = FirstPlaces()
        self._repeats: dict[int, int] = {}

    def assign_id(self, request: str, index: int, own_id: str | None, place: Place) -> tuple[str, Place | None]:
        """The id of the next job, and the place of the first job that asks for the same, if there is one.

        ``request`` is canonical JSON, and counts in its normal form. The hash is taken of a JSON object in ASCII
        with sorted keys.
        """
        own, request = split_identity(request, own_id)
        digest = _hash_identity(own, index, request)
        key = int.from_bytes(digest[:8], "big") >> 4 or 1  # sixty bits: a machine word less than sixty-four take
        first = self._first.take_key(key, place)
        if first is None:
            return digest.hex(), None
        # counted instead of drawn at random: the next reading has to give the same ids
        self._repeats[key] = occurrence = self._repeats.get(key, 0) + 1
        return _hash_identity(own, index, request, occurrence).hex(), first


def find_id(request: str, index: int, own_id: str | None, occurrence: int) -> str:
    """The id of the job that asks for this for the ``occurrence``-th time, from 0."""
    own, request = split_identity(request, own_id)
    return _hash_identity(own, index, request, occurrence).hex()


def hash_word(word: Hashable) -> int:
    """Sixty bits, for a machine word less than sixty-four take; of a million words two agree once in two million."""
    return hash(word) >> 4 & _WORD or 1


def split_identity(request: str, own_id: str | None) -> tuple[str, str]:
    """The given id as a member of a JSON object, and the normal form of a request, both in ASCII."""
    request = normal_request(request)
    if not request.isascii() or "\x7f" in request:
        request = _NOT_ASCII.sub(_escape_match, request)
    return "" if own_id is None else f'"id":{json.dumps(own_id)},', request


def _hash_identity(own: str, index: int, request: str, occurrence: int = 0) -> bytes:
    repeated = f'"occurrence":{occurrence},' if occurrence else ""
    return _hash_text(f'{{{own}"index":{index},{repeated}"request":{request}}}')


def _hash_text(identity: str) -> bytes:
    return sha256(identity.encode()).digest()[:ID_BYTES]


def _escape_match(match: re.Match[str]) -> str:
    """JSON holds characters that are no printable ASCII only inside of strings, and there as escapes."""
    return json.dumps(match[0])[1:-1]
