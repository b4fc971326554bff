"""What must hold after every run of every night."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from batchveo.core.models import Job, JobState
from batchveo.sandbox import Generation
from batchveo.sandbox.prices import to_usd
from batchveo.storage.file_system import measure_file
from batchveo.storage.mp4 import check_mp4
from batchveo.storage.stored_video import video_at
from batchveo.store.queries import COUNTS
from batchveo.store.transitions import Transitions
from tests.simulation.chains import check_links, check_sent, check_uploads, waits_rightly
from tests.simulation.world import WITHOUT_END, Plan, WatchedNight, ending_of, may_be_refused

S = JobState


def hold_always(plan: Plan, night: WatchedNight) -> None:
    """At any moment, also right after a crash."""
    jobs = night.jobs()
    bought = _bought(night)
    budget = plan.run["budget"]
    if budget is not None:
        spent = to_usd(sum(one.credits for generations in bought.values() for one in generations))
        assert spent <= budget + 0.01, f"{spent} spent on a budget of {budget}"
    for job in jobs:
        generations = bought.get(job.id, [])
        assert len(generations) <= 1, f"{job.name} was bought {len(generations)} times"
        if job.state is S.SUCCEEDED:
            _check_file(job)
        if job.state is S.FAILED:
            alive_still = [one for one in generations if one.ending != "charged-error"]
            assert not alive_still, f"{job.name} failed though it was bought: {job.error}"
    assert not night.service.leaks
    _check_places(plan, night)
    _check_takes(plan, night, jobs)
    store = night.look()
    requests = {job.id: job.request for job in plan.list_jobs()}
    check_sent(requests, jobs, night.service.generations, good_at=night.observer.good_at, is_good=plan.is_good)
    check_links(store, jobs)
    check_uploads(store, night.bucket)
    committed = sum(row[0] for row in store.connection.db.execute("SELECT micros FROM attempts"))
    assert store.connection.db.execute("SELECT micros FROM money").fetchone()[0] == committed
    counted = Counter((job.state, job.held) for job in jobs)
    tallied = {(S(row[0]), bool(row[1])): row[2] for row in store.connection.db.execute(COUNTS)}
    assert tallied == counted
    known = [job.cost_usd for job in jobs if job.cost_usd is not None]
    unknown = sum(job.cost_usd is None and job.completed_at is not None for job in jobs)
    assert store.spend() == (pytest.approx(sum(known)), unknown)


def hold_in_the_end(plan: Plan, night: WatchedNight) -> None:
    """When nothing more can happen."""
    jobs = {job.id: job for job in night.jobs()}
    for job_id, generations in _bought(night).items():
        job = jobs[job_id]
        wanted = {"charged-error": S.FAILED, "no-url": S.GENERATING}.get(generations[0].ending, S.SUCCEEDED)
        assert job.state is wanted, f"{job.name} is {job.state}, but {generations[0].id} was bought"
        assert job.generation_id == generations[0].id
        assert job.state is S.SUCCEEDED or job.error
    for job in jobs.values():
        assert job.state in (S.SUCCEEDED, S.FAILED, S.PENDING, S.IN_DOUBT, S.GENERATING) or (
            job.state is S.CANCELLED and plan.cancels
        )
        if job.state is S.GENERATING:
            assert job.error
            assert ending_of(night, job) in WITHOUT_END
        if job.state is S.PENDING and not (job.waits and waits_rightly(night.look(), job)):
            assert may_be_refused(plan)
        if job.state is S.IN_DOUBT:
            assert job.held
    if all(job.state is S.SUCCEEDED and job.verdict in (None, "accepted") for job in jobs.values()):
        kept = night.look().connection.db.execute("SELECT count(*) FROM inputs").fetchone()[0]
        assert kept == 0, f"{kept} frames are kept"
    if plan.rejects is not None:
        _check_last_takes(plan, jobs.values())
    _check_folders(plan, night, jobs.values())
    assert not list((night.folder / "videos").rglob("*.json.part"))


def _check_folders(plan: Plan, night: WatchedNight, jobs: Collection[Job]) -> None:
    """Each video is in the folder of its job, and no folder holds anything but videos with their sidecars."""
    files = {job.file for job in jobs if job.state is S.SUCCEEDED}
    for file in filter(None, files):
        assert plan.in_folders == (Path(file).parts[0] in ("first", "second"))
    for path in (night.folder / "videos").glob("*/**/*"):
        assert path.is_dir() or path.with_suffix(".mp4").relative_to(night.folder / "videos").as_posix() in files


def _check_takes(plan: Plan, night: WatchedNight, jobs: Sequence[Job]) -> None:
    """No clip is made again unless the one before was rejected, nor more often than it may be tried."""
    store = night.look()
    for job in jobs:
        if job.verdict is not None:
            assert job.state is S.SUCCEEDED
            assert job.verdict == ("accepted" if plan.is_good(job) else "rejected")
            assert store.facts.read_measures(job) is not None
        if job.take_of is not None:
            family = store.takes.list_family(job)
            assert [take.take for take in family] == list(range(1, len(family) + 1))
            before = family[job.take - 2]
            assert before.state is S.SUCCEEDED, f"{job.name} was made, and {before.name} is {before.state}"
            assert not plan.is_good(before)
            used = sum(take.tried + (take.state is S.SUCCEEDED) for take in family)
            assert used <= plan.run["tries"], f"{job.name} has a family of {used}"


def _check_last_takes(plan: Plan, jobs: Collection[Job]) -> None:
    """Every clip has its verdict, and each family ends with a good take, unless no try is left."""
    families: dict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        families[job.seq if job.take_of is None else job.take_of].append(job)
        if job.state is S.SUCCEEDED:
            assert job.verdict is not None, f"{job.name} has no verdict"
    for family in families.values():
        last = max(family, key=lambda job: job.take)
        used = sum(take.tried + (take.state is S.SUCCEEDED) for take in family)
        assert last.verdict != "rejected" or used >= plan.run["tries"], f"{last.name} is not made again"


@contextmanager
def watch_committed() -> Iterator[list[float]]:
    """Collect what is committed after each claim and each answer, in US dollars."""
    seen: list[float] = []

    def watch(name: str) -> Any:
        method = getattr(Transitions, name)

        def watched(self: Transitions, *arguments: Any, **options: Any) -> Any:
            result = method(self, *arguments, **options)
            seen.append(self._queries.read_committed())
            return result

        return mock.patch.object(Transitions, name, watched)

    with ExitStack() as stack:
        for name in ("claim_job", "apply_move", "record_stray"):
            stack.enter_context(watch(name))
        yield seen


def _check_places(plan: Plan, night: WatchedNight) -> None:
    """Each key keeps to its limit. By a clock that is wrong, a doubt may seem old enough to free its slot."""
    if plan.remote is not None and not any(aim.fault.startswith("clock") for aim in plan.aims):
        for name, places in plan.remote.keys:
            peak = night.service.account(f"sk-{name}").peak_in_flight
            assert peak <= places, f"{peak} in flight with key {name}, which has {places} places"


def _bought(night: WatchedNight) -> dict[str, list[Generation]]:
    """The generations that are, or will be, charged, by job id."""
    bought: dict[str, list[Generation]] = defaultdict(list)
    for generation in night.service.generations:
        if generation.is_charged:
            job_id = str(generation.client_request_id).split(".")[1]
            bought[job_id].append(generation)
    return bought


def _check_file(job: Job) -> None:
    path = video_at(job)
    assert isinstance(path, Path)
    assert measure_file(path) == (job.bytes, job.sha256)
    check_mp4(path)
