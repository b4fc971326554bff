"""Makes new jobs in place of those that have no video: under another model, or with another prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from types import MappingProxyType
from typing import NamedTuple

from batchveo.core.errors import UsageError
from batchveo.core.formatting import state_words
from batchveo.core.hints import format_command
from batchveo.core.job_row import canonical_json, normal_request
from batchveo.core.links import Link, ParentLink, fill_links, find_links
from batchveo.core.models import Job, JobState
from batchveo.manifest.job_ids import JobIds, Place
from batchveo.operations.fitted_requests import (
    ChangedDefault,
    FittedRequest,
    NewRules,
    check_dropped,
    check_known,
    compare_defaults,
    fit_requests,
)
from batchveo.operations.input_ways import recall_ways
from batchveo.operations.manage import check_models, explain_move, is_made_again, name_job, select_jobs
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.store import MoveLost, Store, Successor
from batchveo.store.manual import NO_TRY_LEFT

REMADE = (JobState.PENDING, JobState.FAILED)
"""The states of the jobs that are made again unless others are named: those that a run or a person still wants."""
CANDIDATES = (*REMADE, JobState.CANCELLED)
MORE_REPEATS = 8
"""Repeats of one request that are tried beyond those in the database: a run may have left some of them out."""
_NOWHERE = Place("", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remake:
    """New jobs for old ones. ``successors``: by their old jobs, in manifest order.

    ``followers``: jobs without a video that are made from those, each with the one that is made from the new ones.
    ``known``: how many of the old jobs have a successor that is in the database already, and is not cancelled.
    ``left``: how many jobs of the old model are left alone, by state; ``charged``: failed ones of them that may have
    been charged. Succeeded ones do not count.
    """

    old: str
    new: str
    successors: Sequence[tuple[Job, Successor]]
    followers: Sequence[tuple[Job, Successor]] = ()
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
    fitted = fit_requests(store, chosen, NewRules(catalog, new, recall_ways(store)), frozenset(drop))
    equal = Counter(map(_key_request, of_model))
    made = _make_successors(store, fitted, lambda job: equal[_key_request(job)])
    taken = {job.seq for job in chosen}
    rest = [job for job in of_model if job.seq not in taken and not _is_done(job)]
    return Remake(
        old=old,
        new=new,
        successors=made.successors,
        followers=made.followers,
        defaults=list(compare_defaults(catalog, old, new, [each.request for each in fitted])),
        left=Counter(job.state for job in rest),
        charged=sum(_may_be_charged(store, job) for job in rest),
    )


def remake_jobs(store: Store, remake: Remake, *, now: float, catalog: Catalog = MODELS) -> None:
    """Add the new jobs, and cancel the old ones, in one transaction; ``catalog``: what they were checked against.

    Raises ``StateLocked`` if a run is active, ``UsageError`` if a job has moved since it was planned.
    """
    store.runs.acquire_lock()
    try:
        pairs = [*remake.successors, *remake.followers]
        store.manual.replace_jobs(pairs, catalog=catalog.info, now=now)
    except MoveLost:
        planned = (job for old, new in pairs for job in (old, new.cancelled) if job is not None)
        moved = next(job for job in planned if store.queries.read_job(job.seq).state != job.state)
        raise UsageError(explain_move(store, moved)) from None
    finally:
        store.runs.release_lock()


def replace_prompt(
    store: Store, job: Job, prompt: str, *, drop: Sequence[str] = (), now: float, catalog: Catalog = MODELS
) -> Job:
    """Cancel ``job``, and add a pending one with another prompt in its place; returns the new one.

    The new job has the id that a manifest gives it if its prompt is edited in this way. The parameters ``drop`` are
    left out. Raises ``UsageError`` if the job is not one to be made again, or another job asks for the same, or it has
    just moved; ``ManifestError`` if its model does not take the request. Then nothing is written.
    """
    _require_replaceable(store, job)
    check_dropped([job], drop)
    rules = NewRules(catalog, job.model, recall_ways(store))
    fitted = fit_requests(store, [job], rules, frozenset(drop), {"prompt": prompt})
    if _key_request(job) == (job.index, normal_request(canonical_json(fitted[0].request))):
        again = format_command("retry", name_job(store, job), state=store.path)
        hint = "" if job.state is JobState.PENDING else f"; `{again}` makes it again"
        raise UsageError(f"that is the prompt of {job.name!r} already{hint}")
    made = _make_successors(store, fitted, store.queries.count_equal_requests)
    ((_, successor),) = made.successors
    known = store.queries.find_job_by_id(successor.id)
    if known is not None and successor.cancelled is None:
        raise UsageError(f"{known.name!r} ({known.id}) asks for that already, and is {known.state}")
    checked = catalog.info if job.model in catalog else None
    try:
        store.manual.replace_jobs([(job, successor), *made.followers], catalog=checked, now=now)
    except MoveLost:
        raise UsageError(explain_move(store, job)) from None
    (new,) = store.queries.find_jobs(successor.id)
    return new


def restore_successor(store: Store, job: Job, new_id: str, request: Mapping[str, object], *, now: float) -> None:
    """Put the job ``new_id`` in the place of ``job`` again, as it was in a database that is lost.

    What is below in its chain follows, as it did then.
    """
    takes_data = {link.part: link.takes_data for link in store.links.list_parent_links(job)}
    links = dict.fromkeys(
        ParentLink(part=link.part, parent=link.parent, takes_data=takes_data.get(link.part, False))
        for link in find_links(request)
    )
    fitted = FittedRequest(job, dict(request), tuple(links))
    made = _make_successors(store, [fitted], store.queries.count_equal_requests, {job.seq: new_id})
    store.manual.replace_jobs([*made.successors, *made.followers], now=now)


def _require_replaceable(store: Store, job: Job) -> None:
    if is_made_again(job):
        raise UsageError(f"{job.name!r} ({job.id}) is cancelled: {job.error}")
    if job.state not in CANDIDATES:
        allowed = "only pending, failed and cancelled jobs get another prompt"
        more = ""
        if job.state is JobState.SUCCEEDED:
            takes = format_command("retry", name_job(store, job), "--takes", "1", state=store.path)
            more = f"; `{takes}` makes another clip by the same prompt"
        raise UsageError(f"{job.name!r} is {state_words(job.state)}: {allowed}{more}")


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


# -- the ids of the new jobs


class _Made(NamedTuple):
    successors: list[tuple[Job, Successor]]
    followers: list[tuple[Job, Successor]]


def _make_successors(
    store: Store,
    fitted: Sequence[FittedRequest],
    count_equal: Callable[[Job], int],
    given: Mapping[int, str] = MappingProxyType({}),
) -> _Made:
    """A successor for each job, and for those below it in its chain that have no video.

    Each has the id that a manifest gives it if it is edited in this way, or the one ``given`` by the job's number.
    The id of a job follows from those of its parents, so all below is asked for anew; what was bought stays, with what
    waits for it.
    """
    made = _Made([], [])
    wanted = {each.job.seq: each for each in fitted}
    new_ids: dict[str, Successor] = {}
    taken: set[str] = set()
    below = store.chains.list_below(job.seq for job, *_ in fitted if job.take_of is None)
    jobs = {each.job.seq: each.job for each in fitted} | {job.seq: job for job in below}
    for job in sorted(jobs.values(), key=lambda job: (job.link, job.seq)):
        each = wanted.get(job.seq) or _follow(store, job, new_ids)
        if each is None:
            continue
        successor = _make_successor(store, each, count_equal, new_ids, taken, given.get(job.seq))
        new_ids[job.id] = successor
        taken.add(successor.id)
        if job.seq in wanted:
            made.successors.append((job, successor))
            continue
        made.followers.append((job, replace(successor, stays_cancelled=job.state is JobState.CANCELLED)))
        takes = [take for take in store.takes.list_family(job)[1:] if take.state is JobState.PENDING]
        made.followers.extend((take, replace(successor, is_known=True, cancelled=None)) for take in takes)
    return made


def _follow(store: Store, job: Job, new_ids: Mapping[str, Successor]) -> FittedRequest | None:
    """The request of a job whose parents are replaced; ``None`` if they are not, or if it stays as it is."""
    links = tuple(store.links.list_parent_links(job))
    if not any(link.parent in new_ids for link in links):
        return None
    if is_made_again(job) or any(take.state.may_be_bought for take in store.takes.list_family(job)):
        return None
    return FittedRequest(job, dict(job.request), links)


def _make_successor(
    store: Store,
    fitted: FittedRequest,
    count_equal: Callable[[Job], int],
    new_ids: Mapping[str, Successor],
    taken: Collection[str],
    given: str | None = None,
) -> Successor:
    """The job that replaces another one; ``new_ids``: the jobs that replace its parents, by their former ids.

    ``taken`` are the ids of other new jobs, ``given`` is its own, if that is known.
    """
    job = fitted.job
    links = [replace(link, parent=_find_new_id(link.parent, new_ids)) for link in fitted.links]
    asked = fill_links(fitted.request, lambda link: Link(link.part, _find_new_id(link.parent, new_ids)).reference)
    request = canonical_json(asked)
    occurrence = _find_occurrence(job, MORE_REPEATS)
    if occurrence is None:
        occurrence = _find_occurrence(job, count_equal(job) + MORE_REPEATS)
    # the manifest's own id of a job is not in the database: then the job is recognised by its request
    ids = _list_ids(request, job.index, own_id=job.id if occurrence is None else None)
    listed = (job_id for number, job_id in enumerate(ids) if number >= (occurrence or 0))
    # jobs that differ only in what is dropped become repeats, which a manifest counts in the same way
    new_id = given or next(job_id for job_id in listed if job_id not in taken)
    known = store.queries.find_job_by_id(new_id)
    parents = [new_ids[link.parent] for link in fitted.links if link.parent in new_ids]
    return Successor(
        id=new_id,
        model=str(fitted.request["model"]),
        request=request,
        parents=tuple(links),
        is_known=known is not None,
        # without this, jobs that are moved to a model and back would be made by nobody
        cancelled=known if known is not None and known.state is JobState.CANCELLED else None,
        is_recognised_by_request=occurrence is None or any(parent.is_recognised_by_request for parent in parents),
    )


def _find_new_id(job_id: str, new_ids: Mapping[str, Successor]) -> str:
    return new_ids[job_id].id if job_id in new_ids else job_id


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
