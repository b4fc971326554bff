"""Makes new jobs under another model of those that a retired model did not make."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from batchveo.core.errors import UsageError
from batchveo.core.formatting import format_count, write_value
from batchveo.core.hints import suggest_closest
from batchveo.core.job_row import canonical_json, normal_request
from batchveo.core.models import INPUT_PREFIX, Job, JobState
from batchveo.manifest.job_register import JobIds, Place
from batchveo.manifest.media import LocalFiles
from batchveo.manifest.problems import Fault, Problems
from batchveo.manifest.rules import Rules
from batchveo.operations.manage import check_models, explain_move, is_made_again, select_jobs
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.store import MoveLost, Store, Successor
from batchveo.store.manual import NO_TRY_LEFT

REMADE = (JobState.PENDING, JobState.FAILED)
"""The states of the jobs that are made again unless others are named: those that a run or a person still wants."""
CANDIDATES = (*REMADE, JobState.CANCELLED)
IMPORTANT = ("duration", "resolution", "generate_audio", "aspect_ratio")
"""Parameters whose defaults people see in a video or in its price."""
MORE_REPEATS = 8
"""Repeats of one request that are tried beyond those in the database: a run may have left some of them out."""
_NOWHERE = Place("", 0)


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
        return f"{self.name}: {before} by default before, {after} now, in {jobs} that do not give it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remake:
    """New jobs for old ones. ``successors``: by their old jobs, in manifest order.

    ``known``: how many of the old jobs have a successor that is in the database already, and is not cancelled.
    ``left``: how many jobs of the old model are left alone, by state; ``charged``: failed ones of them that may have
    been charged. Succeeded ones do not count.
    """

    old: str
    new: str
    successors: Sequence[tuple[Job, Successor]]
    defaults: Sequence[ChangedDefault] = ()
    left: Mapping[JobState, int] = field(default_factory=dict)
    charged: int = 0

    @property
    def added(self) -> int:
        """How many jobs are added, or were cancelled and become pending again."""
        return sum(not each.is_known or each.cancelled is not None for _, each in self.successors)

    @property
    def known(self) -> int:
        """How many old jobs are replaced by a job that is in the database already."""
        return len(self.successors) - self.added


def plan_remake(
    store: Store,
    *,
    old: str,
    new: str,
    keys: Sequence[str] = (),
    states: Sequence[JobState] = (),
    drop: Sequence[str] = (),
    catalog: Catalog = MODELS,
) -> Remake:
    """Choose the jobs of the model ``old``, and make their requests to the model ``new``; writes nothing.

    ``keys`` name jobs; without any, all in ``states`` are taken (``REMADE`` if that is empty too). The parameters
    ``drop`` are left out. Raises ``UsageError``, or ``ManifestError`` with everything that does not fit ``new``.
    """
    check_models(store, [old])
    check_known(new, catalog)
    if new == old:
        raise UsageError(f"--to {new}: that is the model of these jobs already")
    of_model = list(store.queries.list_jobs(models=[old]))
    chosen = _choose_jobs(store, of_model, old, keys, states or REMADE)
    check_dropped(chosen, drop)
    fitted = fit_requests(store, chosen, NewRules(catalog, new), frozenset(drop))
    taken = {job.seq for job in chosen}
    rest = [job for job in of_model if job.seq not in taken and not _is_done(job)]
    return Remake(
        old=old,
        new=new,
        successors=_make_successors(store, of_model, fitted, new),
        defaults=list(compare_defaults(catalog, old, new, [request for _, request in fitted])),
        left=Counter(job.state for job in rest),
        charged=sum(_may_be_charged(store, job) for job in rest),
    )


def remake_jobs(store: Store, remake: Remake, *, now: float, catalog: Catalog = MODELS) -> None:
    """Add the new jobs, and cancel the old ones, in one transaction; ``catalog``: what they were checked against.

    Raises ``StateLocked`` if a run is active, ``UsageError`` if a job has moved since it was planned.
    """
    store.runs.acquire_lock()
    try:
        store.manual.replace_jobs(remake.successors, catalog=catalog.info, now=now)
    except MoveLost:
        planned = (job for old, new in remake.successors for job in (old, new.cancelled) if job is not None)
        moved = next(job for job in planned if store.queries.read_job(job.seq).state != job.state)
        raise UsageError(explain_move(store, moved)) from None
    finally:
        store.runs.release_lock()


def _choose_jobs(
    store: Store, of_model: Sequence[Job], old: str, keys: Sequence[str], states: Sequence[JobState]
) -> list[Job]:
    if not keys:
        wanted = [job for job in of_model if job.state in states and not is_made_again(job)]
        # what may have been charged may have a video elsewhere: only a person who names the job takes that risk
        return [job for job in wanted if not _may_be_charged(store, job)]
    named = [job for job in select_jobs(store, keys) if job.model == old]
    wrong = [f"{job.name!r} is {job.state}" for job in named if job.state not in CANDIDATES]
    if wrong:
        allowed = "only pending, failed and cancelled jobs are made again under another model"
        raise UsageError(f"{'; '.join(wrong[:10])}: {allowed}")
    return named


def _may_be_charged(store: Store, job: Job) -> bool:
    """Whether a failed job may still turn out to be paid for."""
    if job.state is not JobState.FAILED or job.cost_usd is not None:
        return False
    return store.queries.has_reserved(job, unpriced=job.tried >= NO_TRY_LEFT)


def _is_done(job: Job) -> bool:
    return job.state is JobState.SUCCEEDED or is_made_again(job)


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


# -- the requests to the new model


class NewRules:
    """The rules of the model ``name``, for jobs with different fields that their manifests leave unchecked."""

    def __init__(self, catalog: Catalog, name: str) -> None:
        self._catalog = catalog
        self._name = name
        self._files = LocalFiles()
        self._made: dict[tuple[str, ...], Rules] = {}

    def get(self, job: Job) -> Rules:
        """Those for ``job``."""
        if job.unchecked not in self._made:
            unchecked = frozenset(job.unchecked)
            self._made[job.unchecked] = Rules(self._name, self._catalog, Path(), self._files, unchecked=unchecked)
        return self._made[job.unchecked]


def fit_requests(
    store: Store, jobs: Sequence[Job], rules: NewRules, drop: frozenset[str]
) -> list[tuple[Job, dict[str, object]]]:
    """Each job with its new request, checked as a manifest is. Raises ``ManifestError`` with all problems."""
    problems = Problems()
    inputs = _InputAddresses(store)
    fitted = [(job, _fit_request(job, rules.get(job), drop, inputs, problems)) for job in jobs]
    problems.raise_if_any()
    return fitted


def _fit_request(
    job: Job, rules: Rules, drop: frozenset[str], inputs: _InputAddresses, problems: Problems
) -> dict[str, object]:
    """The request of ``job`` to the model of ``rules``; what does not fit is reported, and left out."""
    request: dict[str, object] = {"model": rules.name}
    before = problems.noticed

    def report(name: str, fault: Fault) -> None:
        # problems of one kind are counted together, whatever job has them
        kind = f"{name}: {fault.message}"
        place = job.source or job.manifest or "jobs"
        problems.add(place, job.line, name, f"job {job.name}: {fault.message}", fault.suggestion, kind=kind)

    for name in job.request.keys() - drop - {"model"}:
        rule = rules.get(name)
        try:
            if rule is None:
                report(name, Fault(f"{rules.name} takes no such parameter", f"--drop {name} leaves it out"))
            else:
                request[name] = inputs.restore(rule.accept(inputs.replace(job.request[name])))
        except Fault as fault:
            if name not in rules.required:
                fault.suggestion = f"{fault.suggestion or 'edit the manifest'}, or --drop {name} leaves it out"
            report(name, fault)
    for name in rules.required:
        if name not in job.request or name in drop:
            report(name, Fault(f"is missing; {rules.name} needs it", "name the new model in the manifest, and add it"))
    if problems.noticed == before:
        try:
            rules.check_together(request)
        except Fault as fault:
            report(fault.field or "model", fault)
    return request


class _InputAddresses:
    """Data URIs in place of the references to input files: a file is sent as one, so it is checked as one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_reference: dict[str, str] = {}
        self._by_address: dict[str, str] = {}

    def replace(self, value: Any) -> Any:
        """``value`` with a short data URI of the right type for each reference."""
        return map_texts(value, self._find_address)

    def restore(self, value: Any) -> Any:
        """``value`` with the references again."""
        return map_texts(value, lambda text: self._by_address.get(text, text))

    def _find_address(self, text: str) -> str:
        if not text.startswith(INPUT_PREFIX):
            return text
        if text not in self._by_reference:
            kind = self._store.imports.read_media_type(text.removeprefix(INPUT_PREFIX))
            address = f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}"
            self._by_reference[text], self._by_address[address] = address, text
        return self._by_reference[text]


def map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """``value`` with each text in its lists and mappings changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [map_texts(item, change) for item in value]
    if isinstance(value, Mapping):
        return {name: map_texts(item, change) for name, item in value.items()}
    return value


# -- the ids of the new jobs


def _make_successors(
    store: Store, of_model: Sequence[Job], fitted: Sequence[tuple[Job, dict[str, object]]], new: str
) -> list[tuple[Job, Successor]]:
    """A successor for each job, with the id that a manifest gives it if its model is edited to ``new``."""
    equal = Counter(map(_key_request, of_model))
    taken: set[str] = set()
    successors = []
    for job, wanted in fitted:
        request = canonical_json(wanted)
        occurrence = _find_occurrence(job, equal[_key_request(job)] + MORE_REPEATS)
        # the manifest's own id of a job is not in the database: then the job is recognised by its request
        ids = _list_ids(request, job.index, own_id=job.id if occurrence is None else None)
        listed = (job_id for number, job_id in enumerate(ids) if number >= (occurrence or 0))
        # jobs that differ only in what is dropped become repeats, which a manifest counts in the same way
        new_id = next(job_id for job_id in listed if job_id not in taken)
        taken.add(new_id)
        known = store.queries.find_job_by_id(new_id)
        successors.append(
            (
                job,
                Successor(
                    id=new_id,
                    model=new,
                    request=request,
                    is_known=known is not None,
                    # without this, jobs that are moved to a model and back would be made by nobody
                    cancelled=known if known is not None and known.state is JobState.CANCELLED else None,
                    is_recognised_by_request=occurrence is None,
                ),
            )
        )
    return successors


def _key_request(job: Job) -> tuple[int, str]:
    return job.index, normal_request(canonical_json(job.request))


def _find_occurrence(job: Job, most: int) -> int | None:
    """Which of equal requests the job is in its manifest, from 0; ``None`` if its id is made in another way."""
    ids = _list_ids(canonical_json(job.request), job.index)
    return next((number for number, job_id in zip(range(most), ids, strict=False) if job_id == job.id), None)


def _list_ids(request: str, index: int, own_id: str | None = None) -> Iterator[str]:
    """The ids that a manifest gives to equal requests, in their order."""
    ids = JobIds()
    return (ids.assign_id(request, index, own_id, _NOWHERE)[0] for _ in count())


# -- defaults


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
