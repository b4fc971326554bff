"""The page's JavaScript: the ES modules that a server sends, and the same code as one script.

A browser loads no module from a file, so a page without a server has them in one script. Each module becomes a
function that is called once: its imports become constants, what it exports is the function's result. That is
enough for modules of this form: imports stand alone on their lines, and one ``export { ... };`` ends the file.
"""

from __future__ import annotations

import re
from functools import cache
from posixpath import dirname, join, normpath

from batchveo.web.assets import text_of

ENTRY = "main.js"
LICENSE = "vendor/uPlot.LICENSE"
"""Of the charts' library: it goes with every copy of its code."""
_IMPORT = re.compile(r'^import (?P<names>[^"]+?) from "(?P<path>\.[^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export \{(?P<names>[^{}]*)\};\s*\Z", re.MULTILINE)
_OTHER = re.compile(r"^\s*(?:import|export)\b|\bimport\(", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@cache
def modules() -> tuple[str, ...]:
    """The names of all modules of the page, each after those that it imports."""
    order: dict[str, None] = {}

    def add(name: str, importers: tuple[str, ...]) -> None:
        if name in order:
            return
        if name in importers:
            raise ValueError(f"{name} imports itself, over {', '.join(importers)}")
        for found in _IMPORT.finditer(text_of(name)):
            add(_imported(name, found), (*importers, name))
        order.setdefault(name)

    add(ENTRY, ())
    return tuple(order)


@cache
def one_script() -> str:
    """All modules as one classic script, with the license of the code that others wrote."""
    called = "\n".join(_called(name) for name in modules())
    return f'/*\n{text_of(LICENSE)}*/\n"use strict";\n{{\nconst modules = {{}};\n{called}\n}}'


def _called(name: str) -> str:
    """A module as a call that puts what it exports into ``modules``."""
    body = _IMPORT.sub(lambda found: _constant(name, found), text_of(name))
    body = _EXPORT.sub(lambda found: f"return {{{_given(found['names'])}}};", body)
    if _OTHER.search(_COMMENT.sub("", body)):
        raise ValueError(f"{name} has an import or an export of another form")
    return f'modules["{name}"] = (() => {{\n{body}\n}})();'


def _imported(name: str, found: re.Match[str]) -> str:
    return normpath(join(dirname(name), found["path"]))


def _constant(name: str, found: re.Match[str]) -> str:
    """An import of ``{ a, b as c }``, ``* as a`` or ``a`` as a constant."""
    names = found["names"]
    if names.startswith("{"):
        names = names.replace(" as ", ": ")
    elif names.startswith("*"):
        names = names.removeprefix("* as ")
    else:
        names = f"{{ default: {names} }}"
    return f'const {names} = modules["{_imported(name, found)}"];'


def _given(names: str) -> str:
    """``a, b as c`` of an export as the inside of an object."""
    pairs = [name.split(" as ") for name in re.split(r"\s*,\s*", names.strip(" \n,"))]
    return ", ".join(f"{pair[-1]}: {pair[0]}" for pair in pairs)
