"""The steps of a run, in the order in which ``run`` takes them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from batchveo.core.durations import Durations
from batchveo.core.errors import KnownElsewhere, PricesUnknown, UsageError, VideosMissing
from batchveo.core.events import Message
from batchveo.core.models import JobState
from batchveo.core.settings import Cluster, RunSettings
from batchveo.engine.cluster import ClusterRun
from batchveo.engine.cluster.protocol import ActorBackend
from batchveo.engine.cluster.shared_folder import remove_leftovers
from batchveo.engine.cluster.worker_pool import make_tag
from batchveo.engine.lifecycle import acquire_lock
from batchveo.engine.local_run import Run
from batchveo.engine.result import RunResult
from batchveo.engine.run_context import RunSpec
from batchveo.operations.estimates import fetch_durations, known_durations
from batchveo.operations.import_notices import report_import
from batchveo.operations.missing_videos import MISSING_ADVICE, find_missing_videos
from batchveo.operations.notices import (
    report_checking,
    report_created,
    report_destination,
    report_other_keys,
    report_recovered,
)
from batchveo.operations.other_databases import find_other_database, is_missing_database
from batchveo.operations.preflight import check_keys, check_service, follow_keys
from batchveo.operations.prices import collect_costs, remember_prices
from batchveo.operations.recovery import recover_videos
from batchveo.operations.run_context import RunContext, RunOptions
from batchveo.operations.saved_settings import SavedSettings, absolute_text, serialize_settings
from batchveo.operations.staging import StagedJobs, StrPath
from batchveo.provider import ApiClient, VideoClient
from batchveo.provider.price_list import PriceList
from batchveo.provider.service import pick_client
from batchveo.storage.destination_check import check_sidecars, check_writable
from batchveo.store import Store

LOCK_SECONDS = 10.0
"""How long the processes of a run on a cluster may hold the lock after the one that started them has died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the database shows before the run begins.

    ``strangers``: unsettled jobs that were submitted with an API key that is not given now. ``last_output``: where
    the run before this one put its videos, if that is known.
    """

    is_new: bool
    strangers: int
    last_output: str | None


def check_cluster(cluster: Cluster | None) -> None:
    """Raise ``UsageError`` if no run on ``cluster`` is possible: before a manifest of a million lines is read."""
    if cluster is not None:
        from batchveo.engine.cluster.ray_bootstrap import check_ray

        check_ray()


def check_other_databases(options: RunOptions, manifests: Sequence[StrPath], staged: StagedJobs) -> None:
    """Raise ``KnownElsewhere`` if a database beside ``manifests`` knows the jobs and that of the run does not."""
    if options.consent.new_state:
        return
    found = find_other_database(manifests, options.state, staged.table, sandbox=options.service.sandbox)
    if found is not None:
        options.consent.require(found.finding, found.advice, KnownElsewhere)


@asynccontextmanager
async def open_database(context: RunContext) -> AsyncIterator[tuple[Store, Findings]]:
    """The database, locked and fit for this run, with what it shows of earlier ones.

    Raises ``StateLocked``, ``UsageError`` if its jobs need another service or other keys, and ``VideosMissing``.
    """
    options, using = context.options, context.service
    if using.sandbox and options.cluster is not None and not options.cluster.is_local:
        raise UsageError("--sandbox listens on this machine only: use --ray without an address")
    is_new = is_missing_database(options.state)
    with Store(options.state) as store:
        await acquire_lock(store, patience=0.0 if store.runs.is_running() else LOCK_SECONDS)
        check_service(store, using)
        strangers = follow_keys(store, using)
        check_keys(store, using)
        await _check_videos(store, options)
        yield store, Findings(is_new=is_new, strangers=strangers, last_output=_last_output(store))


async def _check_videos(store: Store, options: RunOptions) -> None:
    if options.consent.missing_videos:
        return
    missing = await find_missing_videos(store, options.settings.output)
    if missing.is_absence:
        options.consent.require(missing.finding, MISSING_ADVICE, VideosMissing)


def _last_output(store: Store) -> str | None:
    recorded = SavedSettings.parse(store.runs.read_last_options()).output
    if recorded is not None:
        return recorded
    finished = store.queries.list_finished_files(1)
    return finished[0][0] if finished else None


def start_backend(options: RunOptions) -> AbstractContextManager[ActorBackend | None]:
    """The processes of a run on a cluster; ``None`` for a run in this process."""
    cluster = options.cluster
    if cluster is None:
        return nullcontext()
    from batchveo.engine.cluster.ray_bootstrap import start_ray

    joining = "the cluster of this machine" if cluster.address == "auto" else f"Ray at {cluster.address}"
    starting = "starting Ray on this machine, which takes some ten seconds"
    options.reporter(Message(text=starting if cluster.is_local else f"joining {joining}"))
    return start_ray(cluster, options.state)


def begin_run(context: RunContext, store: Store) -> int:
    """Record the run with its options; returns its number."""
    options = context.options
    run = store.runs.begin_run(command=options.command, service=context.service.name, now=context.clock.now())
    store.runs.set_options(run, serialize_settings(options.settings, options.told))
    return run


def import_jobs(context: RunContext, store: Store, run: int, staged: StagedJobs | None, findings: Findings) -> None:
    """Give the run its jobs: the ``staged`` ones, which leave the staging table, or all that is unfinished."""
    reporter = context.options.reporter
    if findings.is_new:
        report_created(reporter, context.options.state)
    if staged is None:
        store.runs.take_on_all(run)
    else:
        with staged.table:  # a run takes hours, and does not need it any more
            added = store.imports.add_jobs(staged.table, run=run, now=context.clock.now())
            report_import(reporter, staged.summary, added, store)
    store.runs.set_budget(run, context.options.settings.budget)


def report_findings(context: RunContext, findings: Findings) -> None:
    """Report jobs that need another key, and where the videos go."""
    options = context.options
    report_other_keys(options.reporter, findings.strangers)
    output = absolute_text(options.settings.output)
    report_destination(options.reporter, output, findings.last_output, resumed=options.command == "resume")


async def check_destination(context: RunContext) -> None:
    """Raise ``StoppedEarly`` or ``UsageError`` if videos or sidecars cannot be written to their places."""
    await check_writable(context.options.settings.output)
    check_sidecars(context.options.settings.sidecars)


async def recover_finished(context: RunContext, store: Store, run: int) -> None:
    """Take in finished videos of the destination that the database lacks, so that none is bought twice."""
    options = context.options
    output = options.settings.output
    found = await recover_videos(
        store,
        output,
        sidecars=options.settings.sidecars,
        run=run,
        now=context.clock.now(),
        sandbox=context.service.sandbox,
        labels=[key.name for key in context.service.keys],
        watch=partial(report_checking, options.reporter, output),
    )
    report_recovered(options.reporter, output, found)


async def estimate_run(context: RunContext, store: Store, run: int) -> RunSpec:
    """What the engine begins with: prices and expected generation times of what is still to be made."""
    apis = await context.open_clients()  # the sandbox has its address from here on
    settings = context.options.settings
    models = store.queries.list_pending_models(run)
    return RunSpec(
        run=run,
        begun=context.clock.now(),
        settings=settings,
        service=context.service,
        prices=await _require_prices(context, store, models),
        durations=await _expect_durations(pick_client(apis), store, models, settings),
    )


async def _expect_durations(api: ApiClient, store: Store, pending: Sequence[str], settings: RunSettings) -> Durations:
    """Expected generation times of ``pending`` and unfinished models; none if polls have a fixed interval."""
    if settings.poll_interval is not None:
        return Durations()
    models = sorted({*pending, *(job.model for job in store.jobs(JobState.IN_DOUBT, JobState.GENERATING))})
    return known_durations(store, models, await fetch_durations(api, models))


async def _require_prices(context: RunContext, store: Store, models: Sequence[str]) -> PriceList:
    """Live prices; without them a run can do, unless its budget needs them: then ``PricesUnknown`` is raised."""
    known = await context.find_prices(models, store)
    if known.trouble is None:
        remember_prices(store, known.prices, models, now=context.clock.now())
        return known.prices
    settings = context.options.settings
    if settings.budget is not None and settings.assume_price is None and models:
        reason = f"a budget needs prices, and there are none: {known.trouble}; try later, or give --assume-price"
        raise PricesUnknown(reason)
    return PriceList({})


async def run_engine(context: RunContext, store: Store, spec: RunSpec, backend: ActorBackend | None) -> RunResult:
    """Run to the end, in this process or on the cluster."""
    options = context.options
    if backend is not None and options.cluster is not None:
        return await ClusterRun(store, spec, backend, options.cluster, reporter=options.reporter).execute()
    if isinstance(spec.settings.output, Path):
        remove_leftovers(spec.settings.output.absolute(), make_tag(store.path))
    apis = await context.open_clients()
    async with VideoClient(loopback=context.service.is_local) as videos:
        return await Run(store, spec, apis, videos, clock=context.clock, reporter=options.reporter).execute()


async def collect_run_costs(context: RunContext, store: Store, spec: RunSpec, result: RunResult) -> None:
    """Look up costs in the ledger; not after a signal, which leaves five seconds, and the ledger may take longer."""
    if result.interrupted is None:
        await collect_costs(store, (await context.open_clients()).values(), since=spec.begun)


def finish_run(context: RunContext, store: Store, result: RunResult) -> None:
    """Record the end of the run."""
    with suppress(sqlite3.DatabaseError):  # a full disk has been reported already
        store.runs.end_run(result.run, status=result.exit_status, now=context.clock.now())
