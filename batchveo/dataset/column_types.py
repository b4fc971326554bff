"""The types of a dataset's columns, wide enough for every value in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from batchveo.dataset.columns import COLUMNS, Kind, Row

SAMPLE = 100
"""Rows that every loader looks at before it decides on types; it reads some megabytes, or ten thousand rows."""

_INT64 = 1 << 63
_EXACT = 1 << 53
"""Whole numbers up to here are the same as floating point numbers; larger ones may change."""


@dataclass(frozen=True, slots=True)
class ColumnTypes:
    """A type for each column. Loaders take one type a column for all splits, so it comes from all rows.

    A column is as ``COLUMNS`` says, unless some value does not fit: whole numbers beside fractions become numbers,
    any other mixture becomes text. A column without any value keeps its usual type.
    """

    kinds: Mapping[str, Kind]

    def fit(self, row: Row) -> Row:
        """The row with each value in the type of its column."""
        return {name: _as(self.kinds[name], value) for name, value in row.items()}


@dataclass(slots=True)
class TypeSurvey:
    """Looks at rows one by one, for the types of their columns and the rows that show them first."""

    _found: dict[str, set[Kind]] = field(default_factory=dict)
    _largest: dict[str, int] = field(default_factory=dict)
    _unseen: set[str] = field(default_factory=lambda: set(COLUMNS))
    _rows: int = 0
    _leaders: set[str] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Look at one row."""
        for name, value in row.items():
            if value is not None:
                self._look(name, value)
        shown = {name for name in self._unseen if row[name] is not None}
        if shown and self._rows >= SAMPLE:
            self._leaders.add(str(row["job_id"]))
        self._unseen -= shown
        self._rows += 1

    def types(self) -> ColumnTypes:
        """The types that hold every value seen."""
        return ColumnTypes({name: self._type(name, usual) for name, usual in COLUMNS.items()})

    def leaders(self) -> frozenset[str]:
        """The ids of jobs whose rows show the type of a column first, later than a loader is sure to look."""
        return frozenset(self._leaders)

    def _look(self, name: str, value: object) -> None:
        if type(value) is int:
            self._largest[name] = max(self._largest.get(name, 0), abs(value))
        if type(value) is not COLUMNS[name].value:
            self._found.setdefault(name, {COLUMNS[name]}).add(_kind_of(value))

    def _type(self, name: str, usual: Kind) -> Kind:
        kinds = self._found.get(name, {usual})
        largest = self._largest.get(name, 0)
        if kinds == {Kind.INTEGER, Kind.NUMBER}:
            return Kind.NUMBER if largest <= _EXACT else Kind.TEXT
        (kind,) = kinds if len(kinds) == 1 else (Kind.TEXT,)
        return Kind.TEXT if kind is Kind.INTEGER and largest >= _INT64 else kind


def _kind_of(value: object) -> Kind:
    return next((kind for kind in Kind if type(value) is kind.value), Kind.TEXT)


def _as(kind: Kind, value: object) -> object:
    if value is None or type(value) is kind.value:
        return value
    if kind is Kind.NUMBER:
        return float(value)  # type: ignore[arg-type]  # a whole number that is exact
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
