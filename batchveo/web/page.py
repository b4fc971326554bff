"""The HTML of the page: with a server behind it, or whole in one file."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from functools import cache

from batchveo.core.version import __version__
from batchveo.web.assets import ICON, STYLES, text_of
from batchveo.web.scripts import ENTRY, modules, one_script

_UNSAFE = str.maketrans({c: f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"})


def live_page(csrf: str, *, posters: bool, title: str) -> str:
    """The page of a server; ``csrf`` lets its scripts change things."""
    head = [f'<meta name="csrf" content="{html.escape(csrf)}">']
    head += [f'<meta name="posters" content="{"yes" if posters else "no"}">']
    head += [f'<link rel="icon" href="/static/{ICON}">']
    head += [f'<link rel="stylesheet" href="/static/{name}">' for name in STYLES]
    head += [f'<link rel="modulepreload" href="/static/{name}">' for name in modules()]
    return _page(title, "\n".join(head), f'<script type="module" src="/static/{ENTRY}"></script>')


def whole_page(data: object, *, title: str) -> str:
    """A page that has everything within, and may do nothing but show it."""
    style, script = _style(), one_script()
    policy = (
        f"default-src 'none'; script-src '{_sha256(script)}'; style-src '{_sha256(style)}'; img-src data:; "
        "media-src 'self' file:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
        "trusted-types 'none'"
    )
    head = f'<meta http-equiv="content-security-policy" content="{policy}">\n{_icon()}\n<style>{style}</style>'
    body = f'<script type="application/json" id="data">{embedded(data)}</script>\n<script>{script}</script>'
    return _page(title, head, body)


def embedded(data: object) -> str:
    """JSON that no HTML parser mistakes for markup, whatever stands in it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(_UNSAFE)
    return re.sub(r"[\ud800-\udfff]", lambda half: f"\\u{ord(half.group()):04x}", text)


def _page(title: str, head: str, scripts: str) -> str:
    shown = title.encode(errors="replace").decode()  # a file's name may hold bytes that are no text
    places = {"title": html.escape(shown), "head": head, "scripts": scripts, "version": html.escape(__version__)}
    return re.sub(r"\{\{(\w+)\}\}", lambda place: places[place.group(1)], text_of("page.html"))


@cache
def _style() -> str:
    return "\n".join(text_of(name) for name in STYLES)


def _icon() -> str:
    content = base64.b64encode(text_of(ICON).encode()).decode()
    return f'<link rel="icon" href="data:image/svg+xml;base64,{content}">'


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
