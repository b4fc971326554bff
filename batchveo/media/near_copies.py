"""Groups of clips that look the same, found by the hashes of their frames without comparing each with each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from batchveo.core.measures import HASHED_FRAMES

BANDS = 32
"""Equal slices of a signature, 16 bits each of the 512 that 8 hashes have."""
MOST_BITS = 48
"""Two clips are near copies if at most so many bits of their signatures differ, 6 of 64 in each frame: nearly always
fewer do in copies of another size or quality, about 80 and more in other scenes. Signatures with fewer than ``BANDS``
differing bits agree in a band, and all but one in a thousand of those with 48, so only clips that share a band need to
be compared."""
COMMON_PART = 2
"""Of the bits that are set in one of the two, at most one in so many may differ: pictures without contrast have few."""
NEIGHBOURS = 32
"""A clip is compared with at most so many that share a band with it, those that also agree in the next bands. Clips in
the dark share a band by the thousand; more comparisons than ``clips * BANDS * NEIGHBOURS`` are never made."""
_HASH_BITS = 64
_SIZE = HASHED_FRAMES * _HASH_BITS
_BAND_BITS = _SIZE // BANDS
_BAND_MASK = (1 << _BAND_BITS) - 1

Id = TypeVar("Id", int, str)


def group_near_copies(clips: Iterable[tuple[Id, Sequence[int]]]) -> list[tuple[Id, ...]]:
    """The groups of two or more near copies, by id and the hashes of frames (as of ``Measures.hashes``).

    Clips without all hashes are in no group. A group holds all clips that pairs of near copies link, so that two of its
    clips may differ more. The answer does not depend on the order of ``clips``: ids are in order, and so are groups.
    The time is nearly proportional to the number of clips.
    """
    alike: dict[int, list[Id]] = defaultdict(list)  # clips with the same signature need no comparison
    for clip, hashes in clips:
        if len(hashes) == HASHED_FRAMES:
            alike[_join_hashes(hashes)].append(clip)
    groups: dict[int, list[Id]] = defaultdict(list)
    for signature, root in _link_signatures(sorted(alike)).items():
        groups[root] += alike[signature]
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)


def are_near_copies(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two clips with these hashes are near copies."""
    return _are_near(_join_hashes(one), _join_hashes(other))


def _are_near(one: int, other: int) -> bool:
    differing = (one ^ other).bit_count()
    return differing <= MOST_BITS and differing * COMMON_PART <= (one | other).bit_count()


def _join_hashes(hashes: Sequence[int]) -> int:
    signature = 0
    for number in hashes:
        signature = signature << _HASH_BITS | number
    return signature


def _link_signatures(signatures: Sequence[int]) -> dict[int, int]:
    """For each signature the one that is the root of its group."""
    parents = {signature: signature for signature in signatures}
    for shift in range(0, _SIZE, _BAND_BITS):
        buckets: dict[int, list[int]] = defaultdict(list)
        for signature in signatures:
            buckets[signature >> shift & _BAND_MASK].append(signature)
        for bucket in buckets.values():
            for one, other in _find_pairs(bucket, shift):
                parents[_find_root(parents, one)] = _find_root(parents, other)
    return {signature: _find_root(parents, signature) for signature in signatures}


def _find_pairs(bucket: list[int], shift: int) -> Iterator[tuple[int, int]]:
    """The near copies among signatures that share the band at ``shift``."""
    if len(bucket) > NEIGHBOURS + 1:
        bucket.sort(key=lambda signature: _rotate(signature, shift))  # by the next bands
    for place, one in enumerate(bucket, 1):
        for other in bucket[place : place + NEIGHBOURS]:
            if (one ^ other).bit_count() <= MOST_BITS and _are_near(one, other):  # mostly not: no call for that
                yield one, other


def _find_root(parents: dict[int, int], signature: int) -> int:
    while (parent := parents[signature]) != signature:
        parents[signature] = signature = parents[parent]
    return signature


def _rotate(signature: int, shift: int) -> int:
    """The signature with the bits below ``shift`` at the front, and the band at the end."""
    return signature >> shift | (signature & ((1 << shift) - 1)) << (_SIZE - shift)
