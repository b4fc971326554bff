"""What differs between a manifest and what the database has of it: new, changed and gone jobs, and written defaults."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from batchveo.core.job_row import canonical_json
from batchveo.core.models import JobState
from batchveo.core.notices import DefaultsDiffer
from batchveo.provider.catalog import Catalog
from batchveo.store import StagingTable
from batchveo.store.manifest_changes import ComparedJob, ManifestChanges, iter_named, open_changes

Written = frozenset[tuple[str, str]]
"""Fields that have the value that the model assumes anyway, with it as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedJob:
    """A new job in place of ``former``, with the fields of the request that differ: old and new value.

    A value that is absent is ``None``.
    """

    name: str
    id: str
    former: ComparedJob
    fields: Mapping[str, tuple[object, object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestDiff:
    """The jobs of the manifests against the database. ``gone`` is ``None`` if only some of the jobs were chosen."""

    new: Sequence[ComparedJob]
    changed: Sequence[ChangedJob] = field(default=())
    gone: Sequence[ComparedJob] | None = field(default=())

    @property
    def gone_by_state(self) -> dict[JobState, int]:
        """How many are gone, by state."""
        counts = Counter(job.state for job in self.gone or ())
        return {state: counts[state] for state in JobState if counts[state]}


def compare_manifest(named: StagingTable, state: Path | None) -> ManifestDiff:
    """Compare the named jobs with the database at ``state``; ``None`` if there is none yet.

    A new job is a changed one if a job that is gone has its name, or else its prompt.
    """
    if state is None:
        return ManifestDiff(new=list(iter_named(named)))
    with open_changes(named, state) as changes:
        return _pair_jobs(list(changes.iter_new()), list(changes.iter_former()), partial=named.is_partial)


def _pair_jobs(new: Sequence[ComparedJob], former: Sequence[ComparedJob], *, partial: bool) -> ManifestDiff:
    # of a name that was edited several times, the latest job counts
    by_name = {job.name: job for job in former}
    pairs = {job.id: old for job in new if (old := by_name.pop(job.name, None)) is not None}
    if not partial:  # a job of the same prompt may be named by the part of the manifest that was not chosen
        taken = {old.id for old in pairs.values()}
        pairs |= _pair_by_prompt([job for job in new if job.id not in pairs], [j for j in former if j.id not in taken])
    used = {old.id for old in pairs.values()}
    return ManifestDiff(
        new=[job for job in new if job.id not in pairs],
        changed=[_compare_jobs(job, pairs[job.id]) for job in new if job.id in pairs],
        gone=None if partial else [job for job in former if job.id not in used],
    )


def _pair_by_prompt(new: Iterable[ComparedJob], former: Iterable[ComparedJob]) -> dict[str, ComparedJob]:
    """The former job of each new one: names that are made from prompts differ if anything does."""
    waiting: dict[tuple[object, int], list[ComparedJob]] = defaultdict(list)
    for job in former:
        waiting[_read_prompt(job), job.repeat_index].append(job)
    pairs = {}
    for job in new:
        key = _read_prompt(job), job.repeat_index
        if key[0] is not None and waiting.get(key):
            pairs[job.id] = waiting[key].pop(0)
    return pairs


def _read_prompt(job: ComparedJob) -> str | None:
    prompt = json.loads(job.request).get("prompt")
    return prompt if isinstance(prompt, str) else None


def _compare_jobs(job: ComparedJob, former: ComparedJob) -> ChangedJob:
    old, new = json.loads(former.request), json.loads(job.request)
    fields = {name: (old.get(name), new.get(name)) for name in (*old, *(new.keys() - old.keys()))}
    return ChangedJob(
        name=job.name,
        id=job.id,
        former=former,
        fields={name: pair for name, pair in sorted(fields.items()) if pair[0] != pair[1]},
    )


# -- defaults


def find_written_defaults(named: StagingTable, state: Path, catalog: Catalog) -> list[DefaultsDiffer]:
    """New jobs that differ from bought ones only in defaults that are written out, or no longer are.

    They ask for the same video, but have ids of their own, so that a run buys them again. ``state`` is an existing
    database.
    """
    with open_changes(named, state) as changes:
        return list_written_defaults(changes, catalog)


def list_written_defaults(changes: ManifestChanges, catalog: Catalog) -> list[DefaultsDiffer]:
    """The same of jobs that are compared already, the most frequent difference first."""
    defaults = _Defaults(catalog)
    bought: dict[int, list[Written]] = defaultdict(list)
    for job in changes.iter_bought():
        key, written = defaults.split_request(job)
        bought[key].append(written)
    counts: Counter[tuple[Written, Written]] = Counter()
    for job in changes.iter_new() if bought else ():
        key, written = defaults.split_request(job)
        former = twins.pop() if (twins := bought.get(key)) else written
        if written != former:  # of equal requests, one has an id of its own
            counts[written - former, former - written] += 1
    return [
        DefaultsDiffer(jobs=jobs, written=_read_fields(written), left_out=_read_fields(left_out))
        for (written, left_out), jobs in counts.most_common()
    ]


class _Defaults:
    """Takes what a model assumes anyway out of requests."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._by_model: dict[str, dict[str, str]] = {}

    def split_request(self, job: ComparedJob) -> tuple[int, Written]:
        """A hash of the job without written defaults, and these."""
        defaults = self._find_defaults(job.model)
        request = json.loads(job.request)
        # canonical JSON has sorted keys, so that equal requests have equal texts
        written = [
            (name, defaults[name])
            for name in defaults.keys() & request.keys()
            if canonical_json(request[name]) == defaults[name]
        ]
        for name, _ in written:
            del request[name]
        return hash((job.repeat_index, repr(request))), frozenset(written)

    def _find_defaults(self, model: str) -> dict[str, str]:
        if model not in self._by_model:
            known = self._catalog.get(model)
            params = {} if known is None else known.params
            self._by_model[model] = {
                name: canonical_json(param.default) for name, param in params.items() if param.default is not None
            }
        return self._by_model[model]


def _read_fields(fields: Written) -> dict[str, object]:
    return {name: json.loads(value) for name, value in sorted(fields)}
