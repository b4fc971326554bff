"""Requests of known jobs, fitted to a model, and checked for it as a manifest is."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from batchveo.core.errors import UsageError
from batchveo.core.formatting import format_count, write_value
from batchveo.core.hints import suggest_closest
from batchveo.core.links import LINK_PREFIX, Link, ParentLink
from batchveo.core.models import INPUT_PREFIX, Job
from batchveo.manifest.job_register import BEGIN_OTHERWISE, LIKE_A_LINK, LIKE_A_REFERENCE
from batchveo.manifest.links import LinkTo, is_link, write_link
from batchveo.manifest.media import InputWays, LocalFiles
from batchveo.manifest.problems import Fault, Problems
from batchveo.manifest.rules import Rule, Rules
from batchveo.operations.input_copies import NOT_KEPT, PROMOTE_ANOTHER, find_media_type
from batchveo.operations.input_ways import recall_ways
from batchveo.provider.catalog import Catalog
from batchveo.store import Store

IMPORTANT = ("duration", "resolution", "generate_audio", "aspect_ratio")
"""Parameters whose defaults people see in a video or in its price."""


def check_known(model: str, catalog: Catalog) -> None:
    """Raise ``UsageError`` for a model that is not in the catalogue."""
    if model not in catalog:
        meant = suggest_closest(model, catalog)
        raise UsageError(f"{model!r} is not a known model; {meant or '`batchveo models` lists them'}")


def check_dropped(jobs: Sequence[Job], drop: Sequence[str]) -> None:
    """Raise ``UsageError`` for a field that none of the jobs gives: it is a slip."""
    given = dict.fromkeys(name for job in jobs for name in job.request if name != "model")
    for name in drop if jobs else ():
        if name not in given:
            raise UsageError(
                f"--drop {name}: none of these jobs gives it; {suggest_closest(name, given) or _list(given)}"
            )


def _list(names: Mapping[str, object]) -> str:
    return f"they give {', '.join(names)}"


class NewRules:
    """The rules of the model ``name``, for jobs with different fields that their manifests leave unchecked.

    ``ways``: how inputs get to the service, see ``recall_ways``.
    """

    def __init__(self, catalog: Catalog, name: str, ways: InputWays) -> None:
        self._catalog = catalog
        self._name = name
        self._files = LocalFiles(ways)
        self._made: dict[tuple[str, ...], Rules] = {}

    def get(self, job: Job) -> Rules:
        """Those for ``job``."""
        if job.unchecked not in self._made:
            unchecked = frozenset(job.unchecked)
            self._made[job.unchecked] = Rules(self._name, self._catalog, Path(), self._files, unchecked=unchecked)
        return self._made[job.unchecked]


class FittedRequest(NamedTuple):
    """A job, its new request, and the links in that."""

    job: Job
    request: dict[str, object]
    links: tuple[ParentLink, ...]


def fit_requests(
    store: Store,
    jobs: Sequence[Job],
    rules: NewRules,
    drop: frozenset[str],
    changes: Mapping[str, object] = MappingProxyType({}),
) -> list[FittedRequest]:
    """Each job with its new request, checked as a manifest is. Raises ``ManifestError`` with all problems.

    The fields ``drop`` are left out of it; ``changes`` are fields with other values.
    """
    problems = Problems()
    references = _References(store)
    fitted = [_fit_request(job, rules.get(job), drop, changes, references, problems) for job in jobs]
    problems.raise_if_any()
    return fitted


def _fit_request(
    job: Job,
    rules: Rules,
    drop: frozenset[str],
    changes: Mapping[str, object],
    references: _References,
    problems: Problems,
) -> FittedRequest:
    """The request of ``job`` to the model of ``rules``; what does not fit is reported, and left out."""
    request: dict[str, object] = {"model": rules.name}
    given = {**job.request, **changes}
    before = problems.noticed
    references.links.clear()

    def report(name: str, fault: Fault) -> None:
        # problems of one kind are counted together, whatever job has them
        kind = f"{name}: {fault.message}"
        place, line = (job.source or job.manifest or "jobs", job.line) if name not in changes else (f"--{name}", None)
        problems.add(place, line, name, f"job {job.name}: {fault.message}", fault.suggestion, kind=kind)

    for name in given.keys() - drop - {"model"}:
        rule = rules.get(name)
        if rule is None:
            report(name, Fault(f"{rules.name} takes no such parameter", f"--drop {name} leaves it out"))
            continue
        try:
            is_written = name in changes
            request[name] = _accept_written(rule, changes[name]) if is_written else references.accept(rule, given[name])
        except Fault as fault:
            if name not in rules.required and name not in changes:
                fault.suggestion = f"{fault.suggestion or 'edit the manifest'}, or --drop {name} leaves it out"
            report(name, fault)
    for name in rules.required:
        if name not in given or name in drop:
            report(name, Fault(f"is missing; {rules.name} needs it", "name the new model in the manifest, and add it"))
    if problems.noticed == before:
        try:
            rules.check_together(request)
        except Fault as fault:
            report(fault.field or "model", fault)
    return FittedRequest(job, request, tuple(dict.fromkeys(references.links)))


def _accept_written(rule: Rule, value: object) -> object:
    """The value as a person wrote it, which is no reference to a file or a job. Raises ``Fault``."""
    for beginning, message in ((INPUT_PREFIX, LIKE_A_REFERENCE), (LINK_PREFIX, LIKE_A_LINK)):
        if isinstance(value, str) and value.startswith(beginning):
            raise Fault(message, BEGIN_OTHERWISE)
    return rule.accept(value)


class _References:
    """Checks references to input files and other jobs as what a manifest has in their place.

    For a file that is an address: a data URI, or a web address if the last run had a bucket, through which any file can
    be sent. For a link it is a mapping. ``links``: those that were accepted.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_url = recall_ways(store).by_url
        self._by_reference: dict[str, str] = {}
        self._by_address: dict[str, str] = {}
        self.links: list[ParentLink] = []

    def accept(self, rule: Rule, value: object) -> object:
        """The value of a job as ``rule`` takes it. Raises ``Fault``."""
        return self._restore(rule.accept(map_texts(value, self._write_out)))

    def _write_out(self, text: str) -> object:
        if text.startswith(LINK_PREFIX):
            return write_link(Link.parse(text))
        if not text.startswith(INPUT_PREFIX):
            return text
        if text not in self._by_reference:
            kind = find_media_type(self._store, text.removeprefix(INPUT_PREFIX))
            if kind is None:
                raise Fault(NOT_KEPT, PROMOTE_ANOTHER)
            content = base64.b64encode(text.encode()).decode()
            address = f"https://bucket.example/{content}" if self._by_url else f"data:{kind};base64,{content}"
            self._by_reference[text], self._by_address[address] = address, text
        return self._by_reference[text]

    def _restore(self, value: object) -> object:
        """The accepted value with references in it again. Raises ``Fault`` for a link that no check knows."""
        if isinstance(value, LinkTo):
            self.links.append(ParentLink(part=value.part, parent=value.of, takes_data=value.takes_data))
            return Link(value.part, value.of).reference
        if is_link(value):
            raise Fault("takes no part of another job's video")
        if isinstance(value, str):
            return self._by_address.get(value, value)
        if isinstance(value, list):
            return [self._restore(item) for item in value]
        if isinstance(value, Mapping):
            return {name: self._restore(item) for name, item in value.items()}
        return value


def map_texts(value: Any, change: Callable[[str], object]) -> Any:
    """``value`` with each text in its lists and mappings changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [map_texts(item, change) for item in value]
    if isinstance(value, Mapping):
        return {name: map_texts(item, change) for name, item in value.items()}
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedDefault:
    """A parameter that ``jobs`` requests leave to the model, which assumes another value now; ``None``: not known."""

    name: str
    before: object
    after: object
    jobs: int

    def __str__(self) -> str:
        before, after = ("not known" if value is None else write_value(value) for value in (self.before, self.after))
        jobs = format_count(self.jobs, "job")
        return f"{self.name}: {before} by default before, {after} now, in {jobs} without it"


def compare_defaults(
    catalog: Catalog, old: str, new: str, requests: Sequence[Mapping[str, object]]
) -> Iterator[ChangedDefault]:
    """What the jobs leave to the model, and the two models assume differently."""
    if old not in catalog:
        return
    for name in IMPORTANT:
        params = [catalog[model].params.get(name) for model in (old, new)]
        before, after = (None if param is None else param.default for param in params)
        jobs = sum(name not in request for request in requests)
        if jobs and before != after and any(params):
            yield ChangedDefault(name=name, before=before, after=after, jobs=jobs)
