"""The page before the first run, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from batchveo.sandbox.asgi_server import running
from batchveo.web.app import make_app
from batchveo.web.security import Secrets
from tests.web.conftest import Night

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_an_open_page_turns_into_the_gallery(new_page: Callable[..., Page], tmp_path: Path) -> None:
    """By itself, as soon as a run begins."""
    with running(make_app(tmp_path / "night.db", keys=Secrets())) as url:
        page = new_page(url, width=390)
        assert page.locator("h1").inner_text() == "No run yet"
        assert page.locator(".command").count() == 3
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        Night(tmp_path)
        page.locator("#gallery").wait_for(state="attached")
