"""One scale of type and one of distances: styles name no other sizes."""

from __future__ import annotations

import re

import pytest

from batchveo.web.page import STYLES, read_asset

OWN = [name for name in STYLES if not name.startswith("vendor/")]
SIZES = ("tiny", "small", "text", "title", "lead", "figure")
TOKEN = re.compile(r"var\(--space-\d+\)")
DISTANCE = re.compile(r"(?:^|[;{\s])((?:(?:row-|column-)?gap|(?:padding|margin)(?:-[a-z]+)*):\s*([^;{}]+));")
SIZE = re.compile(r"font-size:\s*([^;}]+)")
FONT = re.compile(r"[\s;{]font:\s*([^;}]+)")


def list_others(style: str) -> list[str]:
    """Declarations of a size of type or a distance that is not of the scales."""
    text = re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL)
    odd = [whole for whole, value in DISTANCE.findall(text) if not is_on_scale(value)]
    sizes = [*SIZE.findall(text), *(value.split("/")[0] for value in FONT.findall(text))]
    return odd + [size for size in sizes if size.strip() not in ("inherit", *(f"var(--{name})" for name in SIZES))]


def is_on_scale(value: str) -> bool:
    """Whether nothing is left of a value but 0, auto and inverted tokens."""
    return not re.sub(r"calc\(-1 \* token\)|token|auto|\b0\b|\s", "", TOKEN.sub("token", value))


@pytest.mark.parametrize("name", OWN)
def test_sizes_and_distances_are_of_the_scales(name: str) -> None:
    assert list_others(read_asset(name)) == []


def test_another_size_is_found() -> None:
    assert list_others("a { font-size: 14px; padding: 0 10px } b { margin: auto 0; gap: var(--space-2) 1rem; }") == [
        "gap: var(--space-2) 1rem",
        "14px",
    ]


def test_the_scales_are_what_the_styles_use() -> None:
    """Each step has its use."""
    everything = "".join(map(read_asset, OWN))
    steps = re.findall(r"--(space-\d+):", read_asset("tokens.css"))
    assert [step for step in (*steps, *SIZES) if f"var(--{step})" not in everything] == []
