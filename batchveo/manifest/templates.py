"""Text with ``{placeholders}``, filled by names alone.

Not ``str.format``: that reaches into attributes and items, and pads to any width.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from batchveo.manifest.problems import Fault, closest, shown

_TOKEN = re.compile(r"\{\{|\}\}|\{(?P<inside>[^{}]*)\}|(?P<lone>[{}])")
_INSIDE = re.compile(r"(?P<name>meta\.[^:!]+|\w+)(?::(?P<spec>.*))?", re.DOTALL)
_INTEGER_SPEC = re.compile(r"0?[1-9]?[0-9]?d?")
_FLOAT_SPEC = re.compile(r"(?:0?[1-9][0-9]?)?\.[0-9]f")
_ESCAPE_HINT = "write {{ and }} for braces that are meant as such"


@dataclass(frozen=True, slots=True)
class _Hole:
    name: str
    spec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A parsed text; ``names`` are its placeholders in their order."""

    parts: tuple[str | _Hole, ...]
    names: tuple[str, ...]

    def filled(self, values: Mapping[str, object]) -> str:
        """The text with the values in it; braces in those stay as they are.

        Raises ``Fault`` where a value does not fit its format; every name must be known.
        """
        return "".join(
            part if isinstance(part, str) else _formatted(part, values[part.name]) for part in self.parts
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateList:
    """A list of texts with placeholders."""

    items: tuple[Template, ...]
    names: tuple[str, ...]

    def filled(self, values: Mapping[str, object]) -> list[str]:
        """All texts with the values in them."""
        return [item.filled(values) for item in self.items]


Blank = Template | TemplateList


def has_braces(text: str) -> bool:
    """Whether the text has to be parsed at all."""
    return "{" in text or "}" in text


def blank_in_list(values: object) -> TemplateList | None:
    """The templates that a list of texts is; ``None`` where nothing in it holds braces. Raises ``Fault``."""
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        return None
    if not any(map(has_braces, values)):
        return None
    items = tuple(map(parsed, values))
    return TemplateList(items=items, names=tuple(name for item in items for name in item.names))


def check_names(names: Collection[str], known: Collection[str]) -> None:
    """Raise ``Fault`` for the first placeholder that is not among the known names."""
    for name in names:
        if name not in known:
            options = ", ".join(f"{{{option}}}" for option in known)
            guess = closest(name, known)
            raise Fault(
                f"nothing fills the placeholder {{{name}}}",
                f"{guess + ' ' if guess else ''}available: {options}; {_ESCAPE_HINT}",
            )


@lru_cache(maxsize=1024)
def parsed(text: str) -> Template:
    """The template that a text stands for. Raises ``Fault`` for lone braces and unknown formats."""
    parts: list[str | _Hole] = []
    end = 0
    for token in _TOKEN.finditer(text):
        parts.append(text[end : token.start()])
        end = token.end()
        if token["lone"]:
            raise Fault(f"the brace {token['lone']} at character {end} is alone", _ESCAPE_HINT)
        parts.append(token[0][0] if token["inside"] is None else _hole(token["inside"]))
    parts.append(text[end:])
    names = tuple(part.name for part in parts if isinstance(part, _Hole))
    return Template(parts=tuple(part for part in parts if part != ""), names=names)


def _hole(inside: str) -> _Hole:
    match = _INSIDE.fullmatch(inside.strip())
    if match is None:
        raise Fault(f"{{{inside}}} is not a placeholder", f"only names like {{style}}; {_ESCAPE_HINT}")
    spec = match["spec"] or ""
    if not (_INTEGER_SPEC.fullmatch(spec) or _FLOAT_SPEC.fullmatch(spec)):
        raise Fault(f"{{{inside}}} has a format that is not known", "formats are like 03d or .2f")
    return _Hole(match["name"], spec)


def _formatted(hole: _Hole, value: object) -> str:
    if isinstance(value, bool):
        value = "true" if value else "false"
    if not hole.spec:
        return str(value)
    if isinstance(value, int) or (isinstance(value, float) and hole.spec.endswith("f")):
        return format(value, hole.spec)
    needed = "a number" if hole.spec.endswith("f") else "a whole number"
    raise Fault(f"{{{hole.name}:{hole.spec}}} needs {needed}, not {shown(value)}", f"write {{{hole.name}}}")
