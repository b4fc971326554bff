"""Numbers and times in words."""

from __future__ import annotations

import pytest

from batchveo.core.formatting import counted, span


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.5, "1 min"),
        (90, "2 min"),
        (3599, "1 h 00 min"),
        (12_000, "3 h 20 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_times_in_words(seconds: float, words: str) -> None:
    """Of a length that people say."""
    assert span(seconds) == words


def test_counting() -> None:
    """One is one, and thousands are parted."""
    assert [counted(n, "job") for n in (0, 1, 2000)] == ["0 jobs", "1 job", "2,000 jobs"]
