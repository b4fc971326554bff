"""Values of a YAML document, built from the parser's events with bounds on their size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import yaml

from batchveo.manifest.problems import FatalFault, Fault
from batchveo.manifest.raw import DEPTH_LIMIT, Table
from batchveo.manifest.yaml_scalars import resolved

NODE_LIMIT = 100_000
"""How many values one job may hold after its aliases are expanded."""

ANCHORED_LIMIT = 1_000_000
"""How many values may stand under anchors in one file; those are kept."""

_HOPELESS_DEPTH = 10 * DEPTH_LIMIT  # the parser's time grows with the square of the depth
_TOO_DEEP = f"is nested more than {DEPTH_LIMIT} levels deep"
_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = {f"{_CORE}{name}" for name in ("int", "float", "bool", "null")}


class Nodes:
    """Takes events one by one and builds values from them; no objects, only the core schema's values."""

    def __init__(self, events: Iterator[yaml.Event]) -> None:
        self._events = events
        self._depth = 0
        self._anchors: dict[str, tuple[object, int]] = {}
        self._anchored = 0
        self._nodes = 0
        self._faults: list[Fault] = []

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
        self._faults = []
        value: object
        try:
            value = self._node(start, 0)
        except FatalFault:
            raise
        except Fault as fault:
            value = fault
            self._faults.append(fault)
        while self._depth > outside:
            self.next()
        return value, self._faults

    def key(self, event: yaml.Event) -> str:
        """The key of a mapping, always text. Raises ``Fault``."""
        self._count(1, event)
        if isinstance(event, yaml.AliasEvent):
            key = self._alias(event)
        else:
            key = event.value if isinstance(event, yaml.ScalarEvent) else None
        if not isinstance(key, str):
            raise Fault("a key must be plain text", line=line_of(event))
        return key

    def _node(self, event: yaml.Event, depth: int) -> object:
        self._count(1, event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._nodes
        value = self._value(event, depth)
        anchor = cast("str | None", getattr(event, "anchor", None))
        if anchor is not None:
            self._keep(anchor, event, value, 1 + self._nodes - before)
        return value

    def _value(self, event: yaml.Event, depth: int) -> object:
        if depth > DEPTH_LIMIT:
            raise Fault(_TOO_DEEP, line=line_of(event))
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.SequenceStartEvent):
            refuse_tag(event, "seq")
            return self._list(depth)
        refuse_tag(event, "map")
        return self._table(depth)

    def _list(self, depth: int) -> list[object]:
        values = []
        while not isinstance(event := self.next(), yaml.SequenceEndEvent):
            values.append(self._node(event, depth + 1))
        return values

    def _table(self, depth: int) -> Table:
        table = Table()
        merged: list[Table] = []
        while not isinstance(event := self.next(), yaml.MappingEndEvent):
            if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
                merged += self._merged(event, depth)
                continue
            key, line = self.key(event), line_of(event)
            value = self._node(self.next(), depth + 1)
            if key in table:
                self._faults.append(twice(key, table.lines[key], line))
            else:
                table[key], table.lines[key] = value, line
        for other in merged:
            for key in other.keys() - table.keys():
                table[key], table.lines[key] = other[key], other.lines[key]
        return table

    def _merged(self, event: yaml.Event, depth: int) -> list[Table]:
        value = self._node(self.next(), depth + 1)
        values = value if isinstance(value, list) else [value]
        tables = [table for table in values if isinstance(table, Table)]
        if len(tables) != len(values):
            raise Fault("<< takes an alias of a mapping, or a list of those", line=line_of(event))
        return tables

    def _alias(self, event: yaml.AliasEvent) -> object:
        anchor = str(event.anchor)
        if anchor not in self._anchors:
            raise Fault(f"*{anchor} names no anchor", f"write &{anchor} before it", line=line_of(event))
        value, size = self._anchors[anchor]
        self._count(size, event)
        return value

    def _keep(self, anchor: str, event: yaml.Event, value: object, size: int) -> None:
        self._anchored += size
        if self._anchored > ANCHORED_LIMIT:
            raise Fault(f"more than {ANCHORED_LIMIT:,} values stand under anchors", line=line_of(event))
        self._anchors[anchor] = (value, size)

    def _count(self, nodes: int, event: yaml.Event) -> None:
        self._nodes += nodes
        if self._nodes > NODE_LIMIT:
            raise Fault(f"one job holds more than {NODE_LIMIT:,} values, aliases expanded", line=line_of(event))


def twice(key: str, first: int, line: int) -> Fault:
    """What to say of a key that stands twice in one mapping."""
    where = f"stands twice, in line {first} and in line {line}"
    return Fault(where, "keep one of them", line=line, field=key)


def line_of(event: yaml.Event) -> int:
    """The line an event begins on, from 1."""
    return event.start_mark.line + 1 if event.start_mark else 1


def refuse_tag(event: yaml.Event, allowed: str) -> None:
    """Raise ``Fault`` for any tag but the core schema's own for such a value."""
    tag = getattr(event, "tag", None)
    if tag not in {None, "!", f"{_CORE}{allowed}"}:
        raise Fault(f"the tag {tag} is not known here", "remove it", line=line_of(event))


def _scalar(event: yaml.ScalarEvent) -> object:
    if event.tag in _SCALAR_TAGS or (event.tag is None and event.implicit[0]):
        try:
            return resolved(event.value)
        except Fault as fault:
            fault.line = line_of(event)
            raise
    refuse_tag(event, "str")
    return event.value
