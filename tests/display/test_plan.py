"""Columns of text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batchveo.display.columns import cells, fit, labelled, middle, pad


@given(st.text(), st.integers(8, 60))
def test_nothing_is_wider_than_its_room(text: str, width: int) -> None:
    """In any script; and nothing steers a terminal."""
    for line in (fit(text, width), middle(text, width), *labelled("note", text, width + 9).split("\n")):
        assert cells(line) <= width + 9
        assert line.isprintable()
    assert cells(fit(text, width)) <= width
    assert cells(middle(text, width)) <= width
    assert cells(pad(fit(text, width), width)) == width


def test_wide_characters_count_twice_and_marks_not_at_all() -> None:
    """As terminals have it."""
    assert cells("東京") == 4
    assert cells("e\u0301") == 1
    assert fit("東京の夜", 6) == "東京…"
    assert middle("google/veo-3.1-fast", 11) == "googl…-fast"


def test_escapes_become_blanks() -> None:
    """Also those that would turn the writing round."""
    assert fit("a\x1b[31m\u202eb\r\nc", 40) == "a [31m b c"
