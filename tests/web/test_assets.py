"""The files that the page is made of."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from batchveo.core.models import JobState
from batchveo.web.assets import ICON, STYLES, text_of
from batchveo.web.page import live_page
from batchveo.web.scripts import LICENSE, modules

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "batchveo/web/static"


def test_every_file_is_used_and_packaged() -> None:
    """None is forgotten in the list, nor in the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packaged = project["tool"]["setuptools"]["package-data"]["batchveo"]
    there = [path for path in STATIC.rglob("*") if path.is_file()]
    names = {path.relative_to(STATIC).as_posix() for path in there}
    assert names == {*STYLES, *modules(), LICENSE, ICON, "page.html"}
    for path in there:
        assert any(path.relative_to(ROOT / "batchveo").match(pattern) for pattern in packaged)


def test_nothing_is_fetched_from_elsewhere_nor_read_as_markup() -> None:
    """No address of another host, no way from text to elements or code."""
    for name in (*modules(), *STYLES, "page.html"):
        text = text_of(name).replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(inner|outer|Adjacent)HTML|document\.write|\beval\(|new Function", text), name
        assert name.startswith("vendor/") or not re.search("https?://", text), name


def test_every_state_has_its_word() -> None:
    """With the sentence that the program says."""
    words = text_of("words.js")
    for state in JobState:
        assert re.search(rf"^  {state.value}: {{\s*word:", words, re.MULTILINE)
        assert state.sentence in words


def test_titles_are_text() -> None:
    """A state's file may have any name."""
    assert "<script>x" not in live_page("secret", posters=True, title="<script>x")
    assert live_page("secret", posters=True, title="{{head}}").count('<meta name="csrf"') == 1
