"""Opens in order all that a run needs, runs it, and closes what was opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio

from batchveo.core.clock import Clock
from batchveo.core.cluster_settings import Cluster
from batchveo.core.destination import Destination
from batchveo.core.durations import Durations
from batchveo.core.errors import KeyRejected, PricesUnknown, UsageError, VideosMissing
from batchveo.core.events import Message, Reporter
from batchveo.core.models import JobState
from batchveo.core.run_options import NOTHING_TOLD, Remembered, Told, whole, written
from batchveo.core.settings import RunSettings
from batchveo.engine.cluster import ClusterRun
from batchveo.engine.cluster.backend import ActorBackend
from batchveo.engine.cluster.shared_folder import clear
from batchveo.engine.cluster.worker_pool import tag_of
from batchveo.engine.local_run import Run
from batchveo.engine.result import RunResult
from batchveo.engine.run_lock import hold
from batchveo.engine.spec import RunSpec
from batchveo.operations.consent import Consent
from batchveo.operations.costs import learn_costs
from batchveo.operations.missing_videos import MISSING_ADVICE, missing_videos
from batchveo.operations.notices import say_checking, say_created, say_destination, say_other_keys, say_recovered
from batchveo.operations.other_databases import is_unmade
from batchveo.operations.preflight import check_keys, check_service, follow_keys, running
from batchveo.operations.prices import PRICES_SECONDS, keep_prices, price_list
from batchveo.operations.recovery import recover
from batchveo.operations.service_metrics import known_durations, recent_durations
from batchveo.provider import ApiClient, ProviderError
from batchveo.provider.clients import clients, first
from batchveo.provider.price_list import PriceList
from batchveo.provider.service import Service
from batchveo.storage.write_check import check_place, check_sidecars
from batchveo.store import Store

NO_CONSENT = Consent()
ENDING_SECONDS = 10.0
"""How long the processes of a run on a cluster may hold the state after the one that started them has died."""


def check_cluster(cluster: Cluster | None) -> None:
    """Raise ``UsageError`` where a run on ``cluster`` cannot be: before a manifest of a million lines is read."""
    if cluster is not None:
        from batchveo.engine.cluster.ray_bootstrap import check_ray

        check_ray()


async def opened_run(
    state: Path,
    command: str,
    take_on: Callable[[Store, int, float], None],
    settings: RunSettings,
    using: Service,
    reporter: Reporter,
    cluster: Cluster | None,
    *,
    told: Told = NOTHING_TOLD,
    consent: Consent = NO_CONSENT,
) -> RunResult:
    """Do a run of ``command`` over the state, with the jobs that ``take_on`` gives it, here or on ``cluster``.

    ``told`` are the settings that somebody chose, which a later ``resume`` keeps to.
    """
    _check_reach(using, cluster)
    clock = Clock()
    is_new = is_unmade(state)
    with Store(state) as store, ExitStack() as stack:
        await hold(store, patience=0.0 if store.runs.is_running() else ENDING_SECONDS)
        check_service(store, using)
        strangers = follow_keys(store, using)
        check_keys(store, using)
        await check_videos(store, settings.output, consent)
        before = where_before(store)
        engine = None if cluster is None else stack.enter_context(_engine(cluster, state, reporter))
        run = store.runs.begin_run(command=command, service=using.name, now=clock.now())
        store.runs.set_options(run, written(settings, told))
        if is_new:
            say_created(reporter, state)
        take_on(store, run, clock.now())
        if command == "resume" and settings.budget is None:
            settings = replace(settings, budget=store.runs.read_last_budget(run))
        store.runs.set_budget(run, settings.budget)
        say_other_keys(reporter, strangers)
        say_destination(reporter, whole(settings.output), before, resumed=command == "resume")
        await check_place(settings.output)
        check_sidecars(settings.sidecars)
        await _recover(reporter, store, settings, using, run=run, now=clock.now())
        using = stack.enter_context(running(using, state))
        async with clients(using) as (apis, videos):
            api = first(apis)
            models = store.queries.list_pending_models(run)
            prices = await _prices(api, models, settings)
            keep_prices(store, prices, models, now=clock.now())
            durations = await _durations(api, store, models, settings)
            spec = RunSpec(
                run=run,
                begun=clock.now(),
                settings=settings,
                service=using,
                prices=prices,
                durations=durations,
            )
            if engine is None or cluster is None:
                if isinstance(settings.output, Path):
                    clear(settings.output.absolute(), tag_of(store.path))
                result = await Run(store, spec, apis, videos, clock=clock, reporter=reporter).execute()
            else:
                result = await ClusterRun(store, spec, engine, cluster, reporter=reporter).execute()
            if result.interrupted is None:  # who was told to stop has five seconds, and the ledger may take longer
                await learn_costs(store, apis.values(), since=spec.begun)
        with suppress(sqlite3.DatabaseError):  # a full disk has been reported already
            store.runs.end_run(run, status=result.exit_status, now=clock.now())
    return replace(result, output=settings.output)


async def check_videos(store: Store, output: Destination, consent: Consent) -> None:
    """Raise ``VideosMissing`` where the place of the finished videos is not there, and nobody agrees to that."""
    if consent.missing_videos:
        return
    missing = await missing_videos(store, output)
    if missing.is_absence:
        consent.require(missing.finding, MISSING_ADVICE, VideosMissing)


def where_before(store: Store) -> str | None:
    """Where the run before this one put its videos; ``None`` where there was none, or it is not recorded."""
    recorded = Remembered.read(store.runs.read_last_options()).output
    if recorded is not None:
        return recorded
    finished = store.recovery.list_finished_files(1)
    return finished[0][0] if finished else None


async def _recover(
    reporter: Reporter, store: Store, settings: RunSettings, using: Service, *, run: int, now: float
) -> None:
    """Take in what is finished already, and say so."""
    output = settings.output
    found = await recover(
        store,
        output,
        sidecars=settings.sidecars,
        run=run,
        now=now,
        sandbox=using.sandbox,
        labels=[key.name for key in using.keys],
        watch=partial(say_checking, reporter, output),
    )
    say_recovered(reporter, output, found)


def _check_reach(using: Service, cluster: Cluster | None) -> None:
    """Raise ``UsageError`` where the workers could not reach the service: before a state is made."""
    if using.sandbox and cluster is not None and not cluster.is_local:
        raise UsageError("--sandbox listens on this machine only: use --ray without an address")


def _engine(cluster: Cluster, state: Path, reporter: Reporter) -> AbstractContextManager[ActorBackend]:
    """The engine of a run on a cluster, to be started."""
    from batchveo.engine.cluster.ray_bootstrap import started

    joining = "the cluster of this machine" if cluster.address == "auto" else f"Ray at {cluster.address}"
    starting = "starting Ray on this machine, which takes some ten seconds"
    reporter(Message(text=starting if cluster.is_local else f"joining {joining}"))
    return started(cluster, state)


async def _prices(api: ApiClient, models: Sequence[str], settings: RunSettings) -> PriceList:
    """The prices of what is still to be bought; without a budget a run does without, where it must."""
    try:
        with anyio.fail_after(PRICES_SECONDS):
            return await price_list(api, models)
    except (ProviderError, KeyRejected, TimeoutError) as error:
        if settings.budget is None or settings.assume_price is not None or not models:
            return PriceList({})
        text = f"a budget needs prices, and there are none: {error}; try later, or give --assume-price"
        raise PricesUnknown(text) from None


async def _durations(api: ApiClient, store: Store, pending: Sequence[str], settings: RunSettings) -> Durations:
    """What the service, and this state, tell of generation times, where polls are planned by them."""
    if settings.poll_interval is not None:
        return Durations()
    models = sorted({*pending, *(job.model for job in store.jobs(JobState.IN_DOUBT, JobState.GENERATING))})
    return known_durations(store, models, await recent_durations(api, models))
