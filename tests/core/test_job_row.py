"""The form by which requests are compared."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.job_row import canonical_json, normal_key, normal_request, normal_text

CAFE = "Café"


@pytest.mark.parametrize(
    "written",
    [
        f" {CAFE}",
        f"{CAFE} ",
        f"{CAFE}\n",
        f"\t{CAFE}\r\n",
        f"\u00a0{CAFE}\u3000",
        f"\ufeff{CAFE}",
        f"{CAFE}\u200b",
        f"{CAFE} \u200d \u2060",
        f"\u200e{CAFE}\u200f",
        unicodedata.normalize("NFD", CAFE),
        unicodedata.normalize("NFD", f" {CAFE} "),
    ],
)
def test_what_makes_no_difference(written: str) -> None:
    """Blanks, invisible marks at the ends, and how an accent is written, anywhere in a request."""
    assert normal_text(written) == CAFE
    for request, plain in (
        ({"prompt": written}, {"prompt": CAFE}),
        ({"a": [{"b": written}]}, {"a": [{"b": CAFE}]}),
    ):
        assert normal_request(canonical_json(request)) == canonical_json(plain)
        assert normal_key(canonical_json(request), 1) == normal_key(canonical_json(plain), 1)


@pytest.mark.parametrize(
    "written", ["a  b", "a\u200db", "A", "\U0001f3f4\U000e0067\U000e0062\U000e007f", "\u2764\ufe0f", '"', "ﬁ"]
)
def test_what_makes_one(written: str) -> None:
    """What is inside a text, its case, and marks that are seen: a flag is more than a black one."""
    assert normal_text(written) == written
    assert normal_text(f"{written}.") != CAFE


def test_the_index_makes_one() -> None:
    """A repeat is another job."""
    assert normal_key("{}", 0) != normal_key("{}", 1)


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=8) | st.integers() | st.lists(st.text(max_size=4))))
def test_normal_requests(asked: dict[str, object]) -> None:
    """The quick look never misses anything, and what is normal stays as it is to the letter."""
    written = canonical_json(asked)
    by_hand = {
        key: normal_text(value)
        if isinstance(value, str)
        else [normal_text(item) for item in value]
        if isinstance(value, list)
        else value
        for key, value in asked.items()
    }
    assert normal_request(written) == canonical_json(by_hand)
    assert normal_request(normal_request(written)) == normal_request(written)
