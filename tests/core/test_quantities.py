"""Numbers with a unit."""

from __future__ import annotations

import math
import re

import pytest

from batchveo.core.quantities import (
    DURATION,
    MONEY,
    RATE_A_MINUTE,
    RATE_A_SECOND,
    SIZE,
    SIZE_IN_MEGABYTES,
    Quantity,
)


@pytest.mark.parametrize(
    ("quantity", "text", "number"),
    [
        (DURATION, "90", 90.0),
        (DURATION, "0", 0.0),
        (DURATION, "1e3", 1000.0),
        (DURATION, "90s", 90.0),
        (DURATION, "30m", 1800.0),
        (DURATION, " 30 min ", 1800.0),
        (DURATION, "1.5h", 5400.0),
        (DURATION, "1h30m", 5400.0),
        (DURATION, "1 h 30 min 5 s", 5405.0),
        (DURATION, "2D", 172800.0),
        (DURATION, "-5", -5.0),
        (RATE_A_MINUTE, "30", 30.0),
        (RATE_A_MINUTE, "30/min", 30.0),
        (RATE_A_MINUTE, "0.5 / sec", 30.0),
        (RATE_A_MINUTE, "90/h", 1.5),
        (RATE_A_MINUTE, "1440/day", 1.0),
        (RATE_A_SECOND, "5", 5.0),
        (RATE_A_SECOND, "30/min", 0.5),
        (MONEY, "25", 25.0),
        (MONEY, "$25", 25.0),
        (MONEY, "25 USD", 25.0),
        (MONEY, "25.50$", 25.5),
        (MONEY, "$1,250.50", 1250.5),
        (MONEY, "inf", math.inf),
        (SIZE, "1000", 1000.0),
        (SIZE, "1GB", 1e9),
        (SIZE, "500 mb", 5e8),
        (SIZE, "1.5k", 1500.0),
        (SIZE, "64MiB", 64.0 * 2**20),
        (SIZE, "7B", 7.0),
        (SIZE_IN_MEGABYTES, "500", 5e8),
        (SIZE_IN_MEGABYTES, "500MB", 5e8),
    ],
)
def test_units_are_read(quantity: Quantity, text: str, number: float) -> None:
    """In the forms that people write."""
    assert quantity.parse(text) == pytest.approx(number)


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        *((DURATION, text) for text in ("", "soon", "30x", "1m1h", "1h1h", "m", "1h30", "nan", "5/s")),
        *((RATE_A_MINUTE, text) for text in ("", "fast", "3/fortnight", "1e9/min", "/s", "3//s", "30m")),
        *((MONEY, text) for text in ("", "€5", "$", "1,2", "$$5", "25 EUR", "12,50", "nan")),
        *((SIZE, text) for text in ("", "big", "1PB", "1 M i", "MB", "1iB", "GB1")),
    ],
)
def test_what_is_no_such_quantity_is_refused(quantity: Quantity, text: str) -> None:
    """The error shows the text and how it is written."""
    with pytest.raises(ValueError, match=r"is not an? .*: write ") as caught:
        quantity.parse(text)
    assert quantity.forms in str(caught.value)


@pytest.mark.parametrize("quantity", [DURATION, RATE_A_MINUTE, RATE_A_SECOND, MONEY, SIZE, SIZE_IN_MEGABYTES])
def test_the_forms_that_an_error_shows_are_taken(quantity: Quantity) -> None:
    """So that what a message suggests is right."""
    shown = [form for form in re.split(", or |, | or ", quantity.forms) if any(map(str.isdigit, form))]
    assert len(shown) >= 3
    assert all(quantity.parse(form) > 0 for form in shown)
