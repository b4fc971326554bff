"""``run`` and ``resume``: from manifests, or from what a database has unfinished, to videos."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar

import anyio

from batchveo.core.events import Reporter, ignore_event
from batchveo.core.notices import OptionsLeftOut, OptionsRemembered
from batchveo.core.settings import Cluster, RunSettings
from batchveo.engine.result import RunResult
from batchveo.manifest import ReadOptions
from batchveo.operations.input_ways import find_ways
from batchveo.operations.quote import Approve
from batchveo.operations.run_setup import Consent, ManifestSources, RunOptions, StagedJobs, StrPath, open_setup
from batchveo.operations.run_steps import (
    ask_approval,
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
    report_dropped_budget,
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
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.provider.service import Service, service
from batchveo.store import Store

DEFAULT_STATE = Path("state/batchveo.db")
NO_CONSENT = Consent()

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _make_blocking(
    name: str, awaitable: Callable[Parameters, Coroutine[Any, Any, Result]]
) -> Callable[Parameters, Result]:
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
    catalog: Catalog = MODELS,
) -> RunResult:
    """Turn ``manifests`` into videos; the same call again resumes where it stopped.

    ``run`` blocks until nothing is left or something stops it; inside a running event loop (a notebook), await
    ``run_async``. ``reading`` says how the manifests are read and which of their jobs this run is about.
    ``approve`` is asked before anything is written or bought. With ``cluster`` the work is spread over a Ray
    cluster. ``told``: which settings the caller chose, for a later ``resume``; by default those that differ from
    the defaults. ``consent`` agrees in advance to a database that is new to the jobs, and to missing videos.
    ``catalog`` has the models that the manifests may name, by default those of this version.

    Raises ``ManifestError`` with every problem, ``Declined`` if the answer is no, ``StateLocked`` if another run
    holds the database, ``KnownElsewhere`` if another database beside the manifests knows the jobs and this one does
    not, ``VideosMissing`` if the folder of the finished videos is not there.
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
    options = RunOptions(
        state=Path(state),
        settings=settings,
        told=find_chosen(settings) if told is None else told,
        find_service=_service_finder(using),
        reporter=reporter,
        approve=approve,
        cluster=cluster,
        consent=consent,
    )
    return await run_manifests(sources, options)


async def run_manifests(sources: ManifestSources, options: RunOptions) -> RunResult:
    """``run_async`` with all that it takes as two records."""
    check_cluster(options.cluster)
    with sources.stage(find_ways(options.settings)) as staged:
        # the option wins over the budgets of the manifests, which are added up
        if options.settings.budget is None:
            options = replace(options, settings=replace(options.settings, budget=staged.summary.budget))
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
    options = RunOptions(
        state=Path(state),
        settings=settings or RunSettings(),
        told=told or (NONE_CHOSEN if settings is None else ALL_CHOSEN),
        find_service=_service_finder(using),
        reporter=reporter,
        approve=approve,
        cluster=cluster,
        consent=consent,
    )
    return await resume_database(options)


async def resume_database(options: RunOptions) -> RunResult:
    """``resume_async`` with all that it takes as one record."""
    check_cluster(options.cluster)
    with Store(options.state, writing=False) as store:  # a database that does not exist is a slip, not an empty one
        remembered, last_budget = (
            SavedSettings.parse(store.runs.read_last_options()),
            store.runs.read_last_budget(),
        )
    settings, told = remembered.restore_settings(options.settings, options.told)
    if changed := {**list_differences(options.settings, settings), **options.recalled}:
        options.reporter(OptionsRemembered(options=changed))
    if left := remembered.beside.keys() - options.recalled.keys() - options.told.beside.keys():
        given = [f"{name} {remembered.beside[name]}".rstrip() for name in sorted(left)]
        options.reporter(OptionsLeftOut(options=given))
    # a resumed run without a budget would spend more than the one it resumes
    if settings.budget is None:
        settings = replace(settings, budget=last_budget)
    return await _run_to_end(replace(options, settings=settings, told=told), None)


def _service_finder(using: Service | Callable[[], Service] | None) -> Callable[[], Service]:
    """What ``using`` means, to be called when the service is needed."""
    if callable(using):
        return using
    return lambda: using or service()


run = _make_blocking("run", run_async)
resume = _make_blocking("resume", resume_async)


async def _run_to_end(options: RunOptions, staged: StagedJobs | None) -> RunResult:
    """One run, step by step; ``staged`` jobs are imported, without them everything pending is taken on."""
    async with open_setup(options, "resume" if staged is None else "run") as setup:
        check_other_databases(setup, staged)
        report_dropped_budget(setup)
        await ask_approval(setup, staged)
        async with open_database(setup) as (store, findings):
            with start_backend(options) as backend:
                run = begin_run(setup, store)
                to_judge = import_jobs(setup, store, run, staged, findings)
                report_findings(setup, findings)
                await check_destination(setup)
                await recover_finished(setup, store, run)
                spec = await estimate_run(setup, store, run, to_judge)
                result = await run_engine(setup, store, spec, backend)
                await collect_run_costs(setup, store, spec, result)
                finish_run(setup, store, result)
    return replace(result, output=options.settings.output)
