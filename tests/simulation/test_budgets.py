"""Nights with a budget over models whose prices are listed, a formula, or unknown; each decided by its seed."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from batchveo.core.models import Job, JobSpec, JobState
from batchveo.core.notices import BudgetExceeded
from batchveo.provider.catalog.price_list import PriceList
from batchveo.sandbox import Settings
from tests.helpers.factories import make_spec
from tests.helpers.samples import sample_cases
from tests.helpers.virtual_run import Night
from tests.simulation.invariants import watch_committed
from tests.simulation.night import FAST as FAST_DISK

LISTED, BY_VARIANT, BY_FORMULA, UNKNOWN = "veo2", "google/veo-3.1-t2v", "google/veo-3.1-t2v-fast", "google/veo3"
MODELS = (LISTED, BY_VARIANT, BY_FORMULA, UNKNOWN)
PRICES = PriceList(
    {
        LISTED: {"kind": "fixed", "units": [{"measure": "second", "price": 0.455}]},
        BY_VARIANT: {
            "kind": "variants",
            "variants": [
                {"when": {"generate_audio": audio}, "price": usd, "unit": "second", "per": 1}
                for audio, usd in (("true", 0.52), ("false", 0.26))
            ],
        },
        BY_FORMULA: {"kind": "variable"},
    }
)
DEAREST = 8 * 0.52
"""US dollars; no job of these nights costs more."""
FAULTS = ("lose-answer", "throttle", "answer-500", "generation-error", "late-answer", "charged-error")
MOST_RUNS = 12


def make_jobs(rng: random.Random, count: int) -> list[JobSpec]:
    jobs = []
    for n in range(count):
        model = rng.choice(MODELS)
        request: dict[str, Any] = {"model": model, "prompt": f"p {n}"}
        if model != LISTED:
            request |= rng.choice([{}, {"duration": rng.choice([4, 6, 8])}])
            request |= rng.choice([{}, {"generate_audio": rng.choice([True, False])}])
        jobs.append(make_spec(f"job {n}", model=model, request=request))
    return jobs


async def live_night(seed: int, folder: Path, peaks: list[float], *, assumed: float | None) -> tuple[Night, float, int]:
    """Runs with a budget, some of them killed; returns the night, the budget and the slots."""
    rng = random.Random(seed)
    faults = {name: rng.choice([0.1, 0.3]) for name in rng.sample(FAULTS, k=rng.randint(0, 3))}
    night = Night(folder, Settings(generation_median=60.0, log_lag=5.0, late_by=30.0, faults=faults, seed=seed))
    night.prices = PRICES
    known = 0.0 if assumed is not None else await learn_formula(seed, folder)
    peaks.clear()
    jobs, slots = make_jobs(rng, rng.randint(5, 20)), rng.randint(1, 6)
    budget = round(known + rng.uniform(0, 12), 2)
    options: dict[str, Any] = {"concurrency": slots, "settle": 120.0, "tries": rng.choice([1, 3])}
    options |= {"budget": budget, "assume_price": assumed}
    for _ in range(rng.randint(0, 3)):
        await night.killed(jobs, after=rng.choice([1.0, 30.0, 70.0, 200.0]), **options)
    await finish_night(night, jobs, options)
    return night, budget, slots


async def learn_formula(seed: int, folder: Path) -> float:
    """Buy a video of the dearest second without a budget, so that its cost has been seen; returns the cost."""
    calm = Night(folder, Settings(seed=seed + 1_000_000), prices=PRICES)
    request = {"model": BY_FORMULA, "prompt": "x", "duration": 4}
    assert (await calm.run([make_spec("known", model=BY_FORMULA, request=request)])).exit_status == 0
    return spent(calm)


async def finish_night(night: Night, jobs: Sequence[JobSpec], options: dict[str, Any]) -> None:
    """Run until a run changes nothing."""
    before: list[tuple[JobState, int]] = []
    for _ in range(MOST_RUNS):
        result = await night.run(jobs, **options)
        assert result.exit_status in (0, 1, 3)
        after = [(job.state, job.attempts) for job in night.jobs()]
        if after == before:
            return
        before = after
        await trio.sleep(60)


def spent(night: Night) -> float:
    """US dollars that are, or will be, charged."""
    return sum(each.credits for each in night.service.generations if each.is_charged) / 2_000_000


def live_through(seed: int, *, assumed: float | None = None) -> tuple[Night, float, int, float, list[Job]]:
    """A night, its budget, its slots, the most that was ever committed, and the jobs in the end."""
    folder = Path(tempfile.mkdtemp(prefix="budget-", dir=FAST_DISK if FAST_DISK.is_dir() else None))

    async def whole() -> tuple[Night, float, int, float, list[Job]]:
        night, budget, slots = await live_night(seed, folder, peaks, assumed=assumed)
        return night, budget, slots, max(peaks, default=0.0), night.jobs()

    random.seed(seed)
    try:
        with watch_committed() as peaks:
            return trio.run(whole, clock=MockClock(autojump_threshold=0))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.parametrize("first", sample_cases(range(0, 120, 20), size=1))
def test_a_budget_holds_at_every_moment(first: int) -> None:
    """After each claim and each answer, through kills and doubts, whatever is known of the prices."""
    for seed in range(first, first + 20):
        night, budget, _, peak, jobs = live_through(seed)
        assert peak <= budget + 1e-6, f"seed {seed}: {peak} committed on a budget of {budget}"
        known = sum(job.cost_usd or 0.0 for job in jobs if job.name == "known")
        assert known + spent(night) <= budget + 1e-6, f"seed {seed}"
        unknown = [job for job in jobs if job.model == UNKNOWN]
        assert all(job.state is JobState.PENDING and not job.attempts for job in unknown), f"seed {seed}"
        assert not any(isinstance(event, BudgetExceeded) for event in night.events)


@pytest.mark.slow
@pytest.mark.parametrize("first", sample_cases(range(0, 40, 20), size=1))
def test_a_guess_is_exceeded_by_no_more_than_what_is_in_flight(first: int) -> None:
    """Of an assumption that is much too low; and it is said."""
    for seed in range(first, first + 20):
        night, budget, slots, peak, jobs = live_through(seed, assumed=0.05)
        doubts = sum(job.attempts for job in jobs if job.state is JobState.IN_DOUBT)
        assert peak <= budget + (slots + doubts) * DEAREST + 1e-6, f"seed {seed}: {peak} committed of {budget}"
        said = any(isinstance(event, BudgetExceeded) for event in night.events)
        assert said == (round(100 * peak) > round(100 * budget)), f"seed {seed}: {peak} committed of {budget}"
