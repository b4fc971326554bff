"""Groups of near copies, against the answer of comparing each with each."""

from __future__ import annotations

import random
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.media import near_copies
from batchveo.media.near_copies import BANDS, MOST_BITS, NEIGHBOURS, are_near_copies, group_near_copies

Hashes = tuple[int, ...]


def make_clip() -> Hashes:
    return tuple(random.getrandbits(64) for _ in range(8))


def flip_bits(hashes: Hashes, places: set[int]) -> Hashes:
    """The hashes with the bits at these places of all 512 flipped."""
    masks = [sum(1 << place % 64 for place in places if place // 64 == frame) for frame in range(8)]
    return tuple(number ^ mask for number, mask in zip(hashes, masks, strict=True))


def group_by_all_pairs(clips: list[tuple[int, Hashes]]) -> list[tuple[int, ...]]:
    groups = {clip: {clip} for clip, _ in clips}
    for (one, first), (other, second) in combinations(clips, 2):
        if first == second or are_near_copies(first, second):
            joined = groups[one] | groups[other]
            for clip in joined:
                groups[clip] = joined
    return sorted({tuple(sorted(group)) for group in groups.values() if len(group) > 1})


flips = st.sets(st.integers(0, 511), max_size=BANDS - 1)


@given(st.lists(st.tuples(st.integers(0, 4), flips), max_size=25), st.integers(0, 2**32), st.randoms())
def test_groups_are_those_of_all_pairs(copies: list[tuple[int, set[int]]], seed: int, order: random.Random) -> None:
    """Some originals, one of them black, and copies that differ in fewer bits than there are bands."""
    chance = random.Random(seed)
    originals = [(0,) * 8, *(tuple(chance.getrandbits(64) for _ in range(8)) for _ in range(4))]
    clips = [(number, flip_bits(originals[which], places)) for number, (which, places) in enumerate(copies)]
    expected = group_by_all_pairs(clips)
    order.shuffle(clips)
    found = group_near_copies(clips)
    pairs = {pair for group in found for pair in combinations(group, 2)}
    assert pairs <= {pair for group in expected for pair in combinations(group, 2)}
    near = {
        (one, other)
        for (one, first), (other, second) in combinations(sorted(clips), 2)
        if count_differing(first, second) < BANDS and (first == second or are_near_copies(first, second))
    }
    assert near <= pairs


def count_differing(one: Hashes, other: Hashes) -> int:
    return sum((first ^ second).bit_count() for first, second in zip(one, other, strict=True))


def test_copies_at_the_limit_are_nearly_always_found() -> None:
    """Of pairs that differ in the most bits that count, wherever these are; one bit more is too much."""
    found = 0
    for _ in range(500):
        clip, places = make_clip(), set(random.sample(range(512), MOST_BITS))
        found += group_near_copies([(1, clip), (2, flip_bits(clip, places))]) == [(1, 2)]
        more = places | {next(place for place in range(512) if place not in places)}
        assert group_near_copies([(1, clip), (2, flip_bits(clip, more))]) == []
    assert found > 495


def test_a_chain_is_one_group() -> None:
    """Its ends differ more than near copies do."""
    chain = [make_clip()]
    for step in range(5):
        chain.append(flip_bits(chain[-1], set(range(30 * step, 30 * step + 30))))
    assert not are_near_copies(chain[0], chain[-1])
    assert group_near_copies(list(enumerate(chain))) == [(0, 1, 2, 3, 4, 5)]


def test_pictures_without_contrast_are_not_all_alike() -> None:
    """A black clip and one with few bits differ little, and yet are not near; with the same bits they are."""
    few = (0b1011 << 20, *(0,) * 7)
    assert group_near_copies([(1, (0,) * 8), (2, few)]) == []
    assert group_near_copies([(1, (0,) * 8), (2, few), (3, (0,) * 8), (4, few)]) == [(1, 3), (2, 4)]


def test_ids_of_any_order_give_one_answer() -> None:
    """Groups and ids are sorted; clips without frames are in none."""
    first, second = make_clip(), make_clip()
    clips = [("d", second), ("b", first), ("a", ()), ("e", ()), ("c", second), ("f", first), ("g", make_clip())]
    assert group_near_copies(clips) == [("b", "f"), ("c", "d")]
    assert group_near_copies(reversed(clips)) == [("b", "f"), ("c", "d")]
    assert group_near_copies([]) == []


def test_many_clips_that_share_a_band_take_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """3,000 with the same first frame: no more comparisons than the bound, and the copies among them are found."""
    compared = 0
    find_pairs = near_copies._find_pairs

    class Counted(int):
        def __xor__(self, other: int) -> int:
            nonlocal compared
            compared += 1
            return int(self) ^ int(other)

    def count_pairs(bucket: list[int], shift: int) -> object:
        return find_pairs([Counted(signature) for signature in bucket], shift)

    monkeypatch.setattr(near_copies, "_find_pairs", count_pairs)
    clips = [(0, *make_clip()[1:]) for _ in range(1500)]
    copies = [flip_bits(clip, set(random.sample(range(64, 512), 10))) for clip in clips]
    numbered = list(enumerate(clips)) + [(number + 1500, clip) for number, clip in enumerate(copies)]
    assert group_near_copies(numbered) == [(number, number + 1500) for number in range(1500)]
    shared = 4  # bands of the first frame, which would be 18 million comparisons
    assert compared < 3000 * NEIGHBOURS * (shared + 1)
