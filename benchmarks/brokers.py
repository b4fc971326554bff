"""The database's own pace: jobs whose steps take no time, through one kind of broker; no service, no videos.

``local``: a local broker, as on one machine. ``remote``: remote brokers in the same process, whose calls are batched,
numbered and pickled, and go nowhere. ``ray``: the same brokers over Ray, on this machine. Prints JSON.

    python -m benchmarks.brokers --broker local --jobs 5000 --state /tmp/state.db
"""

from __future__ import annotations

import argparse
import json
import pickle
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import cast

import anyio

from batchveo.core.clock import Clock
from batchveo.core.settings import Cluster, RunSettings
from batchveo.engine.cluster.coordinator_actor import CoordinatorActor, ProcessSpec
from batchveo.engine.cluster.protocol import LONG_POLL_SECONDS, Actor
from batchveo.engine.coordinator import Coordinator
from batchveo.engine.lifecycle import acquire_lock
from batchveo.engine.local_run import LocalBroker
from batchveo.engine.result import RunResult
from batchveo.engine.run_context import RunSpec
from batchveo.manifest import Manifests
from batchveo.provider import ApiKey
from batchveo.provider.service import Service, open_api_clients
from batchveo.store import StagingTable, Store
from benchmarks.instant_workers import InstantWorker, Tally, work
from benchmarks.workloads import csv_manifest

IN_FLIGHT = 200
NOWHERE = Service(base_url="http://127.0.0.1:9", key=ApiKey("benchmark"))
BROKERS = ("local", "remote", "ray")

Working = Callable[[str, Actor], Awaitable[object]]
"""Runs a worker of that name, and returns its ``Tally``."""


class Pickled:
    """An ``Actor`` without an engine: what is asked and answered is pickled, as an engine would."""

    def __init__(self, whom: object) -> None:
        self._whom = whom

    async def call_method(self, method: str, *arguments: object) -> object:
        arguments = pickle.loads(pickle.dumps(arguments))
        return pickle.loads(pickle.dumps(await getattr(self._whom, method)(*arguments)))

    def kill(self, *, again: bool = False) -> None:
        """It ends with this process."""


async def run_local(state: Path, run: int) -> Tally:
    """Through a local broker."""
    clock = Clock()
    with Store(state) as store:
        await acquire_lock(store)
        async with open_api_clients(NOWHERE) as apis:
            coordinator = Coordinator(store, _spec(state, run), apis, clock=clock)
            broker = LocalBroker(coordinator, "local", clock)
            _check(await coordinator.execute(lambda: work(broker)))
    return Tally()


async def run_remote(state: Path, run: int, workers: int) -> Tally:
    """Through remote brokers in this process."""
    return await _through(Pickled(CoordinatorActor()), InstantWorker().run, _assignment(state, run, workers))


async def over_ray(state: Path, run: int, workers: int) -> Tally:
    """Through remote brokers in processes of their own."""
    from batchveo.engine.cluster.ray_backend import RayActor
    from batchveo.engine.cluster.ray_bootstrap import start_ray

    with start_ray(Cluster(), state) as engine:
        import ray

        actor_class = ray.remote(InstantWorker).options(num_cpus=0, scheduling_strategy="SPREAD")

        async def working(name: str, head: Actor) -> object:
            return await RayActor(actor_class.remote()).call_method("run", name, head)

        return await _through(await engine.start_coordinator(), working, _assignment(state, run, workers))


async def _through(head: Actor, working: Working, assignment: ProcessSpec) -> Tally:
    whole = Tally()

    async def worker(name: str) -> None:
        tally = cast("Tally", await working(name, head))
        whole.calls += tally.calls
        whole.messages += tally.messages
        await head.call_method("remove_worker", name)

    async with anyio.create_task_group() as tasks:
        for number in range(assignment.workers):
            tasks.start_soon(worker, f"worker-{number}")
        _check(cast("RunResult", await head.call_method("run", assignment)))
    return whole


def _check(result: RunResult) -> None:
    if result.exit_status:
        raise RuntimeError(f"the run ended with status {result.exit_status}: {result.stopped}")


def _assignment(state: Path, run: int, workers: int) -> ProcessSpec:
    spec = _spec(state, run)
    return ProcessSpec(state=state, spec=spec, worker_spec=spec, workers=workers, hold=LONG_POLL_SECONDS)


def _spec(state: Path, run: int) -> RunSpec:
    settings = RunSettings(output=state.parent, concurrency=IN_FLIGHT, downloads=32)
    return RunSpec(run=run, begun=time.time(), settings=settings, service=NOWHERE)


def filled(state: Path, jobs: int) -> int:
    """Make a state with so many jobs; returns the number of the run that is to do them."""
    manifest = csv_manifest(state.with_suffix(".csv"), jobs)
    with Store(state) as store, StagingTable() as scratch, Manifests([manifest]) as reading:
        reading.read(scratch.add_rows)
        run = store.runs.begin_run(command="run", service=NOWHERE.name, now=time.time())
        store.imports.add_jobs(scratch, run=run, now=time.time())
    return run


async def worked(broker: str, state: Path, jobs: int, workers: int) -> Tally:
    """Make a database, and do its jobs through that kind of ``broker``."""
    run = filled(state, jobs)
    match broker:
        case "local":
            return await run_local(state, run)
        case "remote":
            return await run_remote(state, run, workers)
        case _:
            return await over_ray(state, run, workers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", choices=BROKERS, default="local")
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2, help="remote brokers; `local` is one broker")
    parser.add_argument("--state", type=Path, required=True, help="a file that is not there yet")
    options = parser.parse_args()
    tally = anyio.run(worked, options.broker, options.state, options.jobs, options.workers)
    print(json.dumps(asdict(tally)))


if __name__ == "__main__":
    main()
