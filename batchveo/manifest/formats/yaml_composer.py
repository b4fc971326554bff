"""Values of a YAML document, built from the parser's events with bounds on their size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import yaml

from batchveo.manifest.entries import DEPTH_LIMIT, Table
from batchveo.manifest.formats.yaml_braces import is_lone, lone_fault
from batchveo.manifest.formats.yaml_comments import Comments, cut_short
from batchveo.manifest.formats.yaml_marks import column_of, end_of, last_line_of, line_of
from batchveo.manifest.problems import FatalFault, Fault, shown, shown_bare
from batchveo.manifest.scalars import resolve_scalar

NODE_LIMIT = 100_000
"""How many values one job may hold after its aliases are expanded."""

ANCHORED_LIMIT = 1_000_000
"""How many values may stand under anchors in one file; those are kept."""

_DASH = 2
"""The columns that the dash of a list's item takes."""

_HOPELESS_DEPTH = 10 * DEPTH_LIMIT  # the parser's time grows with the square of the depth
_TOO_DEEP = f"is nested more than {DEPTH_LIMIT} levels deep"
_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = {f"{_CORE}{name}" for name in ("int", "float", "bool", "null")}


class Composer:
    """Takes events one by one and builds values from them; no objects, only the core schema's values.

    With the ``comments`` of the file, texts that one of them cuts short are told; ``faults`` has what is wrong in
    the value that is being built.
    """

    def __init__(self, events: Iterator[yaml.Event], comments: Comments | None = None) -> None:
        self._events = events
        self._comments = comments
        self._depth = 0
        self._anchors: dict[str, tuple[object, int]] = {}
        self._anchored = 0
        self._nodes = 0
        self._lonely_anchors: dict[str, tuple[int, str]] = {}
        self.faults: list[Fault] = []

    def next(self) -> yaml.Event:
        """The next event, counted for the depth."""
        event = next(self._events)
        if isinstance(event, yaml.CollectionStartEvent):
            self._depth += 1
            if self._depth > _HOPELESS_DEPTH:
                raise FatalFault(_TOO_DEEP, line=line_of(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._depth -= 1
        return event

    def value(self, start: yaml.Event) -> tuple[object, list[Fault]]:
        """The value that begins with this event, and what is wrong in it.

        After a fault that breaks it off the rest of the value is skipped, and the fault stands for it.
        """
        outside = self._depth - isinstance(start, yaml.CollectionStartEvent)
        self._nodes = 0
        self.faults = []
        value: object
        try:
            value = self._compose_node(start, 0)
        except FatalFault:
            raise
        except Fault as fault:
            value = fault
            self.faults.append(fault)
        while self._depth > outside:
            self.next()
        faults, self.faults = self.faults, []
        return value, faults

    def unused_anchors(self) -> Iterator[Fault]:
        """What begins with ``&`` and is named nowhere: most likely the first word of a text."""
        for anchor, (line, text) in self._lonely_anchors.items():
            right = f"put the text in quotes: {shown(f'&{anchor} {text}')}"
            yield Fault(f"&{shown_bare(anchor)} is an anchor here that nothing refers to", right, line=line)

    def key(self, event: yaml.Event) -> str:
        """The key of a mapping, always text. Raises ``Fault``."""
        self._count_nodes(1, event)
        if isinstance(event, yaml.AliasEvent):
            key = self._resolve_alias(event)
        else:
            key = event.value if isinstance(event, yaml.ScalarEvent) else None
        if not isinstance(key, str):
            raise Fault("a key must be plain text", line=line_of(event))
        return key

    def _compose_node(self, event: yaml.Event, depth: int, key: str = "") -> object:
        self._count_nodes(1, event)
        if isinstance(event, yaml.AliasEvent):
            return self._resolve_alias(event)
        before = self._nodes
        value = self._compose_value(event, depth, key)
        anchor = cast("str | None", getattr(event, "anchor", None))
        if anchor is not None:
            self._keep_anchor(anchor, event, value, 1 + self._nodes - before)
        return value

    def _compose_value(self, event: yaml.Event, depth: int, key: str) -> object:
        if depth > DEPTH_LIMIT:
            raise Fault(_TOO_DEEP, line=line_of(event))
        if isinstance(event, yaml.ScalarEvent):
            return _resolve_scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            refuse_tag(event, "seq")
            return self._compose_list(depth, key)
        refuse_tag(event, "map")
        return self._compose_table(depth, in_braces=bool(getattr(event, "flow_style", False)))

    def _compose_list(self, depth: int, key: str) -> list[object]:
        values = []
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            values.append(value := self._compose_node(event, depth + 1, key))
            if self._comments:
                self._check_comment(event, value, key, column_of(event) - _DASH)
        return values

    def _compose_table(self, depth: int, *, in_braces: bool) -> Table | str:
        table = Table()
        merged: list[Table] = []
        previous, lone = "", False
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
                merged += self._merge_tables(event, depth)
                continue
            key, line = self.key(event), line_of(event)
            start = self.next()
            if in_braces and is_lone(event, start):
                if previous or not lone:  # what a comma cuts once is told once
                    self.faults.append(lone_fault(key, previous, line))
                previous, lone = "", True
                continue
            value = self._compose_node(start, depth + 1, key)
            if self._comments:
                self._check_comment(start, value, key, column_of(event))
            if key in table:
                self.faults.append(twice(key, table.lines[key], line))
            else:
                table[key], table.lines[key] = value, line
            previous = key
        for other in merged:
            for key in other.keys() - table.keys():
                table[key], table.lines[key] = other[key], other.lines[key]
        # {animal} without quotes: a text stands in, so that nobody complains of a mapping in its place
        return "…" if lone and depth and not table else table

    def _check_comment(self, event: yaml.Event, value: object, key: str, column: int) -> None:
        if self._comments is None or not isinstance(event, yaml.ScalarEvent):
            return
        comment = self._comments.after(end_of(event))
        if comment is None or event.style or not isinstance(value, str):
            return
        if fault := cut_short(value, key, column, comment):
            fault.line, fault.field = last_line_of(event) + comment.lines, key
            self.faults.append(fault)

    def _merge_tables(self, event: yaml.Event, depth: int) -> list[Table]:
        value = self._compose_node(self.next(), depth + 1)
        values = value if isinstance(value, list) else [value]
        tables = [table for table in values if isinstance(table, Table)]
        if len(tables) != len(values):
            raise Fault("<< takes an alias of a mapping, or a list of those", line=line_of(event))
        return tables

    def _resolve_alias(self, event: yaml.AliasEvent) -> object:
        anchor = str(event.anchor)
        if anchor not in self._anchors:
            raise Fault(f"*{anchor} names no anchor", f"write &{anchor} before it", line=line_of(event))
        self._lonely_anchors.pop(anchor, None)
        value, size = self._anchors[anchor]
        self._count_nodes(size, event)
        return value

    def _keep_anchor(self, anchor: str, event: yaml.Event, value: object, size: int) -> None:
        self._anchored += size
        if self._anchored > ANCHORED_LIMIT:
            raise Fault(f"more than {ANCHORED_LIMIT:,} values stand under anchors", line=line_of(event))
        self._anchors[anchor] = (value, size)
        if isinstance(event, yaml.ScalarEvent) and not event.style and (" " in event.value or not event.value):
            self._lonely_anchors[anchor] = (line_of(event), event.value)

    def _count_nodes(self, nodes: int, event: yaml.Event) -> None:
        self._nodes += nodes
        if self._nodes > NODE_LIMIT:
            raise Fault(f"one job holds more than {NODE_LIMIT:,} values, aliases expanded", line=line_of(event))


def twice(key: str, first: int, line: int) -> Fault:
    """What to say of a key that stands twice in one mapping."""
    where = f"stands twice, in line {first} and in line {line}"
    return Fault(where, "keep one of them", line=line, field=key)


def refuse_tag(event: yaml.Event, allowed: str) -> None:
    """Raise ``Fault`` for any tag but the core schema's own for such a value."""
    tag = getattr(event, "tag", None)
    if tag not in {None, "!", f"{_CORE}{allowed}"}:
        raise Fault(f"the tag {tag} is not known here", "remove it", line=line_of(event))


def _resolve_scalar(event: yaml.ScalarEvent) -> object:
    if event.tag in _SCALAR_TAGS or (event.tag is None and event.implicit[0]):
        try:
            return resolve_scalar(event.value)
        except Fault as fault:
            fault.line = line_of(event)
            raise
    refuse_tag(event, "str")
    return event.value
