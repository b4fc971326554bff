"""Templates: names alone, with bounded formats."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.manifest.problems import Fault
from batchveo.manifest.templates import parse_template

VALUES = {"index": 7, "x": 2.5, "word": "a{b}", "yes": True, "meta.a b": "m"}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{index}", "7"),
        ("{index:03d}", "007"),
        ("{index:2}", " 7"),
        ("{index:.1f}", "7.0"),
        ("{x:.2f}", "2.50"),
        ("{x:07.2f}", "0002.50"),
        ("{word} {{word}}", "a{b} {word}"),
        ("{yes}", "true"),
        ("{meta.a b}", "m"),
        ("{{{index}}}", "{7}"),
        ("", ""),
    ],
)
def test_filled(template: str, text: str) -> None:
    """Values as they are, numbers in their format, doubled braces single."""
    assert parse_template(template).filled(VALUES) == text


@pytest.mark.parametrize(
    "template",
    ["{", "}", "{index", "a } b", "{{index}", "{}", "{index!r}", "{index:1000d}", "{index.real}", "{a[0]}"],
)
def test_refused(template: str) -> None:
    """Lone braces, and all that reaches beyond names."""
    with pytest.raises(Fault):
        parse_template(template)


@pytest.mark.parametrize("template", ["{word:03d}", "{yes:d}", "{x:d}", "{word:.1f}"])
def test_formats_need_numbers(template: str) -> None:
    """A format that does not fit its value is a fault, not an exception of Python's."""
    with pytest.raises(Fault):
        parse_template(template).filled(VALUES)


@given(text=st.text(st.sampled_from("{}ab:!.0d "), max_size=12))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """Nothing but a fault comes out of odd texts, and escaping makes any text itself."""
    with contextlib.suppress(Fault):
        parse_template(text)
    assert parse_template(text.replace("{", "{{").replace("}", "}}")).filled({}) == text
