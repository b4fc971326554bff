"""The bar over all jobs: a piece for each state, so long as its share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from batchveo.core.models import JobState
from batchveo.store import Counts


class Piece(NamedTuple):
    """What one part of the bar stands for, and how it is drawn, with colours or without."""

    states: tuple[JobState, ...]
    style: str
    glyph: str
    plain_glyph: str


PIECES = (
    Piece((JobState.SUCCEEDED,), "green", "━", "━"),
    Piece((JobState.FAILED,), "red", "━", "×"),
    Piece((JobState.CANCELLED,), "dim", "━", "-"),
    Piece((JobState.IN_DOUBT,), "yellow", "━", "?"),
    Piece((JobState.DOWNLOADING, JobState.GENERATING, JobState.SUBMITTING), "cyan", "━", "╍"),
    Piece((JobState.PENDING,), "dim", "─", "─"),
)


def bar(counts: Counts, width: int) -> list[tuple[Piece, int]]:
    """The pieces with their cells, ``width`` in all."""
    sizes = [sum(counts[state] for state in piece.states) for piece in PIECES]
    return list(zip(PIECES, shares(sizes, width), strict=True))


def shares(sizes: Sequence[int], width: int) -> list[int]:
    """``width`` cells divided by ``sizes``; nothing that is there goes unseen while there is room.

    Each that is not empty gets a cell, the largest give for it; nothing at all is a bar of the last kind.
    """
    total = sum(sizes)
    if not total:
        return [0] * (len(sizes) - 1) + [width]
    ends = [width * sum(sizes[: n + 1]) // total for n in range(len(sizes))]
    cells = [end - start for start, end in zip([0, *ends], ends, strict=False)]
    for n, size in enumerate(sizes):
        widest = max(range(len(cells)), key=cells.__getitem__)
        if size and not cells[n] and cells[widest] > 1:
            cells[n], cells[widest] = 1, cells[widest] - 1
    return cells
