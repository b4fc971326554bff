"""A new catalogue from the service itself: its list of models, the document of each, and the models that it ends.

No call has the key. A document that cannot be read harms only its model: what was known of that is kept. What the
refresh leaves in the file for the next one: ``service``, ``version``, ``etags`` and ``sources``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeGuard

import anyio

from batchveo.core.version import __version__
from batchveo.provider.catalog import Catalog
from batchveo.provider.catalog.file_format import FORMAT, CatalogError, write_param
from batchveo.provider.catalog.openapi import MOST_NAME, DocumentError, read_document
from batchveo.provider.client import ApiClient, ProviderError
from batchveo.provider.public_calls import PublicCalls
from batchveo.provider.responses import LONGEST_URL, to_one_line
from batchveo.provider.retirement import DEPRECATIONS, read_retirements

MODELS_LIST = "/v1/models"
VIDEO_TYPE = "internal/video-generations/submit"
"""The type of the models that make videos, in the service's list."""
WHOLE_SECONDS = 600.0
"""The longest time of a refresh; documents that are not read by then count as not readable."""
LARGEST_DOCUMENT = 256 * 1024
"""Bytes; the largest document of the service has 9 kB."""
MOST_MODELS = 1_000
MOST_ALIASES = 20
LONGEST_ETAG = 256
ENDING = "models that end"
"""What a trouble with the feed of them is about."""

Watch = Callable[[int, int], None]
"""Gets the documents that are done, and all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a model is from: a row of the service's list, and its document. ``model``: the name that this states."""

    id: str
    url: str
    aliases: tuple[str, ...] = ()
    etag: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that could not be read. ``model``: what it is about; ``kept``: what was known of it remains."""

    model: str
    reason: str
    kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """What a refresh found. ``content`` is the data of the new catalogue's file.

    ``documents`` were read anew, ``unchanged`` are as they were; ``notes`` are about what is not checked of a model.
    """

    content: Mapping[str, Any]
    documents: int
    unchanged: int
    troubles: tuple[Trouble, ...] = ()
    notes: tuple[Trouble, ...] = ()


class RefreshError(ProviderError):
    """The service's answers make no catalogue."""


async def refresh_catalog(api: ApiClient, old: Catalog, *, today: str, watch: Watch | None = None) -> Refresh:
    """Ask the service for all of its video models; ``old`` is what is known of them.

    ``today`` becomes the date of the catalogue. Raises ``ProviderError`` if there is no list of models, or if no
    document at all can be read.
    """
    reading = _Reading(api=api, old=old)
    with anyio.move_on_after(WHOLE_SECONDS):
        await reading.read_all(watch or _ignore_progress)
    if reading.list_etag is None:
        raise RefreshError(f"GET {MODELS_LIST}: no answer within {WHOLE_SECONDS / 60:.0f} minutes")
    return reading.finish(today)


def _ignore_progress(done: int, total: int) -> None:
    """Nobody watches."""


@dataclass(slots=True)
class _Found:
    """What came of one row: an entry of the catalogue by the model's name, or why there is none."""

    source: Source
    name: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    is_new: bool = False
    reason: str = f"its document was not read within {WHOLE_SECONDS / 60:.0f} minutes"


class _Reading:
    """One refresh: reads, and puts the new catalogue together."""

    def __init__(self, api: ApiClient, old: Catalog) -> None:
        self._calls = PublicCalls(api)
        self._old = old
        self._own_names = frozenset(old)
        extra = old.extra
        # what another version has made of a document, or another service has sent, says nothing
        fits = extra.get("service") == api.base_url and extra.get("version") == __version__
        self._service = api.base_url
        self._sources = {source.url: source for source in _read_sources(extra.get("sources") if fits else None)}
        etags = extra.get("etags") if fits else None
        self._etags: Mapping[str, object] = etags if isinstance(etags, dict) else {}
        self._found: list[_Found] = []
        self._troubles: list[Trouble] = []
        self._notes: list[Trouble] = []
        self._failed: list[Source] = []
        self.list_etag: str | None = None
        self._retired = read_retirements(extra.get("retired"))
        self._retired_etag = ""

    async def read_all(self, watch: Watch) -> None:
        """Ask for everything."""
        sources = await self._read_list()
        await self._read_retired()
        self._found = [_Found(source) for source in sources]
        done = 0
        watch(done, len(sources))

        async def read(found: _Found) -> None:
            nonlocal done
            await self._read_one(found)
            done += 1
            watch(done, len(sources))

        async with anyio.create_task_group() as tasks:
            for found in self._found:
                tasks.start_soon(read, found)

    async def _read_list(self) -> list[Source]:
        etag = _check_etag(self._etags.get("models")) if self._sources else ""
        answer = await self._calls.ask(MODELS_LIST, [("type", VIDEO_TYPE)], etag=etag)
        if answer.status == 304:
            self.list_etag = etag
            return list(self._sources.values())
        rows = answer.fields.get("data")
        if not isinstance(rows, list):
            raise RefreshError(f"GET {MODELS_LIST}: the answer is no list of models")
        sources = self._choose_rows(rows)
        if not sources:
            raise RefreshError(f"GET {MODELS_LIST}: the list has no video model")
        self.list_etag = _check_etag(answer.headers.get("etag"))
        return sources

    def _choose_rows(self, rows: Sequence[object]) -> list[Source]:
        """The rows of video models, one for each document."""
        chosen: dict[str, Source] = {}
        for row in rows:
            # not every service knows the filter by type
            if not isinstance(row, dict) or row.get("type", VIDEO_TYPE) != VIDEO_TYPE:
                continue
            name, info = row.get("id"), row.get("info")
            url = info.get("docsJson") if isinstance(info, dict) else None
            if not _is_name(name):
                self._troubles.append(
                    Trouble(model=_show_name(name), reason="its name in the list is not a short text")
                )
            elif not isinstance(url, str) or not 0 < len(url) <= LONGEST_URL:
                self._add_failure(Source(id=name, url=""), "the list names no document of it")
            elif len(chosen) >= MOST_MODELS:
                self._troubles.append(Trouble(model=name, reason=f"the list has more than {MOST_MODELS:,} models"))
                break
            else:
                first = chosen.get(url)
                names = (*((first.id, *first.aliases) if first else (name,)), name, *_read_names(row.get("aliases")))
                own, *aliases = dict.fromkeys(names)
                known = self._sources.get(url)
                chosen[url] = Source(
                    id=own,
                    url=url,
                    aliases=tuple(aliases),
                    etag=known.etag if known else "",
                    model=known.model if known else "",
                )
        return list(chosen.values())

    async def _read_retired(self) -> None:
        """The models that end; if they cannot be read, those that are known stay."""
        etag = _check_etag(self._etags.get("deprecations"))
        try:
            answer = await self._calls.ask(DEPRECATIONS, etag=etag)
        except ProviderError as error:
            self._troubles.append(Trouble(model=ENDING, reason=str(error), kept=True))
            return
        rows = answer.fields.get("data")
        if answer.status == 304:
            self._retired_etag = etag
        elif isinstance(rows, list):
            self._retired = read_retirements(rows)
            self._retired_etag = _check_etag(answer.headers.get("etag"))
        else:
            self._troubles.append(
                Trouble(model=ENDING, reason=f"GET {DEPRECATIONS}: the answer has no rows", kept=True)
            )

    async def _read_one(self, found: _Found) -> None:
        source = found.source
        is_kept = source.model in self._own_names
        try:
            answer = await self._calls.ask(
                source.url, etag=source.etag if is_kept else "", most=LARGEST_DOCUMENT, what="its document"
            )
        except ProviderError as error:
            found.reason = str(error)
            return
        if answer.status == 304:
            found.name, found.params = source.model, self._old.read_entry(source.model)["params"]
            return
        try:
            document = read_document(answer.json)
        except DocumentError as error:
            found.reason = f"its document cannot be read: {error}"
            return
        if not _is_name(document.model):
            found.reason = "its document names a model that is not a short text"
        elif not document.params:
            found.reason = "its document describes no parameters"
        else:
            found.name, found.is_new = document.model, True
            found.params = {name: write_param(param) for name, param in document.params.items()}
            etag = _check_etag(answer.headers.get("etag"))
            found.source = replace(source, etag=etag, model=document.model)
            self._notes += [Trouble(model=document.model, reason=note) for note in document.notes]

    def finish(self, today: str) -> Refresh:
        """Put the new catalogue together."""
        entries: dict[str, dict[str, Any]] = {}
        good = [found for found in self._found if found.name]
        if self._found and not good:
            raise RefreshError(
                f"no document of {len(self._found):,} models can be read; the first: {self._found[0].reason}"
            )
        for found in self._found:
            if not found.name:
                self._add_failure(found.source, found.reason)
            elif found.name not in entries:
                entries[found.name] = {"params": found.params, "names": [found.source.id, *found.source.aliases]}
            elif entries[found.name]["params"] == found.params:
                entries[found.name]["names"] += [found.source.id, *found.source.aliases]
            else:
                self._troubles.append(
                    Trouble(
                        model=found.name,
                        reason=f"{found.source.id} has another document of the same name; the first counts",
                    )
                )
        self._replace_misfits(entries)
        self._add_kept(entries)
        content = {
            "format": FORMAT,
            "made": today,
            "service": self._service,
            "version": __version__,
            "etags": {"models": self.list_etag, "deprecations": self._retired_etag},
            "sources": [asdict(found.source) for found in self._found],
            "retired": self._retired.write(),
            "models": _name_aliases(entries),
        }
        return Refresh(
            content=content,
            documents=sum(found.is_new for found in self._found),
            unchanged=len(good) - sum(found.is_new for found in self._found),
            troubles=tuple(self._troubles),
            notes=tuple(self._notes),
        )

    def _replace_misfits(self, entries: dict[str, dict[str, Any]]) -> None:
        """Take out the entries that do not go with what this version knows of their models."""
        models = {name: {"params": entry["params"]} for name, entry in entries.items()}
        catalog = Catalog(lambda: json.dumps({"format": FORMAT, "models": models}).encode())
        for name in models:
            try:
                catalog[name]
            except CatalogError as error:
                names = entries.pop(name)["names"]
                for found in self._found:
                    if found.name == name:  # to be read, and said, again
                        found.source = replace(found.source, etag="")
                self._add_failure(
                    Source(id=name, url="", aliases=tuple(names)),
                    f"its document does not fit: {'; '.join(error.problems[:3])}",
                )

    def _add_failure(self, source: Source, reason: str) -> None:
        kept = bool(self._list_known(source))
        self._troubles.append(Trouble(model=source.id, reason=to_one_line(reason), kept=kept))
        self._failed.append(source)

    def _list_known(self, source: Source) -> list[str]:
        """The names in the old catalogue of what a row is about; several, if rows name the same document."""
        named = (name for name in (source.model, source.id, *source.aliases) if name in self._old)
        return list(dict.fromkeys(self._old[name].id for name in named))

    def _add_kept(self, entries: dict[str, dict[str, Any]]) -> None:
        """What was known of models that could not be read, and of those that the list leaves out since they end."""
        ending = (name for name in self._old if self._retired.find(name, *self._old[name].aliases) is not None)
        failed = (name for source in self._failed for name in self._list_known(source))
        for name in [*failed, *ending]:
            if name not in entries:
                entry = self._old.read_entry(name)
                entries[name] = {"params": entry["params"], "names": list(entry.get("aliases", ()))}


def _read_sources(rows: object) -> Iterator[Source]:
    for row in _as_list(rows):
        if isinstance(row, dict) and _is_name(row.get("id")) and isinstance(row.get("url"), str):
            yield Source(
                id=row["id"],
                url=row["url"],
                aliases=tuple(_read_names(row.get("aliases"))),
                etag=_check_etag(row.get("etag")),
                model=row["model"] if _is_name(row.get("model")) else "",
            )


def _name_aliases(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The entries as the file has them: by name, each with the aliases that no other one has."""
    taken = set(entries)
    models: dict[str, Any] = {}
    for name in sorted(entries):
        aliases = [alias for alias in dict.fromkeys(entries[name]["names"]) if alias not in taken]
        taken.update(aliases)
        models[name] = ({"aliases": aliases} if aliases else {}) | {"params": entries[name]["params"]}
    return models


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _read_names(names: object) -> list[str]:
    return [name for name in _as_list(names)[:MOST_ALIASES] if _is_name(name)]


def _is_name(name: object) -> TypeGuard[str]:
    """Whether it can be the name of a model: a short text in one line, without blanks around it."""
    return isinstance(name, str) and 0 < len(name) <= MOST_NAME and name.isprintable() and name == name.strip()


def _show_name(name: object) -> str:
    return to_one_line(str(name))[:MOST_NAME] or "a model without a name"


def _check_etag(etag: object) -> str:
    """An ETag that may be sent back in a header; empty if it is none."""
    fits = isinstance(etag, str) and len(etag) <= LONGEST_ETAG and etag.isascii() and etag.isprintable()
    return etag if isinstance(etag, str) and fits else ""


def find_losses(old: Catalog, new: Catalog) -> list[str]:
    """The models of ``old`` that ``new`` lacks, or of which it lacks most of the parameters.

    One that is only another name of a model now counts as lost: a service could so make one of many.
    """
    names = set(new)
    return [name for name in old if name not in names or _is_gutted(old.read_entry(name), new.read_entry(name))]


def _is_gutted(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return len(new["params"].keys() & old["params"].keys()) * 2 < len(old["params"])
