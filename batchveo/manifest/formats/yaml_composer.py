"""Values of a YAML document, built from the parser's events with bounds on their size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

import yaml

from batchveo.manifest.entries import DEPTH_LIMIT, Items, Table
from batchveo.manifest.formats.text import Comment, Comments
from batchveo.manifest.problems import FatalFault, Fault, shown, shown_bare
from batchveo.manifest.scalars import resolve_scalar
from batchveo.manifest.vocabulary import CLOSED, TEXTS

NODE_LIMIT = 100_000
"""How many values one job may hold after its aliases are expanded."""

ANCHORED_LIMIT = 1_000_000
"""How many values one file may have under anchors; those are kept."""

_DASH = 2
"""The columns that the dash of a list's item takes."""

_HOPELESS_DEPTH = 10 * DEPTH_LIMIT  # the parser's time grows with the square of the depth
_TOO_DEEP = f"is nested more than {DEPTH_LIMIT} levels deep"
_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS = {f"{_CORE}{name}" for name in ("int", "float", "bool", "null")}
_DELIBERATE_GAP = 2
"""Blanks before a comment that is meant as one, by the habit of those who write YAML."""

_CLOSED = CLOSED | {"model", "repeat", "budget"}
"""Keys whose values no comment can cut short unnoticed."""

_BLANK_COMMENT = re.compile(r"#(?:[\s#!]|$)")


class Composer:
    """Takes events one by one and builds values from them; no objects, only the core schema's values.

    With the ``comments`` of the file, texts that one of them cuts short are reported; ``faults`` has what is wrong
    in the value that is being built.
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

    def next_event(self) -> yaml.Event:
        """The next event, counted for the depth."""
        event = next(self._events)
        if isinstance(event, yaml.CollectionStartEvent):
            self._depth += 1
            if self._depth > _HOPELESS_DEPTH:
                raise FatalFault(_TOO_DEEP, line=line_of(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            self._depth -= 1
        return event

    def read_value(self, start: yaml.Event) -> tuple[object, list[Fault]]:
        """The value that begins with this event, and what is wrong in it.

        After a fault that breaks it off the rest of the value is skipped, and the fault takes its place.
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
            self.next_event()
        faults, self.faults = self.faults, []
        return value, faults

    def unused_anchors(self) -> Iterator[Fault]:
        """What begins with ``&`` and is named nowhere: most likely the first word of a text."""
        for anchor, (line, text) in self._lonely_anchors.items():
            right = f"put the text in quotes: {shown(f'&{anchor} {text}')}"
            yield Fault(f"&{shown_bare(anchor)} is an anchor here that nothing refers to", right, line=line)

    def read_key(self, event: yaml.Event) -> str:
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

    def _compose_list(self, depth: int, key: str) -> Items:
        values = Items()
        while not isinstance(event := self.next_event(), yaml.SequenceEndEvent):
            values.append(value := self._compose_node(event, depth + 1, key))
            values.lines.append(line_of(event))
            if self._comments:
                self._check_comment(event, value, key, _mark_start(event).column - _DASH)
        return values

    def _compose_table(self, depth: int, *, in_braces: bool) -> Table | str:
        table = Table()
        merged: list[Table] = []
        previous, lone = "", False
        while not isinstance(event := self.next_event(), yaml.MappingEndEvent):
            if isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]:
                merged += self._merge_tables(event, depth)
                continue
            key, line = self.read_key(event), line_of(event)
            start = self.next_event()
            if in_braces and _is_lone(event, start):
                if previous or not lone:  # what a comma cuts once is reported once
                    self.faults.append(_refuse_lone(key, previous, line))
                previous, lone = "", True
                continue
            value = self._compose_node(start, depth + 1, key)
            if self._comments:
                self._check_comment(start, value, key, _mark_start(event).column)
            if key in table:
                self.faults.append(refuse_twice(key, table.lines[key], line))
            else:
                table[key], table.lines[key] = value, line
            previous = key
        for other in merged:
            for key in other.keys() - table.keys():
                table[key], table.lines[key] = other[key], other.lines[key]
        # {animal} without quotes: a text replaces it, so that no mapping is reported in its place
        return "…" if lone and depth and not table else table

    def _check_comment(self, event: yaml.Event, value: object, key: str, column: int) -> None:
        if self._comments is None or not isinstance(event, yaml.ScalarEvent):
            return
        comment = self._comments.find_after(_mark_end(event).index)
        if comment is None or event.style or not isinstance(value, str):
            return
        if fault := _refuse_cut(value, key, column, comment):
            fault.line, fault.field = _mark_end(event).line + 1 + comment.lines, key
            self.faults.append(fault)

    def _merge_tables(self, event: yaml.Event, depth: int) -> list[Table]:
        value = self._compose_node(self.next_event(), depth + 1)
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
            raise Fault(f"more than {ANCHORED_LIMIT:,} values are under anchors", line=line_of(event))
        self._anchors[anchor] = (value, size)
        if isinstance(event, yaml.ScalarEvent) and not event.style and (" " in event.value or not event.value):
            self._lonely_anchors[anchor] = (line_of(event), event.value)

    def _count_nodes(self, nodes: int, event: yaml.Event) -> None:
        self._nodes += nodes
        if self._nodes > NODE_LIMIT:
            raise Fault(f"one job holds more than {NODE_LIMIT:,} values, aliases expanded", line=line_of(event))


def refuse_twice(key: str, first: int, line: int) -> Fault:
    """The fault of a key that one mapping has twice."""
    where = f"appears twice, in line {first} and in line {line}"
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


def _is_lone(key: yaml.Event, value: yaml.Event) -> bool:
    """Whether a key in braces has no colon: its empty value has no place of its own."""
    if not isinstance(value, yaml.ScalarEvent) or value.value or value.anchor or not value.implicit[0]:
        return False
    return _mark_start(value).index == _mark_end(key).index or " " in getattr(key, "value", "")


def _refuse_lone(key: str, previous: str, line: int) -> Fault:
    """What to say of such a key; ``previous`` is the one before it, whose text the comma cut, if there is one."""
    if previous:
        right = f"does the {previous} need quotes? in {{…}} a comma ends a text"
    else:
        right = f"a placeholder takes quotes: '{{{shown_bare(key, 40)}}}'; a key takes a colon and a value"
    return Fault("is no key", right, line=line, field=key)


def _refuse_cut(value: str, key: str, column: int, comment: Comment) -> Fault | None:
    """What to say of a plain text that this comment follows; ``None`` if it is surely meant as a comment.

    ``key`` is what the text is written for, ``column`` that of the key or of the list's item.
    """
    if key in _CLOSED or not _may_go_on(key, column, comment):
        return None
    whole = f"{value} {comment.text}" if comment.lines == 0 else value
    return Fault(
        f"{shown(comment.text)} is a comment here, and cuts the text off",
        f"put the text in quotes: {shown(whole)}; or give a comment a line of its own, no deeper than the key",
    )


def _may_go_on(key: str, column: int, comment: Comment) -> bool:
    spaced = _BLANK_COMMENT.match(comment.text) is not None
    if comment.lines:  # a line of its own: only what looks like the text's next line is doubtful
        return comment.lines == 1 and comment.column > column and (key in TEXTS or not spaced)
    return key in TEXTS or not spaced or (key == "name" and comment.gap < _DELIBERATE_GAP)


def line_of(event: yaml.Event) -> int:
    """The line that an event begins on, from 1."""
    return _mark_start(event).line + 1


def _mark_start(event: yaml.Event) -> yaml.Mark:
    return cast("yaml.Mark", event.start_mark)  # the parser marks every event


def _mark_end(event: yaml.Event) -> yaml.Mark:
    return cast("yaml.Mark", event.end_mark)
