"""The page: its HTML for a server or for one file, and its styles and ES modules, bundled.

A browser loads no module from a file, and fifty of them from a server take long. So all modules are one script. Each
becomes a function that is called once: its imports become constants, and the function returns what the module exports.
The modules have a form that makes this possible: an import has lines of its own, and one ``export { ... };`` ends the
file.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from functools import cache
from importlib.resources import files
from posixpath import dirname, join, normpath

from batchveo.core.version import __version__

BRAND = "batchveo"
ICON = "icon.svg"
STATE_ICONS = ("icon-running.svg", "icon-done.svg", "icon-failed.svg", "icon-doubt.svg")
"""Icons of a tab, by what became of the jobs: each has a shape of its own."""
STYLES = (
    "tokens.css",
    "layout.css",
    "gallery.css",
    "panel.css",
    "strip.css",
    "choose.css",
    "vendor/uPlot.min.css",
    "charts.css",
)
ENTRY = "main.js"
STYLE, SCRIPT = "page.css", "page.js"
"""What a server has of all styles, and of all modules."""
LICENSE = "vendor/uPlot.LICENSE"
"""The license of the library that draws charts; every copy of its code includes it."""

_UNSAFE = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})
_IMPORT = re.compile(r'^import (?P<names>[^"]+?) from "(?P<path>\.[^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export \{(?P<names>[^{}]*)\};\s*\Z", re.MULTILINE)
_OTHER_FORM = re.compile(r"^\s*(?:import|export)\b|\bimport\(", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def make_live_page(csrf: str, *, posters: bool, title: str, cursor: int) -> str:
    """The page of a server; ``csrf`` is the secret that its scripts send with every change.

    ``cursor`` is the number of the latest event: what changes after it is told to the page, however soon it comes.
    """
    head = [f'<meta name="csrf" content="{html.escape(csrf)}">']
    head += [f'<meta name="posters" content="{"yes" if posters else "no"}">']
    head += [f'<meta name="cursor" content="{cursor}">']
    head += [f'<link rel="icon" href="/static/{ICON}">']
    head += [f'<link rel="stylesheet" href="/static/{STYLE}">']
    return _fill_page(title, "\n".join(head), f'<script src="/static/{SCRIPT}"></script>')


def make_static_page(data: object, *, title: str) -> str:
    """A page in one file, with ``data`` as JSON; its policy forbids all requests but those for videos."""
    style, script = bundle_style(), bundle_script()
    policy = (
        f"default-src 'none'; script-src '{_hash_source(script)}'; style-src '{_hash_source(style)}'; img-src data:; "
        "media-src 'self' file: data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    )
    icon = base64.b64encode(read_asset(ICON).encode()).decode()
    head = (
        f'<meta http-equiv="content-security-policy" content="{policy}">\n'
        f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">\n<style>{style}</style>'
    )
    body = f'<script type="application/json" id="data">{embed_json(data)}</script>\n<script>{script}</script>'
    return _fill_page(title, head, body)


def embed_json(data: object) -> str:
    """JSON without any character that an HTML parser could take for markup."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_UNSAFE)
    return re.sub(r"[\ud800-\udfff]", lambda half: f"\\u{ord(half.group()):04x}", text)


def _fill_page(title: str, head: str, scripts: str) -> str:
    values = {**name_page(title), "head": head, "scripts": scripts, "version": html.escape(__version__)}
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found.group(1)], read_asset("page.html"))


def name_page(title: str) -> dict[str, str]:
    """The name of a database as HTML, with the ``title`` of its page; no name if it is the usual one."""
    shown = title.encode(errors="replace").decode()  # a file name may contain bytes that are not text
    name = "" if shown == BRAND else html.escape(shown)
    return {"name": name, "title": f"{name} · {BRAND}" if name else BRAND}


def _hash_source(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def read_asset(name: str) -> str:
    """The content of a file of ``static``."""
    return files("batchveo.web").joinpath("static", name).read_text(encoding="utf-8")


@cache
def list_modules() -> tuple[str, ...]:
    """The names of all modules of the page, each after the modules that it imports."""
    order: dict[str, None] = {}

    def add(name: str, importers: tuple[str, ...]) -> None:
        if name in order:
            return
        if name in importers:
            raise ValueError(f"{name} imports itself, over {', '.join(importers)}")
        for found in _IMPORT.finditer(read_asset(name)):
            add(_resolve_import(name, found), (*importers, name))
        order.setdefault(name)

    add(ENTRY, ())
    return tuple(order)


@cache
def bundle_style() -> str:
    """All styles as one."""
    return "\n".join(map(read_asset, STYLES))


@cache
def bundle_script() -> str:
    """All modules as one classic script, with the license of the vendored code."""
    calls = "\n".join(map(_wrap_module, list_modules()))
    return f'/*\n{read_asset(LICENSE)}*/\n"use strict";\n{{\nconst modules = {{}};\n{calls}\n}}'


def _wrap_module(name: str) -> str:
    """A module as a call of a function, whose result is stored in ``modules``."""
    body = _IMPORT.sub(lambda found: _make_constant(name, found), read_asset(name))
    body = _EXPORT.sub(lambda found: f"return {{{_make_properties(found['names'])}}};", body)
    if _OTHER_FORM.search(_COMMENT.sub("", body)):
        raise ValueError(f"{name} has an import or an export of another form")
    return f'modules["{name}"] = (() => {{\n{body}\n}})();'


def _resolve_import(name: str, found: re.Match[str]) -> str:
    return normpath(join(dirname(name), found["path"]))


def _make_constant(name: str, found: re.Match[str]) -> str:
    """An import of ``{ a, b as c }``, ``* as a`` or ``a`` as a constant."""
    names = found["names"]
    if names.startswith("{"):
        names = names.replace(" as ", ": ")
    elif names.startswith("*"):
        names = names.removeprefix("* as ")
    else:
        names = f"{{ default: {names} }}"
    return f'const {names} = modules["{_resolve_import(name, found)}"];'


def _make_properties(names: str) -> str:
    """``a, b as c`` of an export as the properties of an object."""
    pairs = [name.split(" as ") for name in re.split(r"\s*,\s*", names.strip(" \n,"))]
    return ", ".join(f"{pair[-1]}: {pair[0]}" for pair in pairs)
