"""The state's own pace: jobs whose steps take no time, through one face of the desk; no service, no videos.

``near``: a local desk, as on one machine. ``far``: remote desks in the same process, whose calls are batched,
numbered and pickled, and go nowhere. ``ray``: the same desks over Ray, on this machine. Prints JSON.

    python -m benchmarks.desks --face near --jobs 5000 --state /tmp/state.db
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
from benchmarks.lanes import Lane, Tally, work
from benchmarks.workloads import csv_manifest

IN_FLIGHT = 200
NOWHERE = Service(base_url="http://127.0.0.1:9", key=ApiKey("benchmark"))
FACES = ("near", "far", "ray")

Working = Callable[[str, Actor], Awaitable[object]]
"""Runs a lane of that name, and returns its ``Tally``."""


class Pickled:
    """An ``Actor`` without an engine: what is asked and answered is pickled, as an engine would."""

    def __init__(self, whom: object) -> None:
        self._whom = whom

    async def call_method(self, method: str, *arguments: object) -> object:
        arguments = pickle.loads(pickle.dumps(arguments))
        return pickle.loads(pickle.dumps(await getattr(self._whom, method)(*arguments)))

    def kill(self, *, again: bool = False) -> None:
        """It ends with this process."""


async def near(state: Path, run: int) -> Tally:
    """Through a local desk."""
    clock = Clock()
    with Store(state) as store:
        await acquire_lock(store)
        async with open_api_clients(NOWHERE) as apis:
            coordinator = Coordinator(store, _spec(state, run), apis, clock=clock)
            desk = LocalBroker(coordinator, "near", clock)
            _check(await coordinator.execute(lambda: work(desk)))
    return Tally()


async def far(state: Path, run: int, workers: int) -> Tally:
    """Through remote desks in this process."""
    return await _through(Pickled(CoordinatorActor()), Lane().run, _assignment(state, run, workers))


async def over_ray(state: Path, run: int, workers: int) -> Tally:
    """Through remote desks in processes of their own."""
    from batchveo.engine.cluster.ray_backend import RayActor
    from batchveo.engine.cluster.ray_bootstrap import start_ray

    with start_ray(Cluster(), state) as engine:
        import ray

        lanes = ray.remote(Lane).options(num_cpus=0, scheduling_strategy="SPREAD")

        async def working(name: str, head: Actor) -> object:
            return await RayActor(lanes.remote()).call_method("run", name, head)

        return await _through(await engine.start_coordinator(), working, _assignment(state, run, workers))


async def _through(head: Actor, working: Working, assignment: ProcessSpec) -> Tally:
    whole = Tally()

    async def lane(name: str) -> None:
        tally = cast("Tally", await working(name, head))
        whole.calls += tally.calls
        whole.messages += tally.messages
        await head.call_method("remove_worker", name)

    async with anyio.create_task_group() as tasks:
        for number in range(assignment.workers):
            tasks.start_soon(lane, f"lane-{number}")
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


async def worked(face: str, state: Path, jobs: int, workers: int) -> Tally:
    """Make a state, and do its jobs through ``face``."""
    run = filled(state, jobs)
    match face:
        case "near":
            return await near(state, run)
        case "far":
            return await far(state, run, workers)
        case _:
            return await over_ray(state, run, workers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--face", choices=FACES, default="near")
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=2, help="remote desks; the near face has one desk")
    parser.add_argument("--state", type=Path, required=True, help="a file that is not there yet")
    options = parser.parse_args()
    tally = anyio.run(worked, options.face, options.state, options.jobs, options.workers)
    print(json.dumps(asdict(tally)))


if __name__ == "__main__":
    main()
