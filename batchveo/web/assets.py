"""The files that the page is made of, in their order."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

ICON = "icon.svg"
STYLES = ("tokens.css", "layout.css", "gallery.css", "panel.css", "charts.css")
SCRIPTS = (
    "dom.js",
    "moments.js",
    "money.js",
    "words.js",
    "source.js",
    "ask.js",
    "actions.js",
    "card.js",
    "gallery.js",
    "filters.js",
    "panel.js",
    "progress.js",
    "failures.js",
    "charts-time.js",
    "charts-frame.js",
    "charts-series.js",
    "charts-spread.js",
    "charts-lanes.js",
    "charts-paint.js",
    "charts-timeline.js",
    "charts.js",
    "charts-view.js",
    "theme.js",
    "main.js",
)


@cache
def text_of(name: str) -> str:
    """The content of one of them."""
    return files("batchveo.web").joinpath("static", name).read_text(encoding="utf-8")
