"""Models that the service has shut down or will shut down, by its feed, and what replaces them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from batchveo.core.formatting import format_count
from batchveo.provider.catalog import Catalog
from batchveo.provider.client import ApiClient
from batchveo.provider.responses import to_one_line
from batchveo.provider.service_lists import read_rows

DEPRECATIONS = "/v1/models/deprecations"


class Status(StrEnum):
    """What became of a model, in the words of the feed."""

    DEPRECATED = "deprecated"
    """It still makes videos, at most until its date."""
    SUPERSEDED = "superseded"
    """Another model answers under its name, without end."""
    WITHDRAWN = "withdrawn"
    """Requests to it answer 404."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """One row of the feed: a model by its id and its other names.

    ``status``: a ``Status``, or another word, since the service may get new ones. ``replaced_by``: the names of models
    to use instead, the first one first. ``reason``: the service's words.
    """

    id: str
    aliases: tuple[str, ...] = ()
    status: str = Status.WITHDRAWN
    deprecated_at: date | None = None
    shutdown_at: date | None = None
    replaced_by: tuple[str, ...] = ()
    reason: str = ""

    @property
    def is_over(self) -> bool:
        """Whether the feed says that the model makes no more videos."""
        return self.status == Status.WITHDRAWN

    @property
    def needs_action(self) -> bool:
        """Whether a person must do something: not if another model answers under this name."""
        return self.status != Status.SUPERSEDED

    @property
    def successor(self) -> str | None:
        """The model to use instead, if the feed names one."""
        return self.replaced_by[0] if self.replaced_by else None

    def describe(self, today: date, *, name: str | None = None) -> str:
        """A sentence about the model, for a person; ``name``: how the person calls the model."""
        instead = " or ".join(self.replaced_by)
        if self.status == Status.SUPERSEDED:
            text = f"was superseded by {instead}: it is made by {instead}" if instead else "was superseded"
            return f"{name or self.id} {text}"
        return f"{name or self.id} {self._describe_end(today)}{f'; use {instead} instead' if instead else ''}"

    def _describe_end(self, today: date) -> str:
        if self.status == Status.WITHDRAWN:
            day = self.shutdown_at or self.deprecated_at
            return f"was withdrawn on {day}" if day and day <= today else "was withdrawn"
        if self.shutdown_at is None:
            since = f" since {self.deprecated_at}" if self.deprecated_at else ""
            return f"is {self.status}{since}"
        return f"{self._describe_shutdown()} on {self.shutdown_at} ({_count_days(today, self.shutdown_at)})"

    def _describe_shutdown(self) -> str:
        # a status that this version does not know may mean anything: its word is shown
        return "is to be shut down" if self.status == Status.DEPRECATED else f"is {self.status}, with a shutdown"

    def write(self) -> dict[str, Any]:
        """The row as plain data, as ``read_retirements`` takes it; what is empty is left out."""
        row = {
            "id": self.id,
            "aliases": list(self.aliases),
            "status": str(self.status),
            "deprecated_at": self.deprecated_at and self.deprecated_at.isoformat(),
            "shutdown_at": self.shutdown_at and self.shutdown_at.isoformat(),
            "replaced_by": list(self.replaced_by),
            "reason": self.reason,
        }
        return {name: value for name, value in row.items() if value}


class Retirements(Sequence[Retirement]):
    """The rows of the feed in their order, the newest first."""

    def __init__(self, rows: Iterable[Retirement] = ()) -> None:
        self._rows = tuple(rows)
        self._by_alias = _index((alias, row) for row in self._rows for alias in row.aliases)
        self._by_id = _index((row.id, row) for row in self._rows)

    def find(self, *names: str) -> Retirement | None:
        """The row about the model of these names: the first one by its id, else by another name."""
        tables = (self._by_id, self._by_alias)
        return next((table[name] for table in tables for name in names if name in table), None)

    def write(self) -> list[dict[str, Any]]:
        """The rows as plain data, as ``read_retirements`` takes them."""
        return [row.write() for row in self._rows]

    def __getitem__(self, index: Any) -> Any:
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)


def _index(pairs: Iterable[tuple[str, Retirement]]) -> dict[str, Retirement]:
    found: dict[str, Retirement] = {}
    for name, row in pairs:
        found.setdefault(name, row)  # the newest row counts
    return found


def read_retirements(rows: object) -> Retirements:
    """The rows of the feed, or of a catalogue's file; those that name no model are left out."""
    return Retirements(_read_rows(rows if isinstance(rows, list) else []))


async def fetch_retirements(api: ApiClient) -> Retirements:
    """Ask the service for its feed, which needs no key. Raises ``ProviderError`` or ``KeyRejected``."""
    _, rows = await read_rows(api, DEPRECATIONS, auth=False)
    return read_retirements(rows)


def _read_rows(rows: Iterable[object]) -> Iterator[Retirement]:
    for row in rows:
        if isinstance(row, dict) and (own := _read_text(row, "id")):
            yield Retirement(
                id=own,
                aliases=_read_names(row, "aliases"),
                status=_read_status(row),
                deprecated_at=_read_day(row, "deprecated_at"),
                shutdown_at=_read_day(row, "shutdown_at"),
                replaced_by=_read_names(row, "replaced_by"),
                reason=_read_text(row, "reason"),
            )


def _read_status(row: Mapping[str, object]) -> str:
    word = _read_text(row, "status").lower()
    # a row without a status: that it is listed at all says that the model ends
    return Status(word) if word in set(Status) else word or Status.DEPRECATED


def _read_text(row: Mapping[str, object], name: str) -> str:
    value = row.get(name)
    return to_one_line(value).strip() if isinstance(value, str) else ""


def _read_names(row: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = row.get(name)
    listed = value if isinstance(value, list) else [value]
    names = (to_one_line(each).strip() for each in listed if isinstance(each, str))
    return tuple(dict.fromkeys(filter(None, names)))


def _read_day(row: Mapping[str, object], name: str) -> date | None:
    value = row.get(name)
    try:
        return date.fromisoformat(value[:10]) if isinstance(value, str) else None
    except ValueError:
        return None


def _count_days(today: date, day: date) -> str:
    days = (day - today).days
    if days < 0:
        return f"{format_count(-days, 'day')} ago"
    return "today" if days == 0 else f"in {format_count(days, 'day')}"


def read_kept_retirements(catalog: Catalog) -> Retirements:
    """The rows of the feed that a refresh kept in the file of the catalogue; none in that of the package."""
    return read_retirements(catalog.extra.get("retired"))
