"""Causes of failures."""

from __future__ import annotations

import pytest

from batchveo.core.failure_causes import NO_REASON, find_cause


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        ("code 17", "code N"),
        ("took 3.5 s of 60", "took N s of N"),
        ("request 0f8fad5b-d9cb-469f-a165-70867728950e refused", "request ID refused"),
        ("generation f_X_9kwN3XjQTO68ZOH4D is gone", "generation ID is gone"),
        ("see https://example.org/a?b=1 for more", "see URL for more"),
        ("HTTP 400: bad seed 99", "HTTP 400: bad seed N"),
        ("422 for image 12", "422 for image N"),
        ("veo3 does not take\n 4k", "veo3 does not take 4k"),
        ("", NO_REASON),
        (None, NO_REASON),
    ],
)
def test_what_varies_is_left_out(error: str | None, cause: str) -> None:
    """Ids, numbers, addresses; names and statuses stay."""
    assert find_cause(error) == cause


def test_a_book_of_an_error_is_cut() -> None:
    """It takes no time, and is no book any more."""
    assert len(find_cause("very long " * 100_000)) <= 500
