"""``run`` and ``resume``: from manifests, or from what a database has unfinished, to videos."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar

import anyio

from batchveo.core.events import Reporter, ignore_event
from batchveo.core.settings import Cluster, RunSettings
from batchveo.engine.result import RunResult
from batchveo.manifest import ReadOptions
from batchveo.operations.approval import Approve, Consent, ask_approval
from batchveo.operations.notices import report_remembered
from batchveo.operations.run_context import RunOptions, open_context
from batchveo.operations.run_steps import (
    begin_run,
    check_cluster,
    check_destination,
    check_other_databases,
    collect_run_costs,
    estimate_run,
    finish_run,
    import_jobs,
    open_database,
    recover_finished,
    report_findings,
    run_engine,
    start_backend,
)
from batchveo.operations.saved_settings import (
    ALL_CHOSEN,
    NONE_CHOSEN,
    ChosenSettings,
    SavedSettings,
    find_chosen,
    list_differences,
)
from batchveo.operations.staging import ManifestSources, StagedJobs, StrPath
from batchveo.provider.service import Service, service
from batchveo.store import Store

DEFAULT_STATE = Path("state/batchveo.db")
NO_CONSENT = Consent()
LATEST = 2**63 - 1
"""Larger than the number of any run."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _blocking(name: str, awaitable: Callable[Parameters, Coroutine[Any, Any, Result]]) -> Callable[Parameters, Result]:
    """``awaitable`` as a function called ``name`` that blocks, with the same parameters and documentation."""

    @wraps(awaitable)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        async def awaited() -> Result:
            return await awaitable(*args, **kwargs)

        return anyio.run(awaited)

    call.__name__ = call.__qualname__ = name
    return call


async def run_async(
    manifests: Sequence[StrPath],
    *,
    state: StrPath = DEFAULT_STATE,
    settings: RunSettings | None = None,
    using: Service | Callable[[], Service] | None = None,
    allow_unknown_model: bool = False,
    strict_provenance: bool = False,
    reading: ReadOptions | None = None,
    reporter: Reporter = ignore_event,
    stdin: BinaryIO | None = None,
    approve: Approve | None = None,
    cluster: Cluster | None = None,
    told: ChosenSettings | None = None,
    consent: Consent = NO_CONSENT,
) -> RunResult:
    """Turn ``manifests`` into videos; the same call again resumes where it stopped.

    ``run`` blocks until nothing is left or something stops it; inside a running event loop (a notebook), await
    ``run_async``. ``reading`` says how the manifests are read and which of their jobs this run is about.
    ``approve`` is asked before anything is written or bought. With ``cluster`` the work is spread over a Ray
    cluster. ``told``: which settings the caller chose, for a later ``resume``; by default those that differ from
    the defaults. ``consent`` agrees in advance to a database that is new to the jobs, and to missing videos.

    Raises ``ManifestError`` with every problem, ``Declined`` if the answer is no, ``StateLocked`` if another run
    holds the database, ``KnownElsewhere`` if another database beside the manifests knows the jobs and this one does
    not, ``VideosMissing`` if the folder of the finished videos is not there.
    """
    check_cluster(cluster)
    sources = ManifestSources(
        paths=manifests,
        allow_unknown_model=allow_unknown_model,
        strict_provenance=strict_provenance,
        reading=reading,
        stdin=stdin,
    )
    with sources.stage() as staged:
        settings = settings or RunSettings()
        if settings.budget is None:
            settings = replace(settings, budget=staged.summary.budget)
        options = RunOptions(
            command="run",
            state=Path(state),
            settings=settings,
            told=find_chosen(settings) if told is None else told,
            # after the manifests: without a key, too, a person sees every problem in them
            service=using() if callable(using) else using or service(),
            reporter=reporter,
            approve=approve,
            cluster=cluster,
            consent=consent,
        )
        check_other_databases(options, manifests, staged)
        return await _run_to_end(options, staged)


async def resume_async(
    *,
    state: StrPath = DEFAULT_STATE,
    settings: RunSettings | None = None,
    using: Service | None = None,
    reporter: Reporter = ignore_event,
    approve: Approve | None = None,
    cluster: Cluster | None = None,
    told: ChosenSettings | None = None,
    consent: Consent = NO_CONSENT,
) -> RunResult:
    """Resume everything unfinished in the database; ``resume`` blocks, ``resume_async`` is awaited.

    Without ``settings`` those of the run before apply; with them, those named in ``told`` do, by default all.
    The other parameters, and what is raised, are as for ``run``.
    """
    check_cluster(cluster)
    with Store(Path(state), writing=False) as store:  # a database that does not exist is a slip, not an empty one
        remembered, last_budget = (
            SavedSettings.parse(store.runs.read_last_options()),
            store.runs.read_last_budget(LATEST),
        )
    given = settings or RunSettings()
    resumed, told = remembered.restore_settings(given, told or (NONE_CHOSEN if settings is None else ALL_CHOSEN))
    report_remembered(reporter, list_differences(given, resumed))
    options = RunOptions(
        command="resume",
        state=Path(state),
        settings=replace(resumed, budget=last_budget) if resumed.budget is None else resumed,
        told=told,
        service=using or service(),
        reporter=reporter,
        approve=approve,
        cluster=cluster,
        consent=consent,
    )
    return await _run_to_end(options)


run = _blocking("run", run_async)
resume = _blocking("resume", resume_async)


async def _run_to_end(options: RunOptions, staged: StagedJobs | None = None) -> RunResult:
    """One run, step by step; ``staged`` jobs are imported, without them everything pending is taken on."""
    async with open_context(options) as context:
        await ask_approval(context, staged)
        async with open_database(context) as (store, findings):
            with start_backend(options) as backend:
                run = begin_run(context, store)
                import_jobs(context, store, run, staged, findings)
                report_findings(context, findings)
                await check_destination(context)
                await recover_finished(context, store, run)
                spec = await estimate_run(context, store, run)
                result = await run_engine(context, store, spec, backend)
                await collect_run_costs(context, store, spec, result)
                finish_run(context, store, result)
    return replace(result, output=options.settings.output)
