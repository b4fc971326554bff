"""One parameter of a model: its type, the values it takes, and what of a value breaks that.

Manifest validation, the JSON Schema, the sandbox and the docs all follow from ``Param``. Its dialect is the one of the
service's own OpenAPI documents: types, choices, bounds, lengths, nested arrays and objects, alternatives.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from batchveo.core.formatting import add_article, write_value

Value = object
"""A JSON value: ``None``, a boolean, a number, a text, a list, or a mapping of texts."""

LARGEST_NUMBER = 1e18
"""No bound or choice is larger; an integer of hundreds of digits cannot even be compared with a number."""

_NOTHING: Mapping[str, Param] = MappingProxyType({})


class ParamType(StrEnum):
    """The JSON type of a value; ``ANY`` if the service states none, or several alternatives."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    ARRAY = "array"
    OBJECT = "object"
    NULL = "null"
    ANY = "any"


class Media(StrEnum):
    """What the address in a parameter leads to."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Param:
    """One parameter, or one part of it.

    ``choices``: the only values, empty if any value of the type will do. ``media``: the value is an address of such a
    file. ``takes_data``: a Base64 data URI is taken in its place. ``default``: what the service assumes; ``None`` if it
    states nothing. ``is_assumed``: the default is not documented, but was seen. ``any_case``: the service itself takes
    the choices in any case. ``minimum`` and ``maximum`` are inclusive; the lengths count characters, or items.
    ``alternatives``: the value must fit at least one of them.
    """

    type: ParamType
    required: bool = False
    nullable: bool = False
    choices: tuple[str | int | float | bool, ...] = ()
    default: Value = None
    is_assumed: bool = False
    any_case: bool = False
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    media: Media | None = None
    takes_data: bool = False
    items: Param | None = None
    fields: Mapping[str, Param] = field(default_factory=lambda: _NOTHING)
    alternatives: tuple[Param, ...] = ()
    description: str = ""

    @property
    def data_uri(self) -> Media | None:
        """The kind of data URI that it takes; ``None`` if it takes only https URLs."""
        return self.media if self.takes_data else None

    @property
    def address(self) -> Param | None:
        """The parameter itself if it is an address, its items if it is a list of addresses."""
        part = self.items if self.type is ParamType.ARRAY and self.items is not None else self
        return part if part.media is not None else None

    @property
    def is_address_list(self) -> bool:
        """Whether it is a list of addresses."""
        return self.type is ParamType.ARRAY and self.address is not None

    @property
    def is_free_text(self) -> bool:
        """Whether it takes any text."""
        return self.type is ParamType.STRING and not self.choices and self.media is None

    def find_media(self) -> Iterator[tuple[tuple[str, ...], Param]]:
        """Yield the parts that take an address of a file, each with its path; ``"*"`` is any item of a list."""
        if self.media is not None:
            yield (), self
        for path, part in self._list_parts():
            for below, leaf in part.find_media():
                yield (*path, *below), leaf

    def _list_parts(self) -> Iterator[tuple[tuple[str, ...], Param]]:
        for part in self.alternatives:
            yield (), part
        if self.items is not None:
            yield ("*",), self.items
        for name, part in self.fields.items():
            yield (name,), part


def find_addresses(param: Param, value: Value) -> Iterator[tuple[Media, str]]:
    """Yield the addresses of files in ``value``, at any depth, each with what it leads to."""
    yield from ((leaf.media, text) for leaf, text in find_address_parts(param, value) if leaf.media is not None)


def find_address_parts(param: Param, value: Value) -> Iterator[tuple[Param, str]]:
    """Yield the addresses of files in ``value``, at any depth, each with the part of the parameter that takes it.

    Of alternatives those count that the value fits: a field ``url`` may be that of an image, or of a video.
    """
    if param.media is not None and isinstance(value, str):
        yield param, value
    for part in param.alternatives:
        if next(find_violations(part, value), None) is None:
            yield from find_address_parts(part, value)
    if param.items is not None and isinstance(value, list):
        for item in value:
            yield from find_address_parts(param.items, item)
    if isinstance(value, Mapping):
        for name, part in param.fields.items():
            if name in value:
                yield from find_address_parts(part, value[name])


@dataclass(frozen=True, slots=True)
class Violation:
    """Why a value does not fit: the path to the part (``("keyframes", "frame0", "url")``) and what would be right."""

    path: tuple[str | int, ...]
    expected: str
    value: Value = None
    is_missing: bool = False

    def within(self, name: str | int) -> Violation:
        """The same, seen from the value that holds it under ``name``."""
        return Violation((name, *self.path), self.expected, self.value, self.is_missing)

    @property
    def place(self) -> str:
        """The path as people write it: ``keyframes.frame0.url``, ``image_urls[2]``."""
        return format_below(self.path).removeprefix(".")


def format_below(path: Sequence[str | int]) -> str:
    """Write the rest of a path, with dots and brackets: ``.frame0.url``, ``[2]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def find_violations(param: Param, value: Value) -> Iterator[Violation]:
    """Yield what of ``value`` the service would refuse, by the literal reading of ``param``.

    Fields that an object does not list are let through, as the service's documents do not forbid them.
    """
    if value is None and (param.nullable or param.type is ParamType.NULL):
        return
    if param.alternatives:
        yield from _find_in_alternatives(param, value)
    elif not has_type(value, param.type) or (param.choices and not _is_choice(param, value)):
        yield Violation((), describe_param(param), value)
    else:
        yield from _find_inside(param, value)


def _find_inside(param: Param, value: Value) -> Iterator[Violation]:
    """What of a value of the right type is out of bounds, or wrong in one of its parts."""
    if isinstance(value, str):
        yield from _check_length(param, value, len(value), "characters")
    elif isinstance(value, Mapping):
        yield from _find_in_object(param, value)
    elif isinstance(value, Sequence):
        yield from _check_length(param, value, len(value), "items")
        if param.items is not None:
            for index, item in enumerate(value):
                yield from (each.within(index) for each in find_violations(param.items, item))
    elif isinstance(value, int | float) and not _is_within(param, value):
        yield Violation((), describe_param(param), value)


def has_type(value: Value, kind: ParamType) -> bool:
    """Whether a JSON value has this type. ``8.0`` is an integer, ``True`` is no number."""
    if kind is ParamType.ANY:
        return True
    if isinstance(value, bool):
        return kind is ParamType.BOOLEAN
    if isinstance(value, int):
        return kind in {ParamType.INTEGER, ParamType.NUMBER}
    if isinstance(value, float):
        if not math.isfinite(value):  # JSON has no word for it
            return False
        return kind is ParamType.NUMBER or (kind is ParamType.INTEGER and value.is_integer())
    if isinstance(value, str):
        return kind is ParamType.STRING
    if isinstance(value, Mapping):
        return kind is ParamType.OBJECT
    if isinstance(value, Sequence):
        return kind is ParamType.ARRAY
    return value is None and kind is ParamType.NULL


def describe_param(param: Param) -> str:
    """What a value must be, in a few words: ``4, 6 or 8``, ``an integer from 1 to 5``, ``a list of 1 to 9 texts``."""
    if param.alternatives:
        return _join([describe_param(each) for each in param.alternatives])
    if param.choices:
        return _join([write_value(choice) for choice in param.choices])
    words = _describe_type(param)
    return f"{words} or null" if param.nullable else words


_ARTICLES = {
    ParamType.STRING: "a text",
    ParamType.INTEGER: "an integer",
    ParamType.NUMBER: "a number",
    ParamType.BOOLEAN: "true or false",
    ParamType.OBJECT: "an object",
    ParamType.NULL: "null",
    ParamType.ANY: "any value",
}


def _describe_type(param: Param) -> str:
    if param.type is ParamType.ARRAY:
        return _describe_list(param)
    if param.media is not None:
        return f"{add_article(param.media)} URL" + (" or data URI" if param.takes_data else "")
    words = _ARTICLES[param.type]
    if param.type is ParamType.OBJECT and param.fields:
        return f"{words} with {_join(list(param.fields), 'and')}"
    if param.type is ParamType.STRING:
        limits = _describe_range(param.min_length, param.max_length)
        return f"{words} of {limits} characters" if limits else words
    limits = _describe_range(param.minimum, param.maximum, between=("from ", " to "))
    return f"{words} {limits}" if limits else words


def _describe_list(param: Param) -> str:
    item = param.items
    if item is None or item.type is ParamType.ANY:
        what = "values"
    elif item.media is not None:
        what = f"{item.media} URLs" + (" or data URIs" if item.takes_data else "")
    else:
        plurals = {ParamType.STRING: "texts", ParamType.BOOLEAN: "booleans"}
        what = plurals.get(item.type, f"{item.type}s")
    limits = _describe_range(param.min_length, param.max_length)
    return f"a list of {limits} {what}" if limits else f"a list of {what}"


def _describe_range(low: float | None, high: float | None, *, between: tuple[str, str] = ("", " to ")) -> str:
    first, then = between
    if low is not None and high is not None:
        return f"{low:g}" if low == high and not first else f"{first}{low:.15g}{then}{high:.15g}"
    if low is not None:
        return f"at least {low:.15g}"
    return "" if high is None else f"at most {high:.15g}"


def _join(words: Sequence[str], last: str = "or") -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def _is_choice(param: Param, value: Value) -> bool:
    if param.any_case and isinstance(value, str):
        return value.casefold() in {str(choice).casefold() for choice in param.choices}
    # True equals 1 in Python, not in JSON
    return any(choice == value and isinstance(choice, bool) is isinstance(value, bool) for choice in param.choices)


def _is_within(param: Param, value: float) -> bool:
    above = param.minimum is None or value >= param.minimum
    return above and (param.maximum is None or value <= param.maximum)


def _check_length(param: Param, value: Value, length: int, what: str) -> Iterator[Violation]:
    low, high = param.min_length, param.max_length
    if (low is not None and length < low) or (high is not None and length > high):
        yield Violation((), f"{describe_param(param)}; it has {length:,} {what}", value)


def _find_in_object(param: Param, value: Mapping[str, Value]) -> Iterator[Violation]:
    for name, part in param.fields.items():
        if name in value:
            yield from (each.within(name) for each in find_violations(part, value[name]))
        elif part.required:
            yield Violation((name,), describe_param(part), is_missing=True)


def _find_in_alternatives(param: Param, value: Value) -> Iterator[Violation]:
    """Nothing if one alternative fits; else what the nearest one misses, if it is of the value's type."""
    found = [list(find_violations(each, value)) for each in param.alternatives]
    if not all(found):
        return
    # an alternative that fails at its own type is not what the writer meant
    meant = [violations for violations in found if all(each.path for each in violations)]
    if meant:
        yield from min(meant, key=len)
    else:
        yield Violation((), describe_param(param), value)
