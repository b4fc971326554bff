"""The page's colours, reckoned by WCAG 2.2 (AA) as the browser has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from batchveo.store import Store
from batchveo.web.static_report import write_report
from tests.web.conftest import Night

if TYPE_CHECKING:
    from playwright.sync_api import Page

GROUNDS = ("paper", "surface", "sunken")
TEXTS = ("ink", "muted", "accent", "succeeded", "failed", "doubt", "active", "waiting", "gone")
COLOURS = """names => Object.fromEntries(names.map(
    name => [name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()]))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_can_be_told_apart(new_page: Callable[..., Page], night: Night, scheme: str) -> None:
    """Text against what it stands on at 4.5 to 1, the edges of controls at 3 to 1."""
    with Store(night.path, writing=False) as store:
        written = write_report(store, night.videos / "report.html", now=99.0, posters=False)
    page = new_page(written.path.as_uri(), color_scheme=scheme)
    colours = page.evaluate(COLOURS, [*GROUNDS, *TEXTS, "edge"])
    low = {(name, ground) for name in TEXTS for ground in GROUNDS if ratio(colours[name], colours[ground]) < 4.5}
    assert not low
    assert all(ratio(colours["edge"], colours[ground]) >= 3 for ground in ("paper", "surface"))


def ratio(one: str, other: str) -> float:
    """The ratio of the luminances of two colours, ``#rgb`` or ``#rrggbb``."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
