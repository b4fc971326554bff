"""What a run would make and cost, before it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from batchveo.core.destination import BucketUrl, Destination
from batchveo.core.formatting import format_count
from batchveo.core.models import JobSpec, JobState
from batchveo.core.notices import DefaultsDiffer, OrphansLeftOut
from batchveo.core.settings import RunSettings
from batchveo.engine.price_book import PriceBook
from batchveo.manifest import ReadOptions
from batchveo.operations.estimates import RunEstimate, estimate_duration
from batchveo.operations.image_check import ImageCheck, NamedImages, Progress, check_images, ignore_progress
from batchveo.operations.input_ways import describe_ways, find_ways
from batchveo.operations.manifest_diff import ManifestDiff, compare_manifest, find_written_defaults
from batchveo.operations.model_requests import ModelRequests, RequestCounter
from batchveo.operations.preflight import find_other_database
from batchveo.operations.prices import find_prices
from batchveo.operations.quote import (
    LostParents,
    ModelPlan,
    PurchaseQuote,
    Tally,
    count_purchases,
    fetch_balances,
    open_if_exists,
)
from batchveo.operations.recovery import find_recoverable
from batchveo.operations.retired_models import find_retired
from batchveo.operations.run_setup import ManifestSources, StrPath
from batchveo.operations.verify import MISSING_ADVICE, find_missing_videos
from batchveo.provider import ApiClient
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.storage.video_file import taken_stems
from batchveo.store import PreviewedJob, StagingTable, Store, preview_jobs

__all__ = ["Collision", "ModelPlan", "Plan", "plan"]

SAMPLE = 5
"""Jobs that a plan shows with their prompts."""
SHOWN = 20
"""Name collisions that are listed with their places; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collision:
    """A job whose file name is taken, so that its video gets a ``~`` and the beginning of an id."""

    name: str
    source: str
    line: int | None
    by: str

    @property
    def place(self) -> str:
        """``file:line``."""
        return self.source if self.line is None else f"{self.source}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(PurchaseQuote):
    """What a run would make and what it would cost.

    ``repeated`` jobs are equal to an earlier one. ``named`` counts the jobs of the manifests; ``choice_note`` shows
    how many of them are chosen, and all other figures are of the chosen jobs. ``by_state`` counts those that the
    database has already. ``colliding`` counts name collisions, ``collisions`` has the first of them. ``images`` is
    ``None`` if they are not checked. ``requests`` shows what each model gets. ``defaults``: jobs that are bought again
    only because of written defaults. ``diff`` is ``None`` if nobody asked for it.
    """

    repeated: int
    sample: Sequence[JobSpec]
    named: int = 0
    choice_note: str | None = None
    by_state: Mapping[JobState, int] = field(default_factory=dict)
    colliding: int = 0
    collisions: Sequence[Collision] = field(default=())
    night: RunEstimate | None = None
    images: ImageCheck | None = None
    requests: Sequence[ModelRequests] = field(default=())
    defaults: Sequence[DefaultsDiffer] = field(default=())
    diff: ManifestDiff | None = None


async def plan(
    manifests: Sequence[StrPath],
    *,
    state: Path,
    api: ApiClient,
    has_key: bool,
    apis: Mapping[str, ApiClient] | None = None,
    allow_unknown_model: bool = False,
    strict_provenance: bool = False,
    reading: ReadOptions | None = None,
    stdin: BinaryIO | None = None,
    settings: RunSettings | None = None,
    with_images: bool = False,
    with_diff: bool = False,
    loopback: bool = False,
    progress: Progress = ignore_progress,
    sandbox: bool = False,
    catalog: Catalog = MODELS,
) -> Plan:
    """Validate, expand, count and price the jobs, and estimate the run; writes nothing and buys nothing.

    ``apis`` are the clients of all keys by their labels, if there are several; ``api`` is one of them. ``settings``
    are those of the planned run, ``reading`` is how manifests are read. ``with_images`` checks every image of the
    jobs still to be made; ``loopback`` allows images on this machine, as for a service that runs here. ``with_diff``
    compares the jobs with those of the database. ``sandbox``: the service is the embedded look-alike, so that only
    its databases and videos count. ``catalog`` has the models that the manifests may name. Raises ``ManifestError``.
    If the service does not answer, the plan lacks what only the service knows.
    """
    settings = settings or RunSettings()
    sources = ManifestSources(
        paths=manifests,
        allow_unknown_model=allow_unknown_model,
        strict_provenance=strict_provenance,
        reading=reading,
        stdin=stdin,
        catalog=catalog,
    )
    with open_if_exists(state) as store, sources.stage(find_ways(settings)) as staged:
        summary = staged.summary
        known = await find_prices(api, staged.models, store, catalog=catalog)
        balance = await fetch_balances(apis or {"": api}, has_key=has_key)
        found = await find_recoverable(store, settings.output, sandbox=sandbox, sidecars=settings.sidecars)
        prices = PriceBook(known.prices, store, settings.assume_price)
        survey = Survey(
            Tally(prices, store), settings, LostParents(store), with_images=with_images, found=found, catalog=catalog
        )
        survey.add_jobs(staged.table, state if store else None)
        models = survey.tally.list_models()
        left = {model.model: model.new for model in models}
        retired = await find_retired(api, [model for model, jobs in left.items() if jobs], catalog=catalog)
        return Plan(
            models=models,
            balance_usd=balance.usd,
            balances=balance.by_key if apis and len(apis) > 1 else {},
            budget_usd=summary.budget if settings.budget is None else settings.budget,
            committed_usd=store.queries.read_committed() if store else 0.0,
            prices_since=known.since,
            notes=[
                *summary.notes,
                *_describe_chains(staged.table),
                *describe_ways(staged.table, settings.inputs),
                *known.notes,
                *balance.notes,
                *([] if known.trouble else retired.notes),
                *await _find_stops(manifests, state, staged.table, store, settings.output, sandbox=sandbox),
                *survey.notes,
                *([OrphansLeftOut(jobs=staged.table.orphans).text] if staged.table.orphans else []),
            ],
            retired=retired.models,
            blocked=survey.lost.list_counts(),
            repeated=summary.repeated,
            named=summary.jobs,
            choice_note=summary.choice_note,
            sample=staged.table.pick_sample(SAMPLE),
            by_state=survey.by_state,
            colliding=survey.colliding,
            collisions=survey.collisions,
            night=await estimate_duration(
                api,
                left,
                store,
                places=settings.concurrency,
                per_minute=settings.rate,
                in_row=staged.table.measure_row(state if store else None),
            ),
            requests=survey.requests.list_models(catalog),
            defaults=find_written_defaults(staged.table, state, catalog) if store and survey.has_new else (),
            diff=compare_manifest(staged.table, state if store else None) if with_diff else None,
            images=await check_images(survey.images, loopback=loopback, progress=progress) if with_images else None,
        )


def _describe_chains(named: StagingTable) -> list[str]:
    chains, links = named.count_chains()
    if not chains:
        return []
    which = f"{format_count(chains, 'chain')}{', the longest' if chains > 1 else ''} of {links:,} links"
    return [f"{which}: the links of a chain are made one after the other"]


async def _find_stops(
    manifests: Sequence[StrPath],
    state: Path,
    named: StagingTable,
    store: Store | None,
    output: Destination,
    *,
    sandbox: bool,
) -> list[str]:
    """What a run would stop for and ask, unless the caller agrees to it in advance."""
    beside = find_other_database(manifests, state, named, sandbox=sandbox)
    missing = None if store is None else await find_missing_videos(store, output)
    return [
        *([f"a run stops here: {beside.finding}; {beside.advice}"] if beside else []),
        *([f"a run stops here: {missing.finding} {MISSING_ADVICE}"] if missing and missing.is_absence else []),
    ]


class Survey:
    """Goes over every named job once. ``found``: the ids of those that have a finished video in the output."""

    def __init__(
        self,
        tally: Tally,
        settings: RunSettings,
        lost: LostParents,
        *,
        with_images: bool,
        found: Collection[str] = frozenset(),
        catalog: Catalog = MODELS,
    ) -> None:
        self.tally = tally
        self.lost = lost
        self.images = NamedImages(catalog)
        self.requests = RequestCounter()
        self.colliding = 0
        self.collisions: list[Collision] = []
        self._states: Counter[JobState] = Counter()
        self._settings = settings
        # to list a bucket may take longer than the rest of a plan
        self._files = set() if isinstance(settings.output, BucketUrl) else taken_stems(settings.output)
        self._with_images = with_images
        self._found = found
        self.has_new = False
        self.taken_in = 0
        """Jobs that a run would not buy, since their videos exist."""

    @property
    def notes(self) -> list[str]:
        """What a person should know of the jobs."""
        if not self.taken_in:
            return []
        videos = format_count(self.taken_in, "finished video")
        return [f"{videos} of these jobs found in the output folder: imported by a run, not bought"]

    @property
    def by_state(self) -> dict[JobState, int]:
        """How many of the named jobs the database has, by their state."""
        return {state: self._states[state] for state in JobState if self._states[state]}

    def add_jobs(self, named: StagingTable, state: Path | None) -> None:
        """Count and price all of ``named``; ``state`` is their database, if there is one."""
        for job in preview_jobs(named, state):
            is_there = job.is_due and job.id in self._found
            is_due = job.is_due and not is_there
            self.taken_in += is_there
            buys, further = count_purchases(job.last, self._settings)
            if self.lost.blocks(job, buys):
                buys, further = 0, 0
            self.tally.add_job(job.model, job.request, due=buys - is_there, further=further)
            self.requests.add_request(job.model, job.request)
            if job.state is None:
                self.has_new = True
            else:
                self._states[job.state] += 1
            if is_due:
                self._add_new_job(job)

    def _add_new_job(self, job: PreviewedJob) -> None:
        by = "another job" if job.taken else "a file in the output folder" if job.stem in self._files else None
        if by is not None:
            self.colliding += 1
            if len(self.collisions) < SHOWN:
                self.collisions.append(Collision(name=job.name, source=job.source, line=job.line, by=by))
        if self._with_images:
            self.images.add_job(job)
