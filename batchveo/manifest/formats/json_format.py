"""JSON of any shape as rows: the lines of JSON Lines, and what a document holds in lists and mappings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO

import yaml

from batchveo.manifest.entries import Entry, Table
from batchveo.manifest.formats import text
from batchveo.manifest.formats.text import YamlText
from batchveo.manifest.formats.yaml_composer import Composer, line_of
from batchveo.manifest.formats.yaml_format import read_document
from batchveo.manifest.problems import Fault, shown
from batchveo.manifest.scalars import parse_whole


class DocumentColumn(str):
    """The name of a column that the document gives a row, which no object in it has of its own."""

    __slots__ = ()


KEY, VALUE = DocumentColumn("key"), DocumentColumn("value")


def read_json_rows(stream: BinaryIO) -> Iterator[Entry | Fault]:
    """The rows in their order, streamed; a ``Fault`` for what cannot be read."""
    return read_document(stream, _read_rows, json=True)


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
    nodes.next_event()  # the start of the stream
    if isinstance(nodes.next_event(), yaml.StreamEndEvent):
        return
    top = nodes.next_event()
    if isinstance(top, yaml.SequenceStartEvent):
        yield from _read_list(nodes, text, None)
    elif isinstance(top, yaml.MappingStartEvent):
        while not isinstance(event := nodes.next_event(), yaml.MappingEndEvent):
            key = nodes.read_key(event)
            start = nodes.next_event()
            if isinstance(start, yaml.SequenceStartEvent):
                yield from _read_list(nodes, text, key)
            else:
                yield from _read_row(nodes, text, start, key, line_of(event))


def _read_list(nodes: Composer, text: YamlText, key: str | None) -> Iterator[Entry | Fault]:
    while not isinstance(event := nodes.next_event(), yaml.SequenceEndEvent):
        yield from _read_row(nodes, text, event, key, line_of(event))


def _read_row(
    nodes: Composer, text: YamlText, start: yaml.Event, key: str | None, line: int
) -> Iterator[Entry | Fault]:
    value, faults = nodes.read_value(start)
    text.item_done()
    yield from faults
    if not isinstance(value, Fault):
        yield Entry(line, make_row(value, key), value.lines if isinstance(value, Table) else {})


def read_jsonl(stream: BinaryIO, *, any_value: bool = False) -> Iterator[Entry | Fault]:
    """An entry for each line that is not blank; a ``Fault`` for a line that cannot be read.

    With ``any_value`` the lines may be texts or lists as well, which become rows as those of a document do.
    """
    number = 0
    try:
        for number, line in enumerate(text.read_lines(stream), 1):
            if line.strip() in {"{", "["}:
                hint = "one object a line; a document over several lines is called .json"
                yield Fault("not valid JSON Lines: the object does not end", hint, line=number)
                return
            if not line.isspace():
                value = _parse_value(line, number)
                yield value if isinstance(value, Fault) else _make_entry(value, number, any_value=any_value)
    except Fault as fault:
        yield fault


def _make_entry(value: object, number: int, *, any_value: bool) -> Entry | Fault:
    if any_value:
        return Entry(number, make_row(value))
    if isinstance(value, dict):
        return Entry(number, value)
    right = "--map prompt=value takes each text for a prompt" if isinstance(value, str) else None
    return Fault(f"a line must be a JSON object, not {shown(value)}", right, line=number)


def _parse_value(line: str, number: int) -> object:
    """The value of a line; a ``Fault`` if it cannot be read."""
    try:
        fields = _decode(line)
        if "\\u" in line:
            json.dumps(fields, ensure_ascii=False).encode()  # fails on half a surrogate pair
    except Fault as fault:
        fault.line = number
        return fault
    except json.JSONDecodeError as error:
        message = f"not valid JSON: {error.msg} (column {error.colno})"
        return Fault(message, "each line is a JSON object of its own", line=number)
    except UnicodeEncodeError:
        return Fault("holds half a surrogate pair", r"write the character itself, not \ud…", line=number)
    except RecursionError:
        return Fault("is nested too deeply", line=number)
    except ValueError:
        return Fault("holds a number that is too long", line=number)
    return fields


def _make_object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Fault("appears twice in one object", "keep one of them", field=twice)
    return fields


def _refuse_constant(name: str) -> None:
    raise Fault(f"{name} is not a finite number")


def _parse_float(digits: str) -> float:
    value = float(digits)
    if value - value != 0.0:
        raise Fault(f"{shown(digits)} is too large for a number")
    return value


_decode = json.JSONDecoder(
    object_pairs_hook=_make_object, parse_constant=_refuse_constant, parse_float=_parse_float, parse_int=parse_whole
).decode
