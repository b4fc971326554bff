"""What batchveo does, as functions: the command line and notebooks call the same ones."""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import anyio

from batchveo.api import Api, ServiceTrouble
from batchveo.clients import clients, first
from batchveo.clock import Clock
from batchveo.cluster import Cluster, ClusterRun
from batchveo.cluster.engine import Engine
from batchveo.coordinator.holding import hold
from batchveo.costs import learn_costs
from batchveo.durations import Durations
from batchveo.errors import DiskTrouble, KeyRejected, PricesUnknown, UsageError
from batchveo.events import Noted, Reporter, silent
from batchveo.manifest import Manifests
from batchveo.metrics import known_durations, recent_durations
from batchveo.models import JobState
from batchveo.objects import objects
from batchveo.places import BucketUrl, Place
from batchveo.planning.approval import ask
from batchveo.planning.offers import Approve
from batchveo.prices import PRICES_SECONDS, keep_prices, price_list
from batchveo.pricing import PriceList
from batchveo.report.expanded import say_expanded, say_made_elsewhere
from batchveo.runner import Run, RunResult, RunSettings
from batchveo.services import Service, check_keys, check_service, running, service
from batchveo.store import Scratch, Store

StrPath = str | os.PathLike[str]

DEFAULT_STATE = Path("state/batchveo.db")
ENDING_SECONDS = 10.0
"""How long the processes of a run on a cluster may hold the state after the one that started them has died."""


def run(
    manifests: Sequence[StrPath],
    *,
    state: StrPath = DEFAULT_STATE,
    settings: RunSettings | None = None,
    using: Service | Callable[[], Service] | None = None,
    allow_unknown_model: bool = False,
    strict_provenance: bool = False,
    reporter: Reporter = silent,
    stdin: BinaryIO | None = None,
    approve: Approve | None = None,
    cluster: Cluster | None = None,
) -> RunResult:
    """Turn ``manifests`` into videos; the same call again goes on where it stopped.

    Blocks until nothing is left or something stops it. Inside a running event loop (a notebook), await
    ``run_async`` instead. ``approve`` is asked before anything is written or bought. With ``cluster`` the work is
    spread over a Ray cluster. Raises ``ManifestError`` with
    every problem before that, ``Declined`` where the answer is no, ``StateLocked`` where another run holds the
    state.
    """

    async def call() -> RunResult:
        return await run_async(
            manifests,
            state=state,
            settings=settings,
            using=using,
            allow_unknown_model=allow_unknown_model,
            strict_provenance=strict_provenance,
            reporter=reporter,
            stdin=stdin,
            approve=approve,
            cluster=cluster,
        )

    return anyio.run(call)


async def run_async(
    manifests: Sequence[StrPath],
    *,
    state: StrPath = DEFAULT_STATE,
    settings: RunSettings | None = None,
    using: Service | Callable[[], Service] | None = None,
    allow_unknown_model: bool = False,
    strict_provenance: bool = False,
    reporter: Reporter = silent,
    stdin: BinaryIO | None = None,
    approve: Approve | None = None,
    cluster: Cluster | None = None,
) -> RunResult:
    """``run``, to be awaited."""
    _check(cluster)
    with Scratch() as scratch:
        with Manifests(
            manifests, allow_unknown_model=allow_unknown_model, strict_provenance=strict_provenance, stdin=stdin
        ) as reading:
            summary = reading.read(scratch.take)
        # the service comes second: whoever has no key yet still hears all that is wrong with the manifest
        chosen = using() if callable(using) else using or service()

        def take_on(store: Store, run: int, now: float) -> None:
            with scratch:  # a run takes hours, and needs it no longer
                say_expanded(reporter, summary, store.add(scratch, run=run, now=now))

        settings = _with_budget(settings or RunSettings(), summary.budget)
        models = list(summary.by_model)
        await ask(approve, using=chosen, state=Path(state), settings=settings, named=scratch, models=models)
        return await _run(Path(state), "run", take_on, settings, chosen, reporter, cluster)


def resume(
    *,
    state: StrPath = DEFAULT_STATE,
    settings: RunSettings | None = None,
    using: Service | None = None,
    reporter: Reporter = silent,
    approve: Approve | None = None,
    cluster: Cluster | None = None,
) -> RunResult:
    """Go on with everything unfinished in the state; blocks as ``run`` does."""

    async def call() -> RunResult:
        return await resume_async(
            state=state, settings=settings, using=using, reporter=reporter, approve=approve, cluster=cluster
        )

    return anyio.run(call)


async def resume_async(
    *,
    state: StrPath = DEFAULT_STATE,
    settings: RunSettings | None = None,
    using: Service | None = None,
    reporter: Reporter = silent,
    approve: Approve | None = None,
    cluster: Cluster | None = None,
) -> RunResult:
    """``resume``, to be awaited."""
    _check(cluster)
    path = Path(state)
    Store(path, writing=False).close()  # a state that does not exist is a slip, not an empty one

    def take_on(store: Store, run: int, now: float) -> None:  # noqa: ARG001 - one shape for both commands
        store.take_on_all(run)

    settings, chosen = settings or RunSettings(), using or service()
    await ask(approve, using=chosen, state=path, settings=settings)
    return await _run(path, "resume", take_on, settings, chosen, reporter, cluster)


async def _run(
    state: Path,
    command: str,
    take_on: Callable[[Store, int, float], None],
    settings: RunSettings,
    using: Service,
    reporter: Reporter,
    cluster: Cluster | None,
) -> RunResult:
    clock = Clock()
    with Store(state) as store, ExitStack() as stack:
        await hold(store, patience=0.0 if store.is_running() else ENDING_SECONDS)
        check_service(store, using)
        check_keys(store, using)
        engine = None if cluster is None else stack.enter_context(_engine(cluster, state, using, reporter))
        run = store.begin_run(command=command, service=using.name, now=clock.now())
        take_on(store, run, clock.now())
        if command == "resume" and settings.budget is None:
            settings = replace(settings, budget=store.last_budget(run))
        store.set_budget(run, settings.budget)
        await check_place(settings.output)
        say_made_elsewhere(reporter, store, settings.output)
        using = stack.enter_context(running(using, state))
        async with clients(using) as (apis, videos):
            api = first(apis)
            models = store.pending_models(run)
            prices = await _prices(api, models, settings)
            keep_prices(store, prices, models, now=clock.now())
            durations = await _durations(api, store, models, settings)
            begun = clock.now()
            going: Run | ClusterRun
            if engine is None or cluster is None:
                going = Run(
                    store,
                    apis,
                    videos,
                    settings,
                    run=run,
                    clock=clock,
                    keys=using.keys,
                    prices=prices,
                    durations=durations,
                    reporter=reporter,
                )
            else:
                going = ClusterRun(
                    store,
                    settings,
                    run=run,
                    begun=begun,
                    using=using,
                    engine=engine,
                    cluster=cluster,
                    prices=prices,
                    durations=durations,
                    reporter=reporter,
                )
            result = await going.execute()
            if result.interrupted is None:  # who was told to stop has five seconds, and the ledger may take longer
                await learn_costs(store, apis.values(), since=begun)
        with suppress(sqlite3.DatabaseError):  # a full disk has been reported already
            store.end_run(run, status=result.exit_status, now=clock.now())
    return result


def _check(cluster: Cluster | None) -> None:
    """Raise ``UsageError`` where a run on ``cluster`` cannot be: before a manifest of a million lines is read."""
    if cluster is not None:
        from batchveo.cluster.on_ray import check_ray

        check_ray()


def _engine(cluster: Cluster, state: Path, using: Service, reporter: Reporter) -> AbstractContextManager[Engine]:
    """The engine of a run on a cluster, to be started; raises ``UsageError`` where it cannot be."""
    from batchveo.cluster.on_ray import started

    if using.sandbox and not cluster.is_local:
        raise UsageError("--sandbox listens on this machine only: use --ray without an address")
    reporter(
        Noted(text="starting Ray on this machine" if cluster.is_local else f"joining Ray at {cluster.address}")
    )
    return started(cluster, state)


def _with_budget(settings: RunSettings, budget: float | None) -> RunSettings:
    """The caller's own budget, or else that of the manifests."""
    return replace(settings, budget=budget) if settings.budget is None else settings


async def _prices(api: Api, models: Sequence[str], settings: RunSettings) -> PriceList:
    """The prices of what is still to be bought; without a budget a run does without, where it must."""
    try:
        with anyio.fail_after(PRICES_SECONDS):
            return await price_list(api, models)
    except (ServiceTrouble, KeyRejected, TimeoutError) as error:
        if settings.budget is None or settings.assume_price is not None or not models:
            return PriceList({})
        text = f"a budget needs prices, and there are none: {error}; try later, or give --assume-price"
        raise PricesUnknown(text) from None


async def _durations(api: Api, store: Store, pending: Sequence[str], settings: RunSettings) -> Durations:
    """What the service, and this state, tell of generation times, where polls are planned by them."""
    if settings.poll_interval is not None:
        return Durations()
    models = sorted({*pending, *(job.model for job in store.jobs(JobState.IN_DOUBT, JobState.GENERATING))})
    return known_durations(store, models, await recent_durations(api, models))


async def check_place(output: Place) -> None:
    """Raise ``DiskTrouble`` unless videos can be put there: better now than after the first purchase."""
    if isinstance(output, BucketUrl):
        await check_bucket(output)
    else:
        check_folder(output)


def check_folder(output: Path) -> None:
    """Raise ``DiskTrouble`` unless a file can be made in ``output``: better now than after the first purchase."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise DiskTrouble(f"videos cannot be written to {output}: {error.strerror}") from None


async def check_bucket(output: BucketUrl) -> None:
    """Raise ``DiskTrouble`` unless an object can be made, read and taken away, and no second one of its name."""
    there, key = objects(output), f".batchveo-{uuid.uuid4().hex}"
    try:
        await there.create(key, b"batchveo looks whether it can write here\n")
        found = await there.small(key)
        if await there.create(key, b""):
            raise OSError(errno.ENOTSUP, "this store overwrites what is to be created only")  # noqa: TRY301
        await there.delete(key)
    except OSError as error:
        raise DiskTrouble(f"videos cannot be written to {output}: {error.strerror}") from None
    if found is None:
        raise DiskTrouble(f"videos cannot be written to {output}: what was put there is not found")
