"""The steps of a run, in the order in which ``run`` takes them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from batchveo.core.durations import Durations
from batchveo.core.errors import KnownElsewhere, PricesUnknown, UsageError, VideosMissing
from batchveo.core.events import Message
from batchveo.core.hints import address_options
from batchveo.core.models import JobState
from batchveo.core.notices import (
    BudgetDropped,
    CheckingVideos,
    ClusterStarting,
    DatabaseCreated,
    DefaultsDiffer,
    DestinationChanged,
    DestinationResumed,
    JobsImported,
    JobsNoLongerNamed,
    JobsRenamed,
    JobsRepeated,
    OrphansLeftOut,
    OtherKeyNeeded,
)
from batchveo.core.settings import LOCAL, Cluster, RunSettings
from batchveo.engine.cluster import ClusterRun
from batchveo.engine.cluster.protocol import ActorBackend
from batchveo.engine.cluster.shared_folder import remove_leftovers
from batchveo.engine.cluster.worker_pool import make_tag
from batchveo.engine.lifecycle import acquire_lock
from batchveo.engine.local_run import Run
from batchveo.engine.price_book import PriceBook
from batchveo.engine.result import RunResult
from batchveo.engine.run_context import RunSpec
from batchveo.manifest import Summary
from batchveo.operations.clip_rows import describe_job
from batchveo.operations.estimates import fetch_durations, known_durations
from batchveo.operations.input_ways import check_inputs
from batchveo.operations.manifest_diff import find_written_defaults, list_written_defaults
from batchveo.operations.preflight import (
    check_keys,
    check_service,
    find_other_database,
    follow_keys,
)
from batchveo.operations.prices import collect_costs, remember_prices
from batchveo.operations.quote import (
    LostParents,
    PurchaseQuote,
    Tally,
    count_purchases,
    fetch_balances,
    is_missing_database,
    open_if_exists,
)
from batchveo.operations.recovery import find_recoverable, recover_videos
from batchveo.operations.retired_models import find_retired, find_today
from batchveo.operations.run_setup import RunOptions, RunSetup, StagedJobs, require_yes
from batchveo.operations.saved_settings import SavedSettings, absolute_text, serialize_settings
from batchveo.operations.verify import MISSING_ADVICE, find_missing_videos
from batchveo.provider import ApiClient, VideoClient
from batchveo.provider.catalog.price_list import PriceList
from batchveo.provider.service import pick_client
from batchveo.storage.destination_check import check_sidecars, check_writable
from batchveo.store import Added, Store, preview_jobs
from batchveo.store.manifest_changes import ManifestChanges

WORTH_A_WORD = 20
"""Videos to be read to their ends from which on a person is told why nothing happens yet."""
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


def check_other_databases(setup: RunSetup, staged: StagedJobs | None) -> None:
    """Raise ``KnownElsewhere`` if a database beside the manifests knows the jobs and that of the run does not."""
    options = setup.options
    if staged is None or options.consent.new_state:
        return
    found = find_other_database(staged.paths, options.state, staged.table, sandbox=setup.service.sandbox)
    if found is not None:
        options.consent.require(found.finding, found.advice, KnownElsewhere)


def report_dropped_budget(setup: RunSetup) -> None:
    """Report that the run before this one had a budget and this one has none; ``resume`` has restored it.

    Also if there is nothing to buy: the next run compares itself with this one.
    """
    options = setup.options
    if options.settings.budget is not None:
        return
    with open_if_exists(options.state) as store:
        last = store.runs.read_last_budget() if store is not None else None
    if last is not None:
        options.reporter(BudgetDropped(last_usd=last))


async def ask_approval(setup: RunSetup, staged: StagedJobs | None) -> None:
    """Show the price of a run to whoever approves it; raises ``Declined`` if the answer is no.

    Without ``staged`` jobs the run is about everything pending. Nothing is written. Nobody is asked if there is
    nothing to buy, or in the sandbox.
    """
    approve = setup.options.approve
    if approve is None or setup.service.sandbox:
        return
    with open_if_exists(setup.options.state) as store:
        quote = await _make_quote(setup, store, staged)
    if quote.new or quote.most_usd:
        require_yes(approve(quote))


async def _make_quote(setup: RunSetup, store: Store | None, staged: StagedJobs | None) -> PurchaseQuote:
    """The price of the staged jobs that are not bought yet, or of all that a resumed run may buy."""
    settings, sandbox = setup.options.settings, setup.service.sandbox
    models = staged.models if staged else store.queries.list_models_to_buy() if store else []
    apis = await setup.open_clients()
    known = await setup.find_prices(models, store)
    balance = await fetch_balances(apis)
    tally = Tally(PriceBook(known.prices, store, settings.assume_price), store)
    defaults: Sequence[DefaultsDiffer] = ()
    has_new = False
    lost = LostParents(store)
    blocked = [] if store is None else store.waiting.count_blocked()
    if staged is not None:
        found = await find_recoverable(store, settings.output, sandbox=sandbox, sidecars=settings.sidecars)
        for job in preview_jobs(staged.table, setup.options.state if store else None):
            due, further = count_purchases(job.last, settings)
            if lost.blocks(job, due):
                due, further = 0, 0
            taken_in = job.is_due and job.id in found
            tally.add_job(job.model, job.request, due=due - taken_in, further=further)
            has_new = has_new or job.state is None
        blocked = lost.list_counts()
        if store is not None and has_new:
            defaults = find_written_defaults(staged.table, setup.options.state, staged.catalog)
    elif store is not None:
        for model, request, last in store.queries.list_last_takes():
            due, further = count_purchases(last, settings)
            if due or further:
                tally.add_job(model, request, due=due, further=further)
    counted = tally.list_models()
    new = [model.model for model in counted if model.new]
    retired = await find_retired(pick_client(apis), new, catalog=setup.service.catalog)
    return PurchaseQuote(
        models=counted,
        balance_usd=balance.usd,
        balances=balance.by_key if len(apis) > 1 else {},
        budget_usd=settings.budget,
        committed_usd=store.queries.read_committed() if store else 0.0,
        prices_since=known.since,
        notes=[
            *known.notes,
            *balance.notes,
            *([] if known.trouble else retired.notes),
            *(notice.text for notice in defaults),
            *([OrphansLeftOut(jobs=staged.table.orphans).text] if staged and staged.table.orphans else []),
        ],
        retired=retired.models,
        blocked=blocked,
    )


@asynccontextmanager
async def open_database(setup: RunSetup) -> AsyncIterator[tuple[Store, Findings]]:
    """The database, locked and fit for this run, with what it shows of earlier ones.

    Raises ``StateLocked``, ``UsageError`` if its jobs need another service or other keys, and ``VideosMissing``.
    """
    options, using = setup.options, setup.service
    if using.sandbox and options.cluster is not None and not options.cluster.is_local:
        raise UsageError("--sandbox listens on this machine only: use --ray without an address")
    is_new = is_missing_database(options.state)
    with Store(options.state) as store:
        # the lock comes first: what is checked below could change under another run
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

    options.reporter(ClusterStarting(address=cluster.address or LOCAL))
    return start_ray(cluster, options.state)


def begin_run(setup: RunSetup, store: Store) -> int:
    """Record the run with its options and its budget; returns its number."""
    options = setup.options
    run = store.runs.begin_run(command=setup.command, service=setup.service.name, now=setup.clock.now())
    store.runs.set_options(run, serialize_settings(options.settings, options.told))
    # before the import, which may take long: a run that ends within it must leave its budget to the next
    store.runs.set_budget(run, options.settings.budget)
    store.deliveries.set_hooks(options.hooks.kinds)
    return run


def import_jobs(
    setup: RunSetup, store: Store, run: int, staged: StagedJobs | None, findings: Findings
) -> Sequence[int] | None:
    """Give the run its jobs: the ``staged`` ones, which leave the staging table, or all that is unfinished.

    Returns the numbers of the jobs whose clips it judges; ``None``: all.
    """
    options = setup.options
    if findings.is_new:  # whoever meant another database sees it before anything is bought
        options.reporter(DatabaseCreated(state=options.state.absolute()))
    if staged is None:
        store.runs.take_on_all(run)
        return None
    written: list[DefaultsDiffer] = []

    def compare(changes: ManifestChanges) -> None:
        written.extend(list_written_defaults(changes, staged.catalog))

    with staged.table:  # a run takes hours, and does not need it any more
        added = staged.add_to(store, run=run, now=setup.clock.now(), compare=compare)
        orphans = [OrphansLeftOut(jobs=staged.table.orphans)] if staged.table.orphans else []
        for notice in (*_list_import_notices(staged.summary, added, store), *orphans, *written):
            options.reporter(notice)
    return added.to_judge


def _list_import_notices(summary: Summary, added: Added, store: Store) -> Iterator[Message]:
    """What a person should know of the jobs of the manifests."""
    yield JobsImported(
        named=added.named,
        new=added.new,
        done=added.by_state.get(JobState.SUCCEEDED, 0),
        cancelled=added.by_state.get(JobState.CANCELLED, 0),
        choice=summary.choice_note,
        state=store.path,
    )
    if summary.repeated:
        yield JobsRepeated(jobs=summary.repeated, first=summary.first_repeated)
    for note in summary.notes:
        yield Message(text=note, warning=True)
    if added.renamed:
        yield JobsRenamed(jobs=added.renamed)
    if added.no_longer_named:
        service = address_options(store.runs.list_services())
        yield JobsNoLongerNamed(by_state=added.no_longer_named, state=store.path, service=service)


def report_findings(setup: RunSetup, findings: Findings) -> None:
    """Report jobs that need another key, and where the videos go."""
    report, output, before = (
        setup.options.reporter,
        absolute_text(setup.options.settings.output),
        findings.last_output,
    )
    if findings.strangers:
        report(OtherKeyNeeded(jobs=findings.strangers))
    if setup.command == "resume":
        report(DestinationResumed(output=output))
    if before not in (None, output):
        report(DestinationChanged(output=output, before=before))


async def check_destination(setup: RunSetup) -> None:
    """Raise ``StoppedEarly`` or ``UsageError`` if videos, sidecars or inputs cannot be written to their places."""
    settings = setup.options.settings
    await check_writable(settings.output)
    check_sidecars(settings.sidecars)
    if settings.inputs is not None:
        local = setup.service.sandbox or setup.service.is_local
        await check_inputs(settings.inputs, local=local)


async def recover_finished(setup: RunSetup, store: Store, run: int) -> None:
    """Import finished videos of the destination that the database lacks, so that none is bought twice."""
    report, settings = setup.options.reporter, setup.options.settings

    def report_checking(videos: int) -> None:
        if videos >= WORTH_A_WORD:
            report(CheckingVideos(videos=videos, output=settings.output))

    found = await recover_videos(
        store,
        settings.output,
        sidecars=settings.sidecars,
        run=run,
        now=setup.clock.now(),
        sandbox=setup.service.sandbox,
        labels=[key.name for key in setup.service.keys],
        watch=report_checking,
    )
    for notice in found.list_notices(settings.output):
        report(notice)


async def estimate_run(setup: RunSetup, store: Store, run: int, to_judge: Sequence[int] | None) -> RunSpec:
    """What the engine begins with: prices and expected generation times of what is still to be made.

    ``to_judge`` is from ``import_jobs``.
    """
    apis = await setup.open_clients()  # the sandbox has its address from here on
    settings = setup.options.settings
    models = store.queries.list_pending_models(run)
    prices = await _require_prices(setup, store, models)
    return RunSpec(
        run=run,
        begun=setup.clock.now(),
        settings=settings,
        service=setup.service,
        prices=prices,
        endings=await _describe_endings(setup, [model for model in models if prices.find_pricing(model) is None]),
        durations=await _expect_durations(pick_client(apis), store, models, settings),
        to_judge=to_judge,
        hooks=setup.options.hooks,
        describe_job=describe_job,
    )


async def _describe_endings(setup: RunSetup, unpriced: Sequence[str]) -> dict[str, str]:
    """What becomes of models without a listed price, for their jobs that a budget puts aside; nothing without one."""
    options = setup.options
    if options.settings.budget is None or options.settings.assume_price is not None:
        return {}
    api = pick_client(await setup.open_clients())
    retired = await find_retired(api, unpriced, catalog=setup.service.catalog)
    return {
        each.model: f"{each.describe(find_today())}: `{each.format_retry(options.state)}` makes its jobs under another"
        " model"
        for each in retired.models
    }


async def _expect_durations(api: ApiClient, store: Store, pending: Sequence[str], settings: RunSettings) -> Durations:
    """Expected generation times of ``pending`` and unfinished models; none if polls have a fixed interval."""
    if settings.poll_interval is not None:
        return Durations()
    # jobs in doubt and in flight are polled as well, and each model has times of its own
    models = sorted({*pending, *(job.model for job in store.jobs(JobState.IN_DOUBT, JobState.GENERATING))})
    return known_durations(store, models, await fetch_durations(api, models))


async def _require_prices(setup: RunSetup, store: Store, models: Sequence[str]) -> PriceList:
    """Live prices; without them a run can do, unless its budget needs them: then ``PricesUnknown`` is raised.

    ``models``: those of the jobs to submit; what was imported is priced as well.
    """
    wanted = list(dict.fromkeys([*models, *store.queries.list_unreserved_models()]))
    known = await setup.find_prices(wanted, store)
    if known.trouble is None:
        remember_prices(store, known.prices, wanted, now=setup.clock.now())
        return known.prices
    settings = setup.options.settings
    if settings.budget is not None and settings.assume_price is None and models:
        reason = f"a budget needs prices, and there are none: {known.trouble}; try later, or give --assume-price"
        raise PricesUnknown(reason)
    return PriceList({})


async def run_engine(setup: RunSetup, store: Store, spec: RunSpec, backend: ActorBackend | None) -> RunResult:
    """Run to the end, in this process or on the cluster."""
    options = setup.options
    if backend is not None and options.cluster is not None:
        return await ClusterRun(store, spec, backend, options.cluster, reporter=options.reporter).execute()
    # a run on a cluster that was killed left a marker and parts that only such a run would remove
    if isinstance(spec.settings.output, Path):
        remove_leftovers(spec.settings.output.absolute(), make_tag(store.path))
    apis = await setup.open_clients()
    async with VideoClient(loopback=setup.service.is_local) as videos:
        return await Run(store, spec, apis, videos, clock=setup.clock, reporter=options.reporter).execute()


async def collect_run_costs(setup: RunSetup, store: Store, spec: RunSpec, result: RunResult) -> None:
    """Look up costs in the ledger; not after a signal, which leaves five seconds, and the ledger may take longer."""
    if result.interrupted is None:
        await collect_costs(store, (await setup.open_clients()).values(), since=spec.begun)


def finish_run(setup: RunSetup, store: Store, result: RunResult) -> None:
    """Record the end of the run."""
    with suppress(sqlite3.DatabaseError):  # a full disk has been reported already
        store.runs.end_run(result.run, status=result.exit_status, now=setup.clock.now())
