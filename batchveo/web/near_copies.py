"""How many other clips look the same as each: counted in the background, for the cards of the gallery."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from batchveo.media.near_copies import group_near_copies
from batchveo.store import Store
from batchveo.web.background import Background

MOST_CLIPS = 100_000
"""Clips that are compared: with all of a very large database the page would be slow for minutes."""
REST_SECONDS = 10.0
"""Between two counts, at the least."""


def follow_near_copies(path: Path) -> Background[Mapping[int, int]]:
    """By the number of a job, how many other clips look the same; others are left out."""
    return Background(path, _count_near_copies, {}, rest=REST_SECONDS)


def _count_near_copies(store: Store) -> Mapping[int, int]:
    groups = group_near_copies(islice(store.facts.list_hashes(), MOST_CLIPS))
    return {seq: len(group) - 1 for group in groups for seq in group}
