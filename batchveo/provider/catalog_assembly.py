"""The models of a new catalogue, put together from what a refresh has read and from the old catalogue."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from batchveo.provider.catalog import Catalog
from batchveo.provider.catalog.file_format import FORMAT, CatalogError
from batchveo.provider.responses import to_one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a model is from: a row of the service's list, and its document. ``model``: the name that this states."""

    id: str
    url: str
    aliases: tuple[str, ...] = ()
    etag: str = ""
    model: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the list gives to the model."""
        return (self.id, *self.aliases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that could not be read. ``model``: what it is about; ``kept``: what was known of it remains."""

    model: str
    reason: str
    kept: bool = False


@dataclass(slots=True)
class Found:
    """What came of one row: an entry of the catalogue by the model's name, or the reason why there is none."""

    source: Source
    reason: str
    name: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    is_new: bool = False


@dataclass(slots=True)
class _Entry:
    """One model of the new catalogue; ``names`` may have its own name among them, and those of other models."""

    params: Mapping[str, Any]
    names: list[str]


class Assembly:
    """Puts models together; ``old`` is the catalogue so far. ``troubles`` is about what could not be read."""

    def __init__(self, old: Catalog) -> None:
        self._old = old
        self._failed: list[Source] = []
        self.troubles: list[Trouble] = []

    def add_trouble(self, model: str, reason: str, *, kept: bool = False) -> None:
        """Report something that could not be read."""
        self.troubles.append(Trouble(model=model, reason=reason, kept=kept))

    def add_failure(self, source: Source, reason: str) -> None:
        """Report a model that could not be read; what the old catalogue has of it is kept."""
        self.add_trouble(source.id, to_one_line(reason), kept=bool(self._list_known(source)))
        self._failed.append(source)

    def assemble(self, found: Sequence[Found], ending: Collection[str]) -> dict[str, Any]:
        """The models as the file has them. ``ending``: old models that are kept even if the list leaves them out."""
        entries = self._merge_found(found)
        self._remove_misfits(entries, found)
        self._add_kept(entries, ending)
        return _name_aliases(entries)

    def _merge_found(self, found: Sequence[Found]) -> dict[str, _Entry]:
        """One entry for each model, whose names are those of all rows with the same document."""
        entries: dict[str, _Entry] = {}
        for each in found:
            if not each.name:
                self.add_failure(each.source, each.reason)
            elif each.name not in entries:
                entries[each.name] = _Entry(each.params, [*each.source.names])
            elif entries[each.name].params == each.params:
                entries[each.name].names += each.source.names
            else:
                reason = f"{each.source.id} has another document of the same name; the first counts"
                self.add_trouble(each.name, reason)
        return entries

    def _remove_misfits(self, entries: dict[str, _Entry], found: Sequence[Found]) -> None:
        """Remove the entries that contradict what this version knows of their models."""
        models = {name: {"params": entry.params} for name, entry in entries.items()}
        catalog = Catalog(lambda: json.dumps({"format": FORMAT, "models": models}).encode())
        for name in models:
            try:
                catalog[name]
            except CatalogError as error:
                names = entries.pop(name).names
                for each in found:
                    if each.name == name:  # without an ETag the next refresh reads it, and reports it, again
                        each.source = replace(each.source, etag="")
                source = Source(id=name, url="", aliases=tuple(names))
                self.add_failure(source, f"its document does not fit: {'; '.join(error.problems[:3])}")

    def _list_known(self, source: Source) -> list[str]:
        """The names in the old catalogue of what a row is about; several, if rows name the same document."""
        named = (name for name in (source.model, *source.names) if name in self._old)
        return list(dict.fromkeys(self._old[name].id for name in named))

    def _add_kept(self, entries: dict[str, _Entry], ending: Collection[str]) -> None:
        failed = (name for source in self._failed for name in self._list_known(source))
        for name in [*failed, *ending]:
            if name not in entries:
                entry = self._old.read_entry(name)
                entries[name] = _Entry(entry["params"], list(entry.get("aliases", ())))


def _name_aliases(entries: Mapping[str, _Entry]) -> dict[str, Any]:
    """The entries as the file has them: by name, each with the aliases that no other one has."""
    taken = set(entries)
    models: dict[str, Any] = {}
    for name, entry in sorted(entries.items()):
        aliases = [alias for alias in dict.fromkeys(entry.names) if alias not in taken]
        taken.update(aliases)
        models[name] = ({"aliases": aliases} if aliases else {}) | {"params": entry.params}
    return models


def find_losses(old: Catalog, new: Catalog) -> list[str]:
    """The models of ``old`` that ``new`` lacks, or of which it lacks most of the parameters.

    One that is only another name of a model now counts as lost: a service could so make one of many.
    """
    names = set(new)
    return [name for name in old if name not in names or _lost_most(old.read_entry(name), new.read_entry(name))]


def _lost_most(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return len(new["params"].keys() & old["params"].keys()) * 2 < len(old["params"])
