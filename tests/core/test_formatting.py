"""Numbers and times in words."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.formatting import format_count, format_span, format_usd, round_to_cents, write_value


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
    assert format_span(seconds) == words


def test_counting() -> None:
    """One is one, and thousands are parted."""
    assert [format_count(n, "job") for n in (0, 1, 2000)] == ["0 jobs", "1 job", "2,000 jobs"]


@pytest.mark.parametrize(
    ("usd", "words"),
    [
        (0, "$0.00"),
        (471.835, "$471.84"),
        (1.005, "$1.01"),
        (0.1 + 0.2, "$0.30"),
        (2.675, "$2.68"),
        (0.004999, "$0.00"),
        (0.005, "$0.01"),
        (-0.5, "-$0.50"),
        (-0.004, "$0.00"),
        (1_234_567.899_999_9, "$1,234,567.90"),
    ],
)
def test_half_a_cent_goes_up_whatever_the_binary_fraction(usd: float, words: str) -> None:
    """As a person rounds the decimal number."""
    assert format_usd(usd) == words


@given(st.integers(min_value=0, max_value=10**13))
def test_whole_millionths_round_as_decimals_do(micros: int) -> None:
    """Prices and charges are kept in them."""
    exact = (Decimal(micros) / 10_000).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    assert round_to_cents(micros / 1_000_000) == int(exact)


def test_values_as_in_a_manifest() -> None:
    assert [write_value(value) for value in ("16:9", True, 8, 0.5, None, [1])] == [
        "16:9",
        "true",
        "8",
        "0.5",
        "null",
        "[1]",
    ]
