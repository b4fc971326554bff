"""The bar's arithmetic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batchveo.display.state_bar import shares


@given(st.lists(st.integers(0, 10**6), min_size=6, max_size=6), st.integers(0, 200))
def test_the_pieces_fill_the_width(sizes: list[int], width: int) -> None:
    """Exactly; and what is not there takes no room, where anything is."""
    cells = shares(sizes, width)
    assert sum(cells) == width
    assert min(cells) >= 0
    assert not sum(sizes) or all(size or not cell for size, cell in zip(sizes, cells, strict=True))


def test_a_single_failure_among_thousands_is_seen() -> None:
    """One cell at least, while there is room."""
    assert shares([9_998, 1, 0, 0, 0, 1], 40) == [38, 1, 0, 0, 0, 1]
