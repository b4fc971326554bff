"""Text with ``{placeholders}``, filled by names alone.

Not ``str.format``: that reaches into attributes and items, and pads to any width.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from batchveo.core.hints import suggest_closest
from batchveo.manifest.problems import Fault, shown

_TOKEN = re.compile(r"\{\{|\}\}|\{(?P<inside>[^{}]*)\}|(?P<lone>[{}])")
_INSIDE = re.compile(r"(?P<name>(?:meta|row)\.[^:!]+|\w+)(?::(?P<spec>.*))?", re.DOTALL)
_INTEGER_SPEC = re.compile(r"0?[1-9]?[0-9]?d?")
_FLOAT_SPEC = re.compile(r"(?:0?[1-9][0-9]?)?\.[0-9]f")
_TEXT_SPEC = re.compile(r"\.[1-9][0-9]{0,3}")
_ESCAPE_HINT = "write {{ and }} for braces that are meant as such"
NO_NAMES: frozenset[str] = frozenset()


class AnyName(frozenset[str]):
    """Holds every name: for templates whose columns could not be read."""

    def __contains__(self, name: object) -> bool:
        return True

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


ANY_NAME = AnyName()


@dataclass(frozen=True, slots=True)
class _Hole:
    name: str
    spec: str

    @property
    def written(self) -> str:
        return f"{{{self.name}:{self.spec}}}" if self.spec else f"{{{self.name}}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A parsed text; ``names`` are its placeholders in their order."""

    parts: tuple[str | _Hole, ...]
    names: tuple[str, ...]

    def filled(self, values: Mapping[str, object]) -> str:
        """The text with the values in it; braces in those stay as they are.

        Raises ``Fault`` if a value is missing or does not fit its format; every name must be known.
        """
        return "".join(part if isinstance(part, str) else _format_value(part, values[part.name]) for part in self.parts)

    def value(self, values: Mapping[str, object]) -> object:
        """The value of a template that is one placeholder and nothing else, in its own type; else the text.

        ``None`` if nothing fills that one placeholder.
        """
        if len(self.parts) == 1 and isinstance(part := self.parts[0], _Hole) and not part.spec:
            return values[part.name]
        return self.filled(values)

    def split(self, separator: str) -> list[Template]:
        """The templates between the separators of the text; those within placeholders and values do not count."""
        pieces: list[list[str | _Hole]] = [[]]
        for part in self.parts:
            first, *others = part.split(separator) if isinstance(part, str) else (part,)
            pieces[-1].append(first)
            pieces += [[other] for other in others]
        return [
            Template(parts=tuple(piece), names=tuple(part.name for part in piece if isinstance(part, _Hole)))
            for piece in pieces
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateList:
    """A list of texts with placeholders."""

    items: tuple[Template, ...]
    names: tuple[str, ...]

    def value(self, values: Mapping[str, object]) -> list[object] | None:
        """All items filled: one that nothing fills is left out, a list takes its place item by item."""
        filled: list[object] = []
        for item in self.items:
            value = item.value(values)
            if value is not None:
                filled += value if isinstance(value, list) else [value]
        return filled or None


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedBlank:
    """A value of any depth with templates in place of its texts, as ``meta`` may hold it."""

    parts: object
    names: tuple[str, ...]

    def value(self, values: Mapping[str, object]) -> object:
        """The value filled; what nothing fills is left out of its list or mapping, ``None`` if that is all."""
        return _fill_nested(self.parts, values)


Blank = Template | TemplateList | NestedBlank


def parse_nested_blank(value: object, columns: frozenset[str]) -> NestedBlank | None:
    """The templates in a value; ``None`` if none of its texts holds braces. Raises ``Fault``."""
    names: list[str] = []
    parts = _parse_nested(value, columns, names)
    return NestedBlank(parts=parts, names=tuple(names)) if names or parts != value else None


def _parse_nested(value: object, columns: frozenset[str], names: list[str]) -> object:
    if isinstance(value, dict):
        return {key: _parse_nested(item, columns, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_parse_nested(item, columns, names) for item in value]
    if not isinstance(value, str) or not has_braces(value):
        return value
    template = parse_template(value, columns)
    names += template.names
    return template


def _fill_nested(value: object, values: Mapping[str, object]) -> object:
    if isinstance(value, Template):
        return value.value(values)
    if isinstance(value, dict):
        filled = {key: _fill_nested(item, values) for key, item in value.items()}
        return {key: item for key, item in filled.items() if item is not None or value[key] is None}
    if isinstance(value, list):
        pairs = [(each, _fill_nested(each, values)) for each in value]
        return [item for each, item in pairs if item is not None or each is None]
    return value


def to_text(value: object) -> str:
    """A value as a text shows it. Raises ``Fault`` for what no text can take in."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise Fault(f"{shown(value)} is no text", "a text takes in texts, numbers, true and false")
    return str(value)


def has_braces(text: str) -> bool:
    """Whether the text has to be parsed at all."""
    return "{" in text or "}" in text


def parse_list(values: object, columns: frozenset[str] = NO_NAMES) -> TemplateList | None:
    """The templates that a list of texts is; ``None`` if nothing in it holds braces. Raises ``Fault``."""
    if not isinstance(values, list) or not all(isinstance(item, str) for item in values):
        return None
    if not any(map(has_braces, values)):
        return None
    items = tuple(parse_template(value, columns) for value in values)
    return TemplateList(items=items, names=tuple(name for item in items for name in item.names))


def check_names(names: Collection[str], known: Collection[str]) -> None:
    """Raise ``Fault`` for the first placeholder that is not among the known names."""
    for name in names:
        if name not in known:
            options = ", ".join(f"{{{option}}}" for option in known)
            guess = suggest_closest(name, known)
            raise Fault(
                f"unknown placeholder {{{name}}}",
                f"{guess + ' ' if guess else ''}available: {options}; {_ESCAPE_HINT}",
            )


@lru_cache(maxsize=1024)
def parse_template(text: str, columns: frozenset[str] = NO_NAMES) -> Template:
    """The template that a text is. Raises ``Fault`` for lone braces and unknown formats.

    ``columns`` are names of any form that braces may hold besides the usual ones.
    """
    parts: list[str | _Hole] = []
    end = 0
    for token in _TOKEN.finditer(text):
        parts.append(text[end : token.start()])
        end = token.end()
        if token["lone"]:
            raise Fault(f"the brace {token['lone']} at character {end} is alone", _ESCAPE_HINT)
        parts.append(token[0][0] if token["inside"] is None else _parse_hole(token["inside"], columns))
    parts.append(text[end:])
    names = tuple(part.name for part in parts if isinstance(part, _Hole))
    return Template(parts=tuple(part for part in parts if part != ""), names=names)


def _parse_hole(inside: str, columns: frozenset[str]) -> _Hole:
    # columns first: their names may hold blanks, dots and colons
    name = inside.strip()
    if name in columns:
        return _Hole(name, "")
    head, _, spec = name.rpartition(":")
    if head in columns:
        return _Hole(head, _check_format(spec, inside))
    match = _INSIDE.fullmatch(name)
    if match is None:
        raise Fault(f"{{{inside}}} is not a placeholder", f"only names like {{style}}; {_ESCAPE_HINT}")
    return _Hole(match["name"], _check_format(match["spec"] or "", inside))


def _check_format(spec: str, inside: str) -> str:
    if not any(known.fullmatch(spec) for known in (_INTEGER_SPEC, _FLOAT_SPEC, _TEXT_SPEC)):
        raise Fault(f"{{{inside}}} has a format that is not known", "formats are like 03d, .2f, or .180 for text")
    return spec


def _format_value(hole: _Hole, value: object) -> str:
    if value is None:
        message = f"nothing fills {hole.written} here: its cell is empty, or the combination has none"
        raise Fault(message, "fill it, or write no such placeholder")
    if isinstance(value, bool) or not hole.spec:
        text = to_text(value)
        if not hole.spec:
            return text
        value = text
    if _TEXT_SPEC.fullmatch(hole.spec):
        return to_text(value)[: int(hole.spec[1:])]
    if isinstance(value, int) or (isinstance(value, float) and hole.spec.endswith("f")):
        return format(value, hole.spec)
    needed = "a number" if hole.spec.endswith("f") else "a whole number"
    raise Fault(f"{hole.written} needs {needed}, not {shown(value)}", f"write {{{hole.name}}}")
