"""The rows of a JSON document of any shape: of a list, of a mapping, of a mapping of lists.

An object is a row as it is. A text or a number is a row with the one column ``value``, a list one with the columns
``1``, ``2``, … What stands under a key of the document has that in the column ``key``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import yaml

from batchveo.manifest.entries import Entry, Table
from batchveo.manifest.formats.text import YamlText
from batchveo.manifest.formats.yaml_composer import Composer, line_of
from batchveo.manifest.formats.yaml_format import open_composer, syntax_fault
from batchveo.manifest.problems import Fault


class DocumentColumn(str):
    """The name of a column that the document gives a row, which no object in it has of its own."""

    __slots__ = ()


KEY, VALUE = DocumentColumn("key"), DocumentColumn("value")


def read_json_rows(stream: BinaryIO) -> Iterator[Entry | Fault]:
    """The rows in their order, streamed; a ``Fault`` stands for what cannot be read."""
    with open_composer(stream, json=True) as (nodes, text):
        try:
            yield from _read_rows(nodes, text)
        except Fault as fault:
            yield fault
        except yaml.YAMLError as error:
            yield from nodes.faults or [syntax_fault(error, json=True)]


def make_row(value: object, key: str | None = None) -> dict[str, object]:
    """The row that a value is."""
    keyed: dict[str, object] = {} if key is None else {KEY: key}
    match value:
        case dict():
            return value if KEY in value else {**keyed, **value}
        case list():
            return {**keyed, **{str(number): item for number, item in enumerate(value, 1)}}
        case _:
            return {**keyed, VALUE: value}


def _read_rows(nodes: Composer, text: YamlText) -> Iterator[Entry | Fault]:
    nodes.next()  # the start of the stream
    if isinstance(nodes.next(), yaml.StreamEndEvent):
        return
    top = nodes.next()
    if isinstance(top, yaml.SequenceStartEvent):
        yield from _read_list(nodes, text, None)
    elif isinstance(top, yaml.MappingStartEvent):
        while not isinstance(event := nodes.next(), yaml.MappingEndEvent):
            key = nodes.key(event)
            start = nodes.next()
            if isinstance(start, yaml.SequenceStartEvent):
                yield from _read_list(nodes, text, key)
            else:
                yield from _read_row(nodes, text, start, key, line_of(event))


def _read_list(nodes: Composer, text: YamlText, key: str | None) -> Iterator[Entry | Fault]:
    while not isinstance(event := nodes.next(), yaml.SequenceEndEvent):
        yield from _read_row(nodes, text, event, key, line_of(event))


def _read_row(
    nodes: Composer, text: YamlText, start: yaml.Event, key: str | None, line: int
) -> Iterator[Entry | Fault]:
    value, faults = nodes.value(start)
    text.item_done()
    yield from faults
    if not isinstance(value, Fault):
        yield Entry(line, make_row(value, key), value.lines if isinstance(value, Table) else {})
