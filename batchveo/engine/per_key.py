"""Something for each API key of a run, known by the key's label."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from batchveo.core.models import Job

T = TypeVar("T")

Label = str
"""What an API key is called; empty where there is but one, which needs no name."""


class PerKey(Generic[T]):
    """One ``T`` for each key; what was bought with a key that has no label here is served by the first."""

    def __init__(self, items: Mapping[Label, T]) -> None:
        self._items = dict(items)
        self._first = next(iter(self._items.values()))

    def of(self, job: Job) -> T:
        """The one for the key that ``job`` was submitted with."""
        return self._items.get(job.api_key_label or "", self._first)
