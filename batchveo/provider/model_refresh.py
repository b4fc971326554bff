"""A new catalogue from the service itself: its list of models, the document of each, and the models that it ends.

No call has the key. A document that cannot be read harms only its model: what was known of that is kept. What the
refresh leaves in the file for the next one: ``service``, ``version``, ``etags`` and ``sources``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeGuard

import anyio

from batchveo.core.version import __version__
from batchveo.provider.catalog import Catalog
from batchveo.provider.catalog.file_format import FORMAT, write_param
from batchveo.provider.catalog.openapi import MOST_NAME, DocumentError, read_document
from batchveo.provider.catalog_assembly import Assembly, Found, Source, Trouble
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


class _Reading:
    """One refresh: what was asked for and what came of it."""

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
        self._found: list[Found] = []
        self._assembly = Assembly(old)
        self._notes: list[Trouble] = []
        self.list_etag: str | None = None
        self._retired = read_retirements(extra.get("retired"))
        self._retired_etag = ""

    async def read_all(self, watch: Watch) -> None:
        """Ask for everything."""
        sources = await self._read_list()
        await self._read_retired()
        late = f"its document was not read within {WHOLE_SECONDS / 60:.0f} minutes"
        self._found = [Found(source, late) for source in sources]
        done = 0
        watch(done, len(sources))

        async def read(found: Found) -> None:
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
                self._assembly.add_trouble(_show_name(name), "its name in the list is not a short text")
            elif not isinstance(url, str) or not 0 < len(url) <= LONGEST_URL:
                self._assembly.add_failure(Source(id=name, url=""), "the list names no document of it")
            elif len(chosen) >= MOST_MODELS:
                self._assembly.add_trouble(name, f"the list has more than {MOST_MODELS:,} models")
                break
            else:
                others = chosen[url].names if url in chosen else ()
                own, *aliases = dict.fromkeys((*others, name, *_read_names(row.get("aliases"))))
                known = self._sources.get(url, Source(id=own, url=url))
                chosen[url] = replace(known, id=own, aliases=tuple(aliases))
        return list(chosen.values())

    async def _read_retired(self) -> None:
        """The models that end; if they cannot be read, those that are known stay."""
        etag = _check_etag(self._etags.get("deprecations"))
        try:
            answer = await self._calls.ask(DEPRECATIONS, etag=etag)
        except ProviderError as error:
            self._assembly.add_trouble(ENDING, str(error), kept=True)
            return
        rows = answer.fields.get("data")
        if answer.status == 304:
            self._retired_etag = etag
        elif isinstance(rows, list):
            self._retired = read_retirements(rows)
            self._retired_etag = _check_etag(answer.headers.get("etag"))
        else:
            self._assembly.add_trouble(ENDING, f"GET {DEPRECATIONS}: the answer has no rows", kept=True)

    async def _read_one(self, found: Found) -> None:
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
        """The new catalogue of what was read; raises ``RefreshError`` if no document was."""
        good = [found for found in self._found if found.name]
        if self._found and not good:
            count, reason = len(self._found), self._found[0].reason
            raise RefreshError(f"no document of {count:,} models can be read; the first: {reason}")
        ending = [name for name in self._old if self._retired.find(name, *self._old[name].aliases) is not None]
        # first, because it takes ETags away from sources
        models = self._assembly.assemble(self._found, ending)
        content = {
            "format": FORMAT,
            "made": today,
            "service": self._service,
            "version": __version__,
            "etags": {"models": self.list_etag, "deprecations": self._retired_etag},
            "sources": [asdict(found.source) for found in self._found],
            "retired": self._retired.write(),
            "models": models,
        }
        documents = sum(found.is_new for found in self._found)
        return Refresh(
            content=content,
            documents=documents,
            unchanged=len(good) - documents,
            troubles=tuple(self._assembly.troubles),
            notes=tuple(self._notes),
        )


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
