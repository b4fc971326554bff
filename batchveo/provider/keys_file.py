"""The file of ``--keys``: several API keys, each with a label and limits of its own.

Its YAML is a small part of YAML: mappings, lists and plain values, each with its line. Anchors, aliases, tags, merge
keys and deep nesting are refused, so no input can expand. No error shows anything of the file but valid labels: a key
may have slipped into any place.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import yaml

from batchveo.core.errors import Problem, UsageError
from batchveo.core.hints import suggest_closest
from batchveo.core.quantities import RATE_A_MINUTE
from batchveo.provider.api_key import LABEL, ApiKey, NamedKey, read_key_file, read_small_text, strip_key

LARGEST_BYTES = 1024 * 1024
FIELDS = ("name", "file", "env", "key", "concurrency", "rate")
SOURCES = ("file", "env", "key")
"""The fields that may hold the key itself, or name its place: exactly one of them."""
DEEPEST = 4
"""Levels of nesting; such a file needs three."""
LONGEST_NUMBER = 18
"""Digits."""

_SHAPE = "write keys: and a list below it, each with name and one of file, env, key"
_RIGHT = "is an indent, a quote or a bracket wrong? A key written here is best put in quotes"
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18})")


def read_keys(path: Path, environment: Mapping[str, str] = os.environ, *, play: bool = False) -> tuple[NamedKey, ...]:
    """The keys that the file at ``path`` names, in its order, at least one.

    ``play``: for the sandbox; labels and limits count, the keys themselves are not read. Raises ``UsageError`` with
    all errors, each with its line.
    """
    reader = _KeysReader(path, environment, play=play)
    keys = list(reader.read_keys())
    if reader.problems:
        raise UsageError("\n".join(map(str, reader.problems)))
    return tuple(keys)


def read_variables(path: Path) -> frozenset[str]:
    """The environment variables that the file at ``path`` names, in which keys are; none if it cannot be read."""
    entries = _KeysReader(path, {}, play=True).read_entries()
    return frozenset(
        name for entry in entries if isinstance(entry, Table) and isinstance(name := entry.get("env"), str)
    )


class _KeysReader:
    """Reads one file, and collects its problems."""

    def __init__(self, path: Path, environment: Mapping[str, str], *, play: bool) -> None:
        self.problems: list[Problem] = []
        self._path = path
        self._environment = environment
        self._play = play

    def read_keys(self) -> Iterator[NamedKey]:
        """The keys that can be used."""
        lines: dict[str, int | None] = {}
        labels: dict[ApiKey, str] = {}
        for number, value in enumerate(self.read_entries(), 1):
            entry = _Entry(value if isinstance(value, Table) else Table(), number)
            if not isinstance(value, Table):
                self._add(entry, None, "is no mapping", _SHAPE)
                continue
            named = self._read_key(entry)
            if named is None:
                continue
            if named.name in lines:
                other = f"in line {lines[named.name]}"
                self._add(entry, "name", f"{named.name!r} is the label of another key too, {other}")
            elif named.key in labels:
                same = f"is the same key as that of {labels[named.key]!r}"
                self._add(entry, next(iter(entry.sources)), same, "give each key once")
            else:
                yield named
            lines.setdefault(named.name, entry.find_line("name"))
            labels.setdefault(named.key, named.name)

    def read_entries(self) -> Sequence[object]:
        """The entries, right or wrong."""
        try:
            top = read_document(read_small_text(self._path, most=LARGEST_BYTES))
        except Unreadable as error:
            self._add_problem(error.line, None, str(error), _RIGHT)
            return ()
        except ValueError as error:
            self._add_problem(None, None, f"the file of keys cannot be read: {error}")
            return ()
        if not isinstance(top, Table) or not isinstance(top.get("keys"), list) or not top["keys"]:
            self._add_problem(None, None, "names no keys", _SHAPE)
            return ()
        for name in top.keys() - {"keys"}:
            hint = suggest_closest(name, ["keys"])
            self._add_problem(top.lines[name], None, "only `keys` is known at the top level", hint)
        return cast("list[object]", top["keys"])

    def _read_key(self, entry: _Entry) -> NamedKey | None:
        """The key of one entry; ``None`` if anything is wrong with it."""
        before = len(self.problems)
        self._check_fields(entry)
        name = self._read_name(entry)
        key = self._read_secret(entry, name)
        concurrency, rate = self._read_concurrency(entry), self._read_rate(entry)
        if len(self.problems) > before or key is None:
            return None
        try:
            return NamedKey(name=name, key=key, concurrency=concurrency, rate=rate)
        except UsageError as error:
            self._add(entry, "name", str(error))
            return None

    def _check_fields(self, entry: _Entry) -> None:
        for field in entry.table:
            if field not in FIELDS:
                hint = suggest_closest(field, FIELDS) or f"there are {', '.join(FIELDS)}"
                self._add_problem(entry.table.lines[field], entry.place, "has a field that is not known", hint)

    def _read_name(self, entry: _Entry) -> str:
        name = entry.table.get("name")
        if isinstance(name, str) and LABEL.fullmatch(name):
            return name
        self._add(entry, "name", "is to be a label of 1 to 40 characters of A-Z a-z 0-9 . _ -", "name: team-a")
        return ""

    def _read_secret(self, entry: _Entry, name: str) -> ApiKey | None:
        if len(entry.sources) != 1:
            self._add(entry, None, "takes exactly one of file, env, key", "file: team-a.key")
            return None
        (source,) = entry.sources
        value = entry.table[source]
        if not isinstance(value, str) or not value.strip():
            self._add(entry, source, "is to be text", "put it in quotes")
            return None
        if self._play:
            return ApiKey(f"sandbox.{name}.{entry.number}")
        try:
            return self._find_secret(source, value)
        except (ValueError, UsageError) as error:
            self._add(entry, source, str(error))
            return None

    def _find_secret(self, source: str, value: str) -> ApiKey:
        """The key itself; raises ``ValueError`` or ``UsageError``."""
        if source == "key":
            return ApiKey(strip_key(value))
        if source == "file":
            try:
                return read_key_file(self._path.parent / Path(value).expanduser())
            except (ValueError, RuntimeError) as error:
                raise ValueError(f"the file that it names, seen from this one, cannot be read: {error}") from None
        if not self._environment.get(value, "").strip():
            raise ValueError("the environment variable that it names is not set")
        return ApiKey(strip_key(self._environment[value]))

    def _read_concurrency(self, entry: _Entry) -> int | None:
        value = entry.table.get("concurrency")
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
            return value
        self._add(entry, "concurrency", "is to be a whole number from 1", "concurrency: 20")
        return None

    def _read_rate(self, entry: _Entry) -> float | None:
        """Submits a minute."""
        value = entry.table.get("rate")
        if value is None:
            return None
        try:
            rate = RATE_A_MINUTE.parse("" if isinstance(value, bool) else str(value))
        except ValueError:
            rate = 0.0
        if 0 < rate < math.inf:
            return rate
        self._add(entry, "rate", "is to be a number above 0, of submits a minute", "rate: 60, 60/min or 1/s")
        return None

    def _add(self, entry: _Entry, field: str | None, message: str, suggestion: str | None = None) -> None:
        place = entry.place if field is None else f"{entry.place}, {field}"
        self._add_problem(entry.find_line(field), place, message, suggestion)

    def _add_problem(self, line: int | None, field: str | None, message: str, suggestion: str | None = None) -> None:
        problem = Problem(file=str(self._path), line=line, field=field, message=message, suggestion=suggestion)
        if problem not in self.problems:
            self.problems.append(problem)


class Table(dict[str, object]):
    """A mapping of the file; ``lines`` has the line of each key, counted from 1."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, int | None] = {}


class _Entry:
    """One item of the list; ``number`` counts from 1."""

    def __init__(self, table: Table, number: int) -> None:
        self.table = table
        self.number = number
        self.place = f"key {number}"
        self.sources = [source for source in SOURCES if source in table]

    def find_line(self, field: str | None) -> int | None:
        """The line of a field, or else the entry's first."""
        lines = self.table.lines
        return lines.get(field or "", next(iter(lines.values()), None))


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
        value = _read_value(next(events), events, depth=1)
        next(events)  # the end of the document
        last = next(events)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise Unreadable(mark.line + 1 if mark else None) from None
    if not isinstance(last, yaml.StreamEndEvent):
        raise Unreadable(_find_line(last))
    return value


def _read_value(event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> object:
    plain = not getattr(event, "anchor", None) and getattr(event, "tag", None) in (None, "!")
    if depth > DEEPEST or isinstance(event, yaml.AliasEvent) or not plain:
        raise Unreadable(_find_line(event))
    if isinstance(event, yaml.ScalarEvent):
        return _read_scalar(event)
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(item := next(events), yaml.SequenceEndEvent):
            items.append(_read_value(item, events, depth + 1))
        return items
    return _read_table(events, depth)


def _read_table(events: Iterator[yaml.Event], depth: int) -> Table:
    table = Table()
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = event.value if isinstance(event, yaml.ScalarEvent) else None
        if key is None or key == "<<" or key in table:
            raise Unreadable(_find_line(event))
        table[key] = _read_value(next(events), events, depth + 1)
        table.lines[key] = _find_line(event)
    return table


def _read_scalar(event: yaml.ScalarEvent) -> object:
    """Text if it is in quotes, else its value by the core schema of YAML 1.2 as far as such a file needs it."""
    text = event.value
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        if len(text) > LONGEST_NUMBER:  # most likely a key that is not in quotes
            raise Unreadable(_find_line(event))
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _find_line(event: yaml.Event) -> int | None:
    return None if event.start_mark is None else event.start_mark.line + 1
