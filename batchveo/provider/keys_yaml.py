"""Reads the YAML of a keys file: mappings, lists and plain values with their lines, and nothing more.

Smaller than the reader of manifests on purpose: anchors, aliases, tags, merge keys and deep nesting are refused,
so no input can expand, and no message can repeat a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

DEEPEST = 4
"""Levels of nesting; such a file needs three."""
LONGEST_NUMBER = 18
"""Digits."""

_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18})")


class Table(dict[str, object]):
    """A mapping of the file; ``lines`` has the line of each key, counted from 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int | None] = {}


class Unreadable(ValueError):
    """The file is not YAML, or has more than a keys file needs; ``line`` counts from 1."""

    def __init__(self, line: int | None) -> None:
        self.line = line
        super().__init__("is not valid YAML, or more than such a file needs")


def read_document(text: str) -> object:
    """The only document of ``text``: tables, lists, text, numbers, booleans, ``None``. Raises ``Unreadable``."""
    events = yaml.parse(text, Loader=_LOADER)
    try:
        next(events)  # the start of the stream
        if isinstance(next(events), yaml.StreamEndEvent):
            return Table()
        value = _value(next(events), events, depth=1)
        next(events)  # the end of the document
        last = next(events)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise Unreadable(mark.line + 1 if mark else None) from None
    if not isinstance(last, yaml.StreamEndEvent):
        raise Unreadable(_line(last))
    return value


def _value(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> object:
    plain = not getattr(event, "anchor", None) and getattr(event, "tag", None) in (None, "!")
    if depth > DEEPEST or isinstance(event, yaml.AliasEvent) or not plain:
        raise Unreadable(_line(event))
    if isinstance(event, yaml.ScalarEvent):
        return _scalar(event)
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(item := next(events), yaml.SequenceEndEvent):
            items.append(_value(item, events, depth + 1))
        return items
    return _table(events, depth)


def _table(events: Iterator[yaml.Event], depth: int) -> Table:
    table = Table()
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = event.value if isinstance(event, yaml.ScalarEvent) else None
        if key is None or key == "<<" or key in table:
            raise Unreadable(_line(event))
        table[key] = _value(next(events), events, depth + 1)
        table.lines[key] = _line(event)
    return table


def _scalar(event: yaml.ScalarEvent) -> object:
    """Text if it is in quotes, else its value by the core schema of YAML 1.2 as far as such a file needs it."""
    text = event.value
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        if len(text) > LONGEST_NUMBER:  # most likely a key that is not in quotes
            raise Unreadable(_line(event))
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _line(event: yaml.Event) -> int | None:
    return None if event.start_mark is None else event.start_mark.line + 1
