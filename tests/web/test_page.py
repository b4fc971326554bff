"""The page's modules, in order and as one script."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from batchveo.web import page as pages
from batchveo.web.page import bundle_script, list_modules

if TYPE_CHECKING:
    from playwright.sync_api import Page


import re
import tomllib
from pathlib import Path

from batchveo.core.models import JobState
from batchveo.web import first_run
from batchveo.web.page import ICON, LICENSE, STATE_ICONS, STYLES, make_live_page, read_asset

FIRST_RUN = {first_run.PAGE, first_run.SCRIPT, *first_run.STYLES}


@pytest.fixture
def made_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Lets the page be made of other modules than its own."""

    def use(texts: dict[str, str]) -> None:
        monkeypatch.setattr(pages, "read_asset", {pages.LICENSE: "Free for all.\n", **texts}.__getitem__)
        for function in (list_modules, bundle_script):
            monkeypatch.setattr(pages, function.__name__, function.__wrapped__)

    return use


def test_a_module_comes_after_those_that_it_imports() -> None:
    """The page's own."""
    assert list_modules()[-1] == "main.js"
    assert list_modules().index("dom.js") < list_modules().index("gallery.js")


def test_one_script_does_what_the_modules_do(
    made_of: Callable[[dict[str, str]], None], new_page: Callable[..., Page]
) -> None:
    """Every form of import and export, another folder, a value that changes within its module."""
    made_of(
        {
            "main.js": """import * as Sum from "./parts/sum.js";
import sum from "./parts/sum.js";
import {
  sum as again,
  three,
} from "./parts/sum.js";

document.title = [Sum.three, sum(1, 1), again(2, 3), three].join(" ");
""",
            "parts/sum.js": """import { one } from "../one.js";

const three = one + 2;
function add(a, b) {
  return a + b;
}

/*
export function others() {}
*/

export { add as default, add as sum, three };
""",
            "one.js": "const one = 1;\n\nexport { one };\n",
        }
    )
    assert pages.list_modules() == ("one.js", "parts/sum.js", "main.js")
    page = new_page("about:blank")
    assert "Free for all." in pages.bundle_script()
    page.evaluate(pages.bundle_script())
    assert page.title() == "3 2 5 3"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('import "./main.js";\n', "another form"),
        ('const one = await import("./one.js");\n', "another form"),
        ("export function f() {}\n", "another form"),
        ('import { main } from "./main.js";\n', "main.js imports itself"),
    ],
)
def test_a_module_of_another_form_is_refused(made_of: Callable[[dict[str, str]], None], text: str, wrong: str) -> None:
    """Instead of a report whose script does nothing."""
    made_of({"main.js": text})
    with pytest.raises(ValueError, match=wrong):
        pages.bundle_script()


def test_no_module_ends_the_script_that_holds_it() -> None:
    """The report's HTML ends its script at the first such text."""
    assert "</script" not in bundle_script().lower()
    assert "<!--" not in bundle_script()


ROOT = Path(__file__).parents[2]
STATIC = ROOT / "batchveo/web/static"


def test_every_file_is_used_and_packaged() -> None:
    """None is forgotten in the list, nor in the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packaged = project["tool"]["setuptools"]["package-data"]["batchveo"]
    there = [path for path in STATIC.rglob("*") if path.is_file()]
    names = {path.relative_to(STATIC).as_posix() for path in there}
    assert names == {*STYLES, *list_modules(), LICENSE, ICON, *STATE_ICONS, "page.html", *FIRST_RUN}
    for path in there:
        assert any(path.relative_to(ROOT / "batchveo").match(pattern) for pattern in packaged)


def test_nothing_is_fetched_from_elsewhere_nor_read_as_markup() -> None:
    """No address of another host, no way from text to elements or code."""
    for name in (*list_modules(), *STYLES, "page.html", *FIRST_RUN):
        text = read_asset(name).replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"(inner|outer|Adjacent)HTML|document\.write|\beval\(|new Function", text), name
        assert name.startswith("vendor/") or not re.search("https?://", text), name


def test_every_state_has_its_word() -> None:
    """With the sentence that the program says."""
    words = read_asset("words.js")
    for state in JobState:
        assert re.search(rf"^  {state.value}: {{\s*word:", words, re.MULTILINE)
        assert state.sentence in words


def test_titles_are_text() -> None:
    """A state's file may have any name."""
    assert "<script>x" not in make_live_page("secret", posters=True, title="<script>x", cursor=0)
    assert make_live_page("secret", posters=True, title="{{head}}", cursor=0).count('<meta name="csrf"') == 1
