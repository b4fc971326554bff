"""What must hold after every run of every night."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from batchveo.core.job_row import canonical_json
from batchveo.core.models import Job, JobState
from batchveo.operations.manage import is_made_again
from batchveo.sandbox import Generation
from batchveo.sandbox.prices import to_usd
from batchveo.storage.file_system import measure_file
from batchveo.storage.mp4 import check_mp4
from batchveo.storage.stored_video import video_at
from batchveo.store.queries import COUNTS
from batchveo.store.transitions import Transitions
from tests.simulation.chains import check_links, check_sent, check_uploads, say_nothing, waits_rightly
from tests.simulation.people import People
from tests.simulation.world import WITHOUT_END, Plan, WatchedNight, ending_of, may_be_refused

S = JobState


def hold_always(plan: Plan, night: WatchedNight) -> None:
    """At any moment, also right after a crash."""
    jobs = night.jobs()
    bought = _bought(night)
    people = night.people
    assert people is None or not people.broken, people.broken
    recorded = _check_recorded(night, bought)
    budget = plan.run["budget"]
    if budget is not None:
        spent = _sum_prices(bought, recorded)
        # what is imported may be more than the budget: two databases, of which one is lost, bought it
        found = 0.0 if people is None else _sum_prices(bought, people.imported)
        assert spent <= max(budget, found) + 0.01, f"{spent} spent on a budget of {budget}"
    for job in jobs:
        generations = [one for one in bought.get(job.id, []) if not _is_forsaken(night, one)]
        if people is None:
            assert len(generations) <= 1, f"{job.name} was bought {len(generations)} times"
        else:
            people.check_paid(job, len(generations))
        if job.state is S.SUCCEEDED:
            _check_file(job)
        if job.state is S.FAILED:
            alive_still = [one for one in generations if one.ending != "charged-error"]
            assert not alive_still, f"{job.name} failed though it was bought: {job.error}"
    if people is not None:
        _check_requests(jobs, bought, people.copies)
        _check_kept(people)
    assert not night.service.leaks
    _check_places(plan, night)
    _check_takes(plan, night, jobs)
    store = night.look()
    requests = {job.id: job.request for job in jobs} | {job.id: job.request for job in night.list_jobs(plan)}
    check_sent(
        requests | (people.requests if people is not None else {}),
        jobs,
        night.service.generations,
        good_at=night.observer.good_at,
        is_good=plan.is_good,
        counted=None if people is None else people.sources,
        forgotten=() if people is None else people.forgotten,
    )
    check_links(store, jobs, say_nothing if people is None else people.say)
    check_uploads(store, night.bucket, once=people is None)
    committed = sum(row[0] for row in store.connection.db.execute("SELECT micros FROM attempts"))
    assert store.connection.db.execute("SELECT micros FROM money").fetchone()[0] == committed
    counted = Counter((job.state, job.held) for job in jobs)
    tallied = {(S(row[0]), bool(row[1])): row[2] for row in store.connection.db.execute(COUNTS)}
    assert tallied == counted
    known = [job.cost_usd for job in jobs if job.cost_usd is not None]
    unknown = sum(job.cost_usd is None and job.completed_at is not None for job in jobs)
    assert store.spend() == (pytest.approx(sum(known)), unknown)


def _check_recorded(night: WatchedNight, bought: Mapping[str, Sequence[Generation]]) -> Collection[str]:
    """Each request that was paid for is on record, as one of the job that it names; returns the recorded ones.

    What only a lost database knew is not.
    """
    rows = night.look().connection.db.execute(
        "SELECT attempts.client_request_id, jobs.id FROM attempts JOIN jobs ON seq = job"
    )
    recorded = Counter((row[0], row[1]) for row in rows)
    for job_id, generations in bought.items():
        requests = Counter(one.client_request_id for one in generations)
        assert not requests or max(requests.values()) == 1, f"a request for {job_id} was bought twice"
        for one in generations:
            assert recorded[one.client_request_id, job_id] == 1 or _is_forgotten(night, one), f"{one.id} has no job"
    return {request for request, _ in recorded}


def hold_in_the_end(plan: Plan, night: WatchedNight) -> None:
    """When nothing more can happen."""
    jobs = {job.id: job for job in night.jobs()}
    people = night.people
    _check_known(night)
    _check_bought(night, jobs)
    for job in jobs.values():
        assert job.state in (S.SUCCEEDED, S.FAILED, S.PENDING, S.IN_DOUBT, S.GENERATING) or (
            job.state is S.CANCELLED
            and (plan.cancels or (people is not None and (people.wanted_gone(job) or is_made_again(job))))
        ), f"{job.name} is {job.state}"
        if job.state is S.GENERATING:
            assert job.error
            assert ending_of(night, job) in WITHOUT_END
        if job.state is S.PENDING and not (job.waits and waits_rightly(night.look(), job)):
            assert may_be_refused(plan)
        if job.state is S.IN_DOUBT:
            assert job.held
    all_good = all(job.state is S.SUCCEEDED and job.verdict in (None, "accepted") for job in jobs.values())
    if all_good and people is None:  # a frame of a take that does not count any more may be kept
        kept = night.look().connection.db.execute("SELECT count(*) FROM inputs").fetchone()[0]
        assert kept == 0, f"{kept} frames are kept"
    if plan.rejects is not None:
        excepted = () if people is None else people.touched | people.list_voted()
        forgotten = () if people is None else {*people.forgotten.values()}
        _check_last_takes(plan, jobs.values(), excepted, forgotten)
    _check_folders(plan, night, jobs.values())
    assert not list((night.folder / "videos").rglob("*.json.part"))


def _check_bought(night: WatchedNight, jobs: Mapping[str, Job]) -> None:
    """What was paid for last became of each job, unless people gave that up, or a lost database alone knew it."""
    people = night.people
    for job_id, each in _bought(night).items():
        job, generations = jobs.get(job_id), [one for one in each if not _is_forsaken(night, one)]
        if not generations or (job is None and all(_is_forgotten(night, one) for one in generations)):
            continue
        assert job is not None, f"{job_id} was bought, and is no job"
        known = [one for one in generations if not _is_forgotten(night, one) or one.id == job.generation_id]
        if people is not None and (len(generations) < people.allowed.get(job_id, 1) or job_id in people.withdrawn):
            assert all(one.ending == "charged-error" for one in generations), f"{job.name} is {job.state}"
            continue  # people made it pending again, or gave it up
        if not known:
            continue
        wanted = {"charged-error": S.FAILED, "no-url": S.GENERATING}.get(known[-1].ending, S.SUCCEEDED)
        assert job.state is wanted, f"{job.name} is {job.state}, but {known[-1].id} was bought"
        assert job.generation_id == known[-1].id
        assert job.state is S.SUCCEEDED or job.error


def _check_folders(plan: Plan, night: WatchedNight, jobs: Collection[Job]) -> None:
    """Each video is in the folder of its job, and no folder holds anything but videos with their sidecars."""
    files = {job.file for job in jobs if job.state is S.SUCCEEDED}
    for file in filter(None, files):
        assert plan.in_folders == (Path(file).parts[0] in ("first", "second"))
    kept = () if night.people is None else night.people.kept
    for path in (night.folder / "videos").glob("*/**/*"):
        assert (
            path.is_dir()
            or path.with_suffix(".mp4") in kept
            or path.with_suffix(".mp4").relative_to(night.folder / "videos").as_posix() in files
        )


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
            if night.people is not None and {take.id for take in family} & {*night.people.forgotten.values()}:
                continue  # what a lost database knew of these takes is not known any more
            assert [take.take for take in family] == list(range(1, len(family) + 1))
            if night.people is not None:
                _check_made_take(plan, job, family)
                continue
            before = family[job.take - 2]
            assert before.state is S.SUCCEEDED, f"{job.name} was made, and {before.name} is {before.state}"
            assert not plan.is_good(before)
            used = sum(take.tried + (take.state is S.SUCCEEDED) for take in family)
            assert used <= plan.run["tries"], f"{job.name} has a family of {used}"


def _check_made_take(plan: Plan, job: Job, family: Sequence[Job]) -> None:
    """A take that nobody asked for follows a rejected one, within the tries."""
    if not job.asked:
        assert any(take.state is S.SUCCEEDED and not plan.is_good(take) for take in family[: job.take - 1]), job.name
        assert sum(not take.asked for take in family) <= plan.run["tries"]


def _check_last_takes(
    plan: Plan, jobs: Collection[Job], excepted: Collection[int], forgotten: Collection[str] = ()
) -> None:
    """Every clip has its verdict, and each family ends with a good take, unless no try is left.

    ``excepted``: the first takes of families in which people decided. ``forgotten``: the ids of jobs that lost
    databases knew; they alone knew whether people wanted more takes than the good one.
    """
    families: dict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        families[job.seq if job.take_of is None else job.take_of].append(job)
        if job.state is S.SUCCEEDED:
            assert job.verdict is not None, f"{job.name} has no verdict"
    for family in (each for first, each in families.items() if first not in excepted):
        last = max(family, key=lambda job: job.take)
        used = sum(take.tried + (take.state is S.SUCCEEDED) for take in family)
        is_wanted = all(take.verdict != "accepted" or take.id not in forgotten for take in family)
        is_bad = last.verdict == "rejected" and is_wanted
        assert not is_bad or used >= plan.run["tries"], f"{last.name} is not made again"


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
    """Each key keeps to its limit, but for what people gave up, which frees its slot.

    By a clock that is wrong, a doubt may seem old enough to free its slot.
    """
    freed = 0 if night.people is None else len(night.people.forsaken)
    if plan.remote is not None and not any(aim.fault.startswith("clock") for aim in plan.aims):
        for name, places in plan.remote.keys:
            peak = night.service.account(f"sk-{name}").peak_in_flight
            assert peak <= places + freed, f"{peak} in flight with key {name}, which has {places} places"


def _bought(night: WatchedNight) -> dict[str, list[Generation]]:
    """The generations that are, or will be, charged, by job id."""
    bought: dict[str, list[Generation]] = defaultdict(list)
    for generation in night.service.generations:
        if generation.is_charged:
            job_id = str(generation.client_request_id).split(".")[1]
            bought[job_id].append(generation)
    return bought


def _sum_prices(bought: Mapping[str, Sequence[Generation]], requests: Collection[str]) -> float:
    """What these requests cost, in US dollars."""
    return to_usd(sum(one.credits for each in bought.values() for one in each if one.client_request_id in requests))


def _check_requests(jobs: Collection[Job], bought: Collection[str], copies: Collection[str]) -> None:
    """No request is bought as two jobs, though people write jobs anew; ``copies`` are jobs of their own."""
    paid = [job for job in jobs if job.take == 1 and job.id in bought and job.id not in copies]
    counted = Counter((job.index, canonical_json(job.request)) for job in paid)
    twice = [key for key, count in counted.items() if count > 1]
    assert not twice, f"bought as two jobs: {twice}"


def _is_forsaken(night: WatchedNight, generation: Generation) -> bool:
    """Whether people gave up the attempt that bought it."""
    return night.people is not None and generation.client_request_id in night.people.forsaken


def _is_forgotten(night: WatchedNight, generation: Generation) -> bool:
    """Whether it was asked for by a database that is lost."""
    return night.people is not None and generation.client_request_id in night.people.forgotten


def _check_kept(people: People) -> None:
    """The videos that lost databases knew are as they were."""
    for path, sha256 in people.kept.items():
        assert measure_file(path)[1] == sha256, f"{path.name} is another video"


def _check_known(night: WatchedNight) -> None:
    """Each generation that was paid for is known, as one of the job that it was bought for."""
    rows = night.look().connection.db.execute(
        "SELECT attempts.generation_id, jobs.id FROM attempts JOIN jobs ON seq = job"
    )
    known = Counter((row[0], row[1]) for row in rows)
    for job_id, generations in _bought(night).items():
        for one in generations:
            assert known[one.id, job_id] == 1 or _is_forsaken(night, one) or _is_forgotten(night, one), (
                f"{one.id} is not known"
            )


def _check_file(job: Job) -> None:
    path = video_at(job)
    assert isinstance(path, Path)
    assert measure_file(path) == (job.bytes, job.sha256)
    check_mp4(path)
