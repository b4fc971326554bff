"""What the readers of the file formats hand on: plain values with their lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from batchveo.manifest.problems import Fault

DEPTH_LIMIT = 64
"""How deeply lists and mappings may be nested in one job."""

_INDEX = re.compile(r"\[(\d+)\]")
_NO_LINES: Mapping[str, int] = MappingProxyType({})


class Cell(str):
    """Text to be read as a value of any type, as a cell of CSV is, in a file that has types of its own."""

    __slots__ = ()


class Table(dict[str, object]):
    """A mapping of a YAML file; ``lines`` has the line of each key, counted from 1."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int] = {}


class Items(list[object]):
    """A list of a YAML file; ``lines`` has the line of each item, counted from 1."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


class ChainPart(NamedTuple):
    """An entry that a short form of a chain made: of which chain, and which of its ``links``, from 1."""

    chain: str
    link: int
    links: int

    @property
    def name(self) -> str:
        """By what the next link names it."""
        return f"{self.chain}.{self.link}"


class Entry(NamedTuple):
    """One job as written. A tuple rather than a dataclass: a million of them pass here."""

    line: int
    fields: dict[str, object]
    lines: Mapping[str, int] = _NO_LINES
    """The line of each field, if the format has it; the others are in ``line``."""
    chain: ChainPart | None = None
    """Which part of a chain it is, if it is one."""


class Defaults(NamedTuple):
    """The ``defaults`` of a manifest."""

    line: int
    fields: dict[str, object]
    lines: Mapping[str, int] = _NO_LINES


class WhereTaken(NamedTuple):
    """The ``defaults_where_taken`` of a manifest: for the jobs of those models that have such a parameter."""

    line: int
    fields: dict[str, object]
    lines: Mapping[str, int] = _NO_LINES


class Budget(NamedTuple):
    """The ``budget`` of a manifest, not yet checked."""

    line: int
    value: object


class Filename(NamedTuple):
    """The ``filename`` of a manifest, not yet checked."""

    line: int
    value: object


Item = Entry | Defaults | WhereTaken | Budget | Filename


def plain(value: object, depth: int = 0) -> object:
    """A value that is carried along as it is, made of plain lists and dicts.

    Raises ``Fault`` for what is nested too deeply.
    """
    if depth > DEPTH_LIMIT:
        raise Fault(f"is nested more than {DEPTH_LIMIT} levels deep")
    if isinstance(value, dict):
        return {key: plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item, depth + 1) for item in value]
    return value


def find_line(entry: Entry | Defaults | WhereTaken, field: str) -> int:
    """The line of a field, or of the nearest part around it that has one."""
    part: object = entry.fields
    lines = entry.lines
    line = entry.line
    while field:
        if isinstance(part, dict):
            # a key may hold dots itself, as the names of models do
            keys = (key for key in part if field == key or field.startswith((f"{key}.", f"{key}[")))
            key = max(keys, key=len, default=None)
            if key is None:
                break
            line = lines.get(key, line)
            part, field = part[key], field[len(key) :].removeprefix(".")
        elif isinstance(part, list) and (item := _INDEX.match(field)) and int(item[1]) < len(part):
            number = int(item[1])
            line = part.lines[number] if isinstance(part, Items) else line
            part, field = part[number], field[item.end() :].removeprefix(".")
        else:
            break
        lines = part.lines if isinstance(part, Table) else {}
    return line
