"""What batchveo does, as functions: the command line and notebooks call the same ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import anyio

from batchveo.core.cluster_settings import Cluster
from batchveo.core.errors import KnownElsewhere
from batchveo.core.events import Reporter, silent
from batchveo.core.run_options import ALL_TOLD, NOTHING_TOLD, Remembered, Told, chosen_in, differences
from batchveo.core.settings import RunSettings
from batchveo.engine.result import RunResult
from batchveo.manifest import Manifests, ReadOptions
from batchveo.operations.approval import ask
from batchveo.operations.consent import Consent
from batchveo.operations.import_notices import say_expanded
from batchveo.operations.notices import say_remembered
from batchveo.operations.other_databases import neighbour
from batchveo.operations.quote import Approve
from batchveo.operations.run_steps import NO_CONSENT, check_cluster, opened_run
from batchveo.provider.service import Service, service
from batchveo.store import StagingTable, Store

StrPath = str | os.PathLike[str]

DEFAULT_STATE = Path("state/batchveo.db")


def run(
    manifests: Sequence[StrPath],
    *,
    state: StrPath = DEFAULT_STATE,
    settings: RunSettings | None = None,
    using: Service | Callable[[], Service] | None = None,
    allow_unknown_model: bool = False,
    strict_provenance: bool = False,
    reading: ReadOptions | None = None,
    reporter: Reporter = silent,
    stdin: BinaryIO | None = None,
    approve: Approve | None = None,
    cluster: Cluster | None = None,
    told: Told | None = None,
    consent: Consent = NO_CONSENT,
) -> RunResult:
    """Turn ``manifests`` into videos; the same call again goes on where it stopped.

    Blocks until nothing is left or something stops it. Inside a running event loop (a notebook), await
    ``run_async`` instead. ``reading`` says how the manifests are read and which of their jobs this run is about.
    ``approve`` is asked before anything is written or bought. With ``cluster`` the work is
    spread over a Ray cluster. Raises ``ManifestError`` with
    every problem before that, ``Declined`` where the answer is no, ``StateLocked`` where another run holds the
    state, ``KnownElsewhere`` where another database beside the manifests knows the jobs and this one does not,
    ``VideosMissing`` where the place of the finished videos is not there; ``consent`` goes on in spite of the two.
    ``told``: which of the settings somebody chose, for a later ``resume``; without it, those that are not the
    defaults.
    """

    async def call() -> RunResult:
        return await run_async(
            manifests,
            state=state,
            settings=settings,
            using=using,
            allow_unknown_model=allow_unknown_model,
            strict_provenance=strict_provenance,
            reading=reading,
            reporter=reporter,
            stdin=stdin,
            approve=approve,
            cluster=cluster,
            told=told,
            consent=consent,
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
    reading: ReadOptions | None = None,
    reporter: Reporter = silent,
    stdin: BinaryIO | None = None,
    approve: Approve | None = None,
    cluster: Cluster | None = None,
    told: Told | None = None,
    consent: Consent = NO_CONSENT,
) -> RunResult:
    """``run``, to be awaited."""
    check_cluster(cluster)
    with StagingTable() as scratch:
        with Manifests(
            manifests,
            allow_unknown_model=allow_unknown_model,
            strict_provenance=strict_provenance,
            stdin=stdin,
            options=reading,
        ) as read:
            summary = read.read(scratch.take)
        scratch.is_partial = summary.chosen is not None
        # the service comes second: whoever has no key yet still hears all that is wrong with the manifest
        chosen = using() if callable(using) else using or service()

        def take_on(store: Store, run: int, now: float) -> None:
            with scratch:  # a run takes hours, and needs it no longer
                say_expanded(reporter, summary, store.imports.add_jobs(scratch, run=run, now=now), store)

        settings = _with_budget(settings or RunSettings(), summary.budget)
        models = list(summary.by_model)
        _check_neighbours(manifests, Path(state), scratch, chosen, consent)
        await ask(approve, using=chosen, state=Path(state), settings=settings, named=scratch, models=models)
        return await opened_run(
            Path(state),
            "run",
            take_on,
            settings,
            chosen,
            reporter,
            cluster,
            told=chosen_in(settings) if told is None else told,
            consent=consent,
        )


def resume(
    *,
    state: StrPath = DEFAULT_STATE,
    settings: RunSettings | None = None,
    using: Service | None = None,
    reporter: Reporter = silent,
    approve: Approve | None = None,
    cluster: Cluster | None = None,
    told: Told | None = None,
    consent: Consent = NO_CONSENT,
) -> RunResult:
    """Go on with everything unfinished in the state; blocks as ``run`` does.

    Without ``settings`` it keeps to what the run before was told; with them, to those that are ``told``: all of
    them where that is not given.
    """

    async def call() -> RunResult:
        return await resume_async(
            state=state,
            settings=settings,
            using=using,
            reporter=reporter,
            approve=approve,
            cluster=cluster,
            told=told,
            consent=consent,
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
    told: Told | None = None,
    consent: Consent = NO_CONSENT,
) -> RunResult:
    """``resume``, to be awaited."""
    check_cluster(cluster)
    path = Path(state)
    with Store(path, writing=False) as store:  # a state that does not exist is a slip, not an empty one
        remembered = Remembered.read(store.runs.read_last_options())

    def take_on(store: Store, run: int, now: float) -> None:  # noqa: ARG001 - one shape for both commands
        store.runs.take_on_all(run)

    told = told or (NOTHING_TOLD if settings is None else ALL_TOLD)
    given = settings or RunSettings()
    settings, told = remembered.resumed(given, told)
    say_remembered(reporter, differences(given, settings))
    chosen = using or service()
    await ask(approve, using=chosen, state=path, settings=settings)
    return await opened_run(path, "resume", take_on, settings, chosen, reporter, cluster, told=told, consent=consent)


def _check_neighbours(
    manifests: Sequence[StrPath], state: Path, named: StagingTable, using: Service, consent: Consent
) -> None:
    """Raise ``KnownElsewhere`` where another database beside ``manifests`` knows the jobs, and this one none."""
    found = None if consent.new_state else neighbour(manifests, state, named, sandbox=using.sandbox)
    if found is not None:
        consent.require(found.finding, found.advice, KnownElsewhere)


def _with_budget(settings: RunSettings, budget: float | None) -> RunSettings:
    """The caller's own budget, or else that of the manifests."""
    return replace(settings, budget=budget) if settings.budget is None else settings
