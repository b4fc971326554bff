"""Answers and their deliveries."""

from __future__ import annotations

import pytest

from batchveo.sandbox import Delivery, Ending


@pytest.mark.parametrize(
    ("delivery", "pieces"),
    [
        (Delivery(), [b"abcdefg"]),
        (Delivery(pieces=3), [b"abc", b"def", b"g"]),
        (Delivery(pieces=100), [b"a", b"b", b"c", b"d", b"e", b"f", b"g"]),
        (Delivery(repeats=2), [b"abcdefg", b"abcdefg"]),
        (Delivery(ending=Ending.RESET, kept=4, pieces=2), [b"ab", b"cd"]),
        (Delivery(ending=Ending.CLOSED, kept=0), []),
    ],
)
def test_a_body_is_sent_in_pieces(delivery: Delivery, pieces: list[bytes]) -> None:
    """All of it, or the part before the end of the connection."""
    assert list(delivery.split(b"abcdefg")) == pieces
    assert not delivery.unanswered


def test_a_connection_may_end_without_an_answer() -> None:
    """Before the status line."""
    assert Delivery(ending=Ending.CLOSED).unanswered
