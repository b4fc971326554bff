"""The file of ``--keys``: several API keys, each with a label and limits of its own.

Whatever is wrong with it, nothing that stands in it is ever shown but valid labels: a key may have slipped into
any place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from batchveo.core.errors import Problem, UsageError
from batchveo.core.hints import suggest_closest
from batchveo.provider.api_key import LABEL, ApiKey, NamedKey, read_key_file
from batchveo.provider.key_text import strip_key
from batchveo.provider.keys_yaml import Table, Unreadable, read_document

LARGEST_BYTES = 1024 * 1024
FIELDS = ("name", "file", "env", "key", "concurrency", "rate")
SOURCES = ("file", "env", "key")
"""Where the key itself may stand: exactly one of them."""

_SHAPE = "write keys: and a list below it, each with name and one of file, env, key"

_RIGHT = "is an indent, a quote or a bracket wrong? A key written here is best put in quotes"


def read_keys(path: Path, environment: Mapping[str, str] = os.environ, *, play: bool = False) -> tuple[NamedKey, ...]:
    """The keys that the file at ``path`` names, in its order, at least one.

    ``play``: for the sandbox; labels and limits count, the keys themselves are not looked for. Raises
    ``UsageError`` with everything that is wrong, each with its line.
    """
    problems: list[Problem] = []
    keys = list(_Reading(path, environment, problems, play=play).keys())
    if problems:
        raise UsageError("\n".join(map(str, problems)))
    return tuple(keys)


class _Reading:
    """One pass over the file."""

    def __init__(self, path: Path, environment: Mapping[str, str], problems: list[Problem], *, play: bool) -> None:
        self._path = path
        self._environment = environment
        self._problems = problems
        self._play = play

    def keys(self) -> Iterator[NamedKey]:
        """What can be used; the problems say the rest."""
        names: dict[str, int | None] = {}
        labels: dict[ApiKey, str] = {}
        for number, table in enumerate(self._entries(), 1):
            entry = _Entry(table, number)
            named = self._named(entry)
            if named is None:
                continue
            if named.name in names:
                self._wrong(
                    entry, "name", f"{named.name!r} is the label of another key too, in line {names[named.name]}"
                )
            elif named.key in labels:
                self._wrong(
                    entry, entry.source, f"is the same key as that of {labels[named.key]!r}", "give each key once"
                )
            else:
                yield named
            names.setdefault(named.name, entry.line("name"))
            labels.setdefault(named.key, named.name)

    def _entries(self) -> Sequence[object]:
        top = self._top()
        if top is None:
            return ()
        if not isinstance(top, Table) or not isinstance(top.get("keys"), list) or not top["keys"]:
            self._add(None, None, "names no keys", _SHAPE)
            return ()
        for name in top.keys() - {"keys"}:
            self._add(
                top.lines[name], None, "at the top stands keys, and nothing else", suggest_closest(name, ["keys"])
            )
        return cast("list[object]", top["keys"])

    def _top(self) -> object:
        """What the document holds; ``None`` where it cannot be read."""
        try:
            return read_document(_text(self._path))
        except Unreadable as error:
            self._add(error.line, None, str(error), _RIGHT)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self._add(None, None, f"the file of keys cannot be read: {reason}")
        return None

    def _named(self, entry: _Entry) -> NamedKey | None:
        """The key of one entry; ``None`` where something is wrong with it."""
        before = len(self._problems)
        if not isinstance(entry.table, Table):
            self._wrong(entry, None, "is no mapping", _SHAPE)
            return None
        self._check_fields(entry, entry.table)
        name = self._name(entry, entry.table)
        key = self._key(entry, entry.table, name)
        places = self._number(entry, entry.table, "concurrency", whole=True)
        rate = self._number(entry, entry.table, "rate", whole=False)
        if len(self._problems) > before or key is None:
            return None
        try:
            return NamedKey(name=name, key=key, concurrency=None if places is None else int(places), rate=rate)
        except UsageError as error:
            self._wrong(entry, "name", str(error))
            return None

    def _check_fields(self, entry: _Entry, table: Table) -> None:
        for field in table:
            if field not in FIELDS:
                hint = suggest_closest(field, FIELDS) or f"there are {', '.join(FIELDS)}"
                self._add(table.lines[field], entry.place, "has a field that is not known", hint)

    def _name(self, entry: _Entry, table: Table) -> str:
        name = table.get("name")
        if isinstance(name, str) and LABEL.fullmatch(name):
            return name
        self._wrong(entry, "name", "is to be a label of 1 to 40 characters of A-Z a-z 0-9 . _ -", "name: team-a")
        return ""

    def _key(self, entry: _Entry, table: Table, name: str) -> ApiKey | None:
        sources = [source for source in SOURCES if source in table]
        if len(sources) != 1:
            self._wrong(entry, None, "takes exactly one of file, env, key", "file: team-a.key")
            return None
        value = table[sources[0]]
        if not isinstance(value, str) or not value.strip():
            self._wrong(entry, sources[0], "is to be text", "put it in quotes")
            return None
        if self._play:
            return ApiKey(f"sandbox.{name}.{entry.number}")
        try:
            return self._found(sources[0], value)
        except (ValueError, UsageError) as error:
            self._wrong(entry, sources[0], str(error))
            return None

    def _found(self, source: str, value: str) -> ApiKey:
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

    def _number(self, entry: _Entry, table: Table, field: str, *, whole: bool) -> float | None:
        value = table.get(field)
        if value is None:
            return None
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or value < (1 if whole else 0) or value == 0:
            demand = "a whole number from 1" if whole else "a number above 0, of submits a minute"
            self._wrong(entry, field, f"is to be {demand}", f"{field}: {20 if whole else 60}")
            return None
        return cast("float", value)

    def _wrong(self, entry: _Entry, field: str | None, message: str, suggestion: str | None = None) -> None:
        place = entry.place if field is None else f"{entry.place}, {field}"
        self._add(entry.line(field), place, message, suggestion)

    def _add(self, line: int | None, field: str | None, message: str, suggestion: str | None = None) -> None:
        problem = Problem(file=str(self._path), line=line, field=field, message=message, suggestion=suggestion)
        if problem not in self._problems:
            self._problems.append(problem)


class _Entry:
    """One item of the list, whatever it is; ``number`` counts from 1."""

    def __init__(self, table: object, number: int) -> None:
        self.table = table
        self.number = number
        self.place = f"key {number}"

    @property
    def source(self) -> str | None:
        """The field that tells where the key is."""
        return next((name for name in SOURCES if isinstance(self.table, Table) and name in self.table), None)

    def line(self, field: str | None) -> int | None:
        """The line of a field, or else the entry's first."""
        lines = self.table.lines if isinstance(self.table, Table) else {}
        return lines.get(field or "", next(iter(lines.values()), None))


def _text(path: Path) -> str:
    """Raises ``OSError`` or ``ValueError``."""
    with path.open("rb") as stream:
        content = stream.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise ValueError(f"it is longer than {LARGEST_BYTES >> 20} MiB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
