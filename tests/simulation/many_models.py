"""Nights with jobs of sixty models, two of them withdrawn; also as a program.

``python -m tests.simulation.many_models SEEDS [FIRST]`` lives through nights with faults that their seeds decide.
"""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio
from trio.testing import MockClock

from batchveo.core.models import JobSpec, JobState
from batchveo.core.settings import Doubt
from batchveo.engine.result import RunResult
from batchveo.manifest import Manifests
from batchveo.operations.remake import plan_remake, remake_jobs
from batchveo.provider.catalog import MODELS
from batchveo.sandbox import Settings
from batchveo.sandbox.prices import find_price, to_usd
from batchveo.sandbox.settings import Retirement, RetirementStatus
from batchveo.storage.file_system import measure_file
from batchveo.storage.mp4 import check_mp4
from batchveo.storage.stored_video import video_at
from tests.helpers.requests import make_request
from tests.helpers.sandbox_client import SandboxClient
from tests.helpers.virtual_run import Night
from tests.simulation.invariants import watch_committed
from tests.simulation.night import FAST

S = JobState
EACH = 5
"""Jobs of each model."""
REPLACED: Mapping[str, str] = {
    "google/veo-3.0-fast": "google/veo-3-1-lite-generate-preview",
    "klingai/v2-master-text-to-video": "klingai/v2.1-master-text-to-video",
}
"""Withdrawn models, and what the service names instead; the first of these takes no ``negative_prompt``."""
DEPRECATED = "luma/ray-2"
CHOSEN: Mapping[str, Any] = {"google/veo-3.0-fast": {"negative_prompt": "fog", "duration": 4}}
FAULTS = (
    "lose-answer", "throttle", "answer-500", "answer-502", "answer-504-accepted", "priced-answer", "poll-500",
    "poll-drop", "generation-error", "charged-error", "late-answer", "short-body", "html-200", "cdn-503",
)  # fmt: skip
MOST_RUNS = 12


def choose_models(rng: random.Random, count: int = 60) -> list[str]:
    """``count`` models in catalogue order: those that end, and others by chance."""
    fixed = {*REPLACED, DEPRECATED}
    rest = [name for name in MODELS if name not in {*fixed, *REPLACED.values()}]
    chosen = fixed.union(rng.sample(rest, k=count - len(fixed)))
    return [name for name in MODELS if name in chosen]


def write_manifest(folder: Path, models: Sequence[str]) -> Path:
    """One entry: a matrix over the models, with what each of them needs."""
    needs = {name: {**make_request(MODELS[name]), **CHOSEN.get(name, {})} for name in models}
    for name, request in needs.items():
        del request["model"]
        if "prompt" in MODELS[name].params:
            request["prompt"] = f"A cat by {name}, {{index}}"[: MODELS[name].params["prompt"].max_length]
    entry = {"name": "{model} {index}", "matrix": {"model": list(models)}, "repeat": EACH, "per_model": needs}
    path = folder / "m.yaml"
    path.write_text(json.dumps([entry]))
    return path


def read_manifest(path: Path) -> list[JobSpec]:
    """Its jobs."""
    with Manifests([path]) as manifests:
        manifests.check()
        return list(manifests.specs())


def measure_costs(jobs: Sequence[JobSpec]) -> dict[str, float]:
    """What a video of each job costs in the sandbox, in US dollars, by the job's id."""
    costs = {}
    client = SandboxClient(balance=1e6)
    for job in jobs:
        answer = client.post(dict(job.request))
        assert answer.status == 201, answer
        costs[job.id] = to_usd(client.service.generations[-1].credits)
    return costs


def is_listed(model: str) -> bool:
    """Whether the sandbox's list has a price of the model: it leaves out what it will shut down on a known day."""
    return model != DEPRECATED and find_price(MODELS[model]).kind != "variable"


@dataclass(kw_only=True)
class ManyModels:
    """A night with its manifest. ``peaks``: the most that was committed during each run, in US dollars."""

    night: Night
    manifest: Path
    jobs: list[JobSpec]
    costs: dict[str, float]
    peaks: list[tuple[float, float]] = field(default_factory=list)

    async def run(self, jobs: Sequence[JobSpec] | None, budget: float, **settings: Any) -> RunResult:
        """Run within a budget, and look at what holds after each run."""
        with watch_committed() as seen:
            result = await self.night.run(
                jobs, budget=budget, concurrency=20, settle=120.0, when_in_doubt=Doubt.RESUBMIT, **settings
            )
        peak = max(seen, default=0.0)
        self.peaks.append((peak, budget))
        assert peak <= budget + 1e-6, f"{peak} committed on a budget of {budget}"
        self._check()
        return result

    async def teach_prices(self, budget: float, **settings: Any) -> RunResult:
        """Make one job of each model without a listed price, under an assumption that none exceeds."""
        first = {job.model: job for job in reversed(self.jobs) if not is_listed(job.model)}
        most = max(self.costs[job.id] for job in first.values())
        return await self.run(list(first.values()), budget, assume_price=most, **settings)

    def replace_model(self, old: str, drop: Sequence[str] = ()) -> int:
        """What ``retry --model OLD --to NEW`` does; returns how many jobs are new."""
        with self.night.store() as store:
            remake = plan_remake(store, old=old, new=REPLACED[old], drop=drop)
            remake_jobs(store, remake, now=self.night.clock.now())
        return remake.added

    def count_states(self) -> dict[str, Counter[S]]:
        """The jobs in each state, by model."""
        states: dict[str, Counter[S]] = {}
        for job in self.night.jobs():
            states.setdefault(job.model, Counter())[job.state] += 1
        return states

    def _check(self) -> None:
        bought = Counter(str(one.client_request_id).split(".")[1] for one in self.night.service.generations
                         if one.is_charged)  # fmt: skip
        paid: Counter[str] = Counter()
        for one in self.night.service.generations:
            if one.is_charged:
                paid[str(one.client_request_id).split(".")[1]] += one.credits
        assert max(bought.values(), default=0) <= 1, bought.most_common(3)
        for job in self.night.jobs():
            if job.state is S.SUCCEEDED:
                path = video_at(job)
                assert isinstance(path, Path)
                assert measure_file(path) == (job.bytes, job.sha256)
                check_mp4(path)
                assert job.cost_usd is not None, job
                assert abs(job.cost_usd - to_usd(paid[job.id])) < 1e-6, job
        assert not self.night.service.leaks

    def count_spent(self) -> float:
        """US dollars that the service charges, or will charge."""
        return sum(to_usd(one.credits) for one in self.night.service.generations if one.is_charged)


@contextlib.contextmanager
def open_night(seed: int, faults: Mapping[str, float] = {}) -> Iterator[ManyModels]:
    """A night whose models follow from ``seed``; its folder is removed in the end."""
    folder = Path(tempfile.mkdtemp(prefix="models-", dir=FAST if FAST.is_dir() else None))
    retired = {
        old: Retirement(status=RetirementStatus.WITHDRAWN, shutdown_at="2026-06-30", replaced_by=new)
        for old, new in REPLACED.items()
    }
    retired[DEPRECATED] = Retirement(status=RetirementStatus.DEPRECATED, shutdown_at="2027-01-31")
    settings = Settings(
        generation_median=60.0, log_lag=5.0, late_by=30.0, balance=1e5, retired=retired, faults=faults, seed=seed
    )
    try:
        manifest = write_manifest(folder, choose_models(random.Random(seed)))
        jobs = read_manifest(manifest)
        yield ManyModels(night=Night(folder, settings), manifest=manifest, jobs=jobs, costs=measure_costs(jobs))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def live_through(seed: int) -> None:
    """A night with faults: after some runs, each job of a living model has its video or a failure."""
    rng = random.Random(seed)
    faults = {name: rng.choice([0.02, 0.1]) for name in rng.sample(FAULTS, k=rng.randint(1, 5))}

    async def whole() -> None:
        with open_night(seed, faults) as many:
            total = sum(many.costs.values())
            many.night.events.clear()
            await many.teach_prices(2 * total, tries=3)
            share = rng.choice([0.5, 0.9, 2.0])
            await finish_night(many, many.jobs, max(share * total, many.count_spent()))
            await finish_night(many, many.jobs, 2 * total)
            for old in REPLACED:
                many.replace_model(old, ["negative_prompt"] if "fast" in old else [])
            await finish_night(many, None, 3 * total)
            ended = Counter(job.state for job in many.night.jobs())
            assert ended[S.CANCELLED] == EACH * len(REPLACED), ended
            assert ended.total() == len(many.jobs) + EACH * len(REPLACED)
            left = Counter(job.error for job in many.night.jobs(S.PENDING, S.IN_DOUBT))
            assert set(ended) <= {S.SUCCEEDED, S.CANCELLED, S.FAILED}, left
            if not {"generation-error", "charged-error"} & set(faults):
                assert S.FAILED not in ended, ended

    random.seed(seed)
    trio.run(whole, clock=MockClock(autojump_threshold=0))


async def finish_night(many: ManyModels, jobs: Sequence[JobSpec] | None, budget: float) -> None:
    """Run until a run changes nothing."""
    before: list[tuple[S, int]] = []
    for _ in range(MOST_RUNS):
        await many.run(jobs, budget, tries=3)
        after = [(job.state, job.attempts) for job in many.night.jobs()]
        if [state for state, _ in after] == [state for state, _ in before]:
            return
        before = after
        await trio.sleep(300)
    raise AssertionError("the night does not come to an end")


def main(arguments: list[str]) -> int:
    """Live through many nights and say how it went."""
    count = int(arguments[0]) if arguments else 20
    first = int(arguments[1]) if len(arguments) > 1 else 0
    begun = time.perf_counter()
    broken = [seed for seed in range(first, first + count) if not _survived(seed)]
    print(f"{count} nights in {time.perf_counter() - begun:.0f} s, {len(broken)} broken: {broken}")
    return 1 if broken else 0


def _survived(seed: int) -> bool:
    try:
        live_through(seed)
    except Exception:
        print(f"--- seed {seed}")
        traceback.print_exc(limit=-3, file=sys.stdout)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
