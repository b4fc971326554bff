"""The page's modules, in order and as one script."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from batchveo.web import scripts
from batchveo.web.scripts import modules, one_script

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def made_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Lets the page be made of other modules than its own."""

    def use(texts: dict[str, str]) -> None:
        monkeypatch.setattr(scripts, "text_of", {scripts.LICENSE: "Free for all.\n", **texts}.__getitem__)
        for function in (modules, one_script):
            monkeypatch.setattr(scripts, function.__name__, function.__wrapped__)

    return use


def test_a_module_comes_after_those_that_it_imports() -> None:
    """The page's own."""
    assert modules()[-1] == "main.js"
    assert modules().index("dom.js") < modules().index("gallery.js")


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
    assert scripts.modules() == ("one.js", "parts/sum.js", "main.js")
    page = new_page("about:blank")
    assert "Free for all." in scripts.one_script()
    page.evaluate(scripts.one_script())
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
        scripts.one_script()


def test_no_module_ends_the_script_that_holds_it() -> None:
    """The report's HTML ends its script at the first such text."""
    assert "</script" not in one_script().lower()
    assert "<!--" not in one_script()
