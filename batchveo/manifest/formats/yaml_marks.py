"""Where an event of the YAML parser stands in its file."""

from __future__ import annotations

import yaml


def line_of(event: yaml.Event) -> int:
    """The line an event begins on, from 1."""
    return event.start_mark.line + 1 if event.start_mark else 1


def last_line_of(event: yaml.Event) -> int:
    """The line an event ends on, from 1."""
    return event.end_mark.line + 1 if event.end_mark else 1


def column_of(event: yaml.Event) -> int:
    """The column an event begins in, from 0."""
    return event.start_mark.column if event.start_mark else 0


def start_of(event: yaml.Event) -> int:
    """How many characters of the file stand before an event."""
    return event.start_mark.index if event.start_mark else 0


def end_of(event: yaml.Event) -> int:
    """How many characters of the file stand before the end of an event."""
    return event.end_mark.index if event.end_mark else 0
