"""The files that the page is made of; its scripts are in ``scripts``."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

ICON = "icon.svg"
STYLES = ("tokens.css", "layout.css", "gallery.css", "panel.css", "vendor/uPlot.min.css", "charts.css")


@cache
def text_of(name: str) -> str:
    """The content of one of them."""
    return files("batchveo.web").joinpath("static", name).read_text(encoding="utf-8")
