"""YAML (or JSON) manifests, read one job at a time from the parser's events.

Of PyYAML only the parser is used: no objects are constructed, and memory does not grow with the jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import islice
from typing import Any, BinaryIO, TypeVar, cast

import yaml

from batchveo.manifest.entries import Budget, Defaults, Entry, Filename, Item, Table, WhereTaken
from batchveo.manifest.formats.text import YamlText
from batchveo.manifest.formats.yaml_composer import Composer, line_of, refuse_tag, refuse_twice
from batchveo.manifest.problems import Fault, shown
from batchveo.manifest.sources import TOP_KEYS
from batchveo.manifest.synonyms import key_hint

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PIECE = 1024 * 1024

T = TypeVar("T")


def read_yaml(stream: BinaryIO, *, json: bool = False) -> Iterator[Item | Fault]:
    """The defaults of a manifest first, wherever they are in it, then its other items in their order.

    A ``Fault`` comes in place of what cannot be read. What follows a fault of one job is still read; after
    a fault of the syntax there is nothing more.
    """
    yield from _find_defaults(stream, json=json)
    for item in read_document(stream, _read_items, json=json):
        if not isinstance(item, Defaults | WhereTaken):
            yield item


def _find_defaults(stream: BinaryIO, *, json: bool) -> list[Defaults | WhereTaken]:
    """The defaults of both kinds; a reading of its own looks for them only if the file holds the word at all."""
    found: list[Defaults | WhereTaken] = []
    if _mentions_word(stream, b"defaults"):
        kinds = 2 if _mentions_word(stream, b"defaults_where_taken") else 1
        with closing(read_document(stream, _read_items, json=json)) as items:
            found += islice((item for item in items if isinstance(item, Defaults | WhereTaken)), kinds)
    stream.seek(0)
    return found


def _mentions_word(stream: BinaryIO, word: bytes) -> bool:
    tail = b""
    found = False
    while not found and (piece := stream.read(_PIECE)):
        found = word in tail + piece
        tail = piece[-len(word) :]
    stream.seek(0)
    return found


def read_document(
    stream: BinaryIO, read: Callable[[Composer, YamlText], Iterator[T]], *, json: bool
) -> Generator[T | Fault, None, None]:
    """What ``read`` takes from the values of a YAML or JSON document; a ``Fault`` for what breaks it off."""
    text = YamlText(stream, json=json)
    events = cast("Generator[yaml.Event, None, None]", yaml.parse(cast("Any", text), Loader=_LOADER))
    with closing(events):
        nodes = Composer(events, text.comments)
        try:
            yield from read(nodes, text)
            yield from nodes.unused_anchors()
        except Fault as fault:
            yield fault
        except yaml.YAMLError as error:
            # what was noticed before in the same value is the cause more often than not
            yield from nodes.faults or [_describe_syntax(error, json=json)]


def _read_items(nodes: Composer, text: YamlText) -> Iterator[Item | Fault]:
    return _Document(nodes, text).items()


class _Document:
    """The parts of a manifest, from the events of its file."""

    def __init__(self, nodes: Composer, text: YamlText) -> None:
        self._nodes = nodes
        self._text = text

    def items(self) -> Iterator[Item | Fault]:
        """Everything that the document holds. Raises ``Fault`` if it cannot be read further."""
        self._nodes.next_event()  # the start of the stream
        if isinstance(self._nodes.next_event(), yaml.StreamEndEvent):
            return
        top = self._nodes.next_event()
        if isinstance(top, yaml.SequenceStartEvent):
            refuse_tag(top, "seq")
            yield from self._read_jobs()
        elif isinstance(top, yaml.MappingStartEvent):
            refuse_tag(top, "map")
            yield from self._read_sections()
        elif not (isinstance(top, yaml.ScalarEvent) and not top.value):
            raise Fault("holds no mapping with jobs", "write jobs: and a list below it", line=line_of(top))
        self._nodes.next_event()  # the end of the document
        if not isinstance(more := self._nodes.next_event(), yaml.StreamEndEvent):
            raise Fault("holds a second document", "one manifest a file, without ---", line=line_of(more))

    def _read_sections(self) -> Iterator[Item | Fault]:
        seen: dict[str, int] = {}
        while not isinstance(event := self._nodes.next_event(), yaml.MappingEndEvent):
            key, line = self._nodes.read_key(event), line_of(event)
            if key in seen:
                raise refuse_twice(key, seen[key], line)
            seen[key] = line
            start = self._nodes.next_event()
            if key == "jobs" and isinstance(start, yaml.SequenceStartEvent):
                refuse_tag(start, "seq")
                yield from self._read_jobs()
            else:
                yield from self._read_section(key, line, start)

    def _read_section(self, key: str, line: int, start: yaml.Event) -> Iterator[Item | Fault]:
        value, faults = self._compose_value(start)
        yield from faults
        if isinstance(value, Fault):
            return
        if key not in TOP_KEYS:
            yield Fault("is no section of a manifest", _hint_section(key), line=line, field=key)
        elif key == "budget":
            yield Budget(line, value)
        elif key == "filename":
            yield Filename(line, value)
        elif key == "defaults" and isinstance(value, Table):
            yield Defaults(line, value, value.lines)
        elif key == "defaults_where_taken" and isinstance(value, Table):
            yield WhereTaken(line, value, value.lines)
        elif value is not None:
            noun = "list" if key == "jobs" else "mapping"
            yield Fault(f"must be a {noun}, not {shown(value)}", line=line, field=key)

    def _read_jobs(self) -> Iterator[Item | Fault]:
        while not isinstance(event := self._nodes.next_event(), yaml.SequenceEndEvent):
            line = line_of(event)
            value, faults = self._compose_value(event)
            yield from faults
            if isinstance(value, Table):
                yield Entry(line, value, value.lines)
            elif not isinstance(value, Fault):
                message = f"a job must be a mapping, not {shown(value)}"
                yield Fault(message, "write prompt: before it", line=line)

    def _compose_value(self, start: yaml.Event) -> tuple[object, list[Fault]]:
        built = self._nodes.read_value(start)
        self._text.item_done()
        return built


def _hint_section(key: str) -> str:
    if key in {"prompt", "model", "name", "id", "matrix"}:
        return "a job goes below jobs:, with a dash before it"
    return key_hint(key, TOP_KEYS) or f"the top-level keys are {', '.join(TOP_KEYS)}"


def _describe_syntax(error: yaml.YAMLError, *, json: bool) -> Fault:
    """What the parser finds wrong, with its line and a way out."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    context = getattr(error, "context", None)
    message = f"not valid {'JSON' if json else 'YAML'}: {f'{context}, ' if context else ''}{problem}"
    line = mark.line + 1 if mark else None
    right = "is the file cut off, or a quote or a bracket wrong?" if json else _suggest_fix(problem)
    return Fault(message, right, line=line)


def _suggest_fix(problem: str) -> str:
    if "tab character" in problem:
        return "YAML indents with spaces: write some for each tab"
    if "cannot start any token" in problem:
        return "a tab? YAML indents with spaces; a text that begins with @, % or ` takes quotes"
    if "mapping values are not allowed" in problem:
        return "a text with a colon and a blank in it takes quotes"
    if "',' or" in problem:
        return "is a quote or a bracket wrong? a text with a comma, a colon or a # takes quotes, all of it"
    if "expected key" in problem or "expected <block end>" in problem:
        return "is an indent wrong? a text with quotes takes them around all of it"
    return "is an indent, a quote or a bracket wrong?"
