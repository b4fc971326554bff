"""Generations that exist, taken into a state that does not know them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from batchveo.core.errors import UsageError
from batchveo.core.gates import CheckPolicy
from batchveo.core.models import JobState
from batchveo.operations.import_generations import (
    ImportedGenerations,
    find_key_label,
    import_from_log,
    import_generation,
)
from batchveo.provider import ApiClient, ApiKey, service_lists
from batchveo.sandbox import Settings, transport
from batchveo.store import GenerationTaken, Store
from tests.helpers.factories import make_spec
from tests.helpers.fake_clips import FakeClips
from tests.helpers.several_keys import AccountsByKey
from tests.helpers.virtual_run import BASE_URL, Night, specs

pytestmark = pytest.mark.anyio
S = JobState


def night(folder: Path) -> Night:
    return Night(folder, Settings(generation_median=60.0, log_lag=5.0))


async def from_log(night: Night, store: Store) -> ImportedGenerations:
    async with ApiClient(ApiKey("k"), base_url=BASE_URL, transport=transport(night.service)) as api:
        return await import_from_log(store, {"": api}, hours=24, now=night.clock.now())


async def test_a_lost_state_file_is_made_again_from_manifest_and_log(tmp_path: Path) -> None:
    """Every video is fetched again, none is bought again."""
    n = night(tmp_path)
    await n.run(specs(8))
    for path in tmp_path.glob("b.db*"):
        path.unlink()
    with n.store() as store:
        run = store.runs.begin_run(command="adopt", service="s", now=1.0)
        store.imports.add_jobs(specs(8), run=run, now=1.0)
        adopted = await from_log(n, store)
        assert len(adopted.jobs) == 8
        assert not (await from_log(n, store)).jobs
    assert (await n.run(None)).exit_status == 0
    assert len(n.service.generations) == 8
    assert len(n.jobs(S.SUCCEEDED)) == 8


async def test_a_log_that_is_longer_than_what_is_read_of_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever goes on would buy again what stands further back."""
    n = night(tmp_path)
    await n.run(specs(8))
    monkeypatch.setattr(service_lists, "PAGE", 3)
    monkeypatch.setattr(service_lists, "MOST_PAGES", 2)
    with n.store() as store:
        assert not (await from_log(n, store)).whole
    monkeypatch.setattr(service_lists, "MOST_PAGES", 3)
    with n.store() as store:
        assert (await from_log(n, store)).whole


async def test_what_no_manifest_names_is_told(tmp_path: Path) -> None:
    """And left alone."""
    n = night(tmp_path)
    await n.run(specs(3))
    for path in tmp_path.glob("b.db*"):
        path.unlink()
    with n.store() as store:
        store.imports.add_jobs(specs(2), run=store.runs.begin_run(command="adopt", service="s", now=1.0), now=1.0)
        adopted = await from_log(n, store)
    assert (len(adopted.jobs), len(adopted.unknown), adopted.surplus) == (2, 1, [])


async def test_a_stranger_becomes_a_job_of_its_own(tmp_path: Path) -> None:
    """Known by its id, once; and fetched like any other."""
    n = night(tmp_path)
    await n.run(specs(1))
    generation = n.service.generations[0].id
    other = Night(tmp_path / "other", n.settings)
    other.service = n.service
    (tmp_path / "other").mkdir()
    with other.store() as store:
        run = store.runs.begin_run(command="adopt", service="s", now=1.0)
        job = import_generation(store, generation, run=run, now=1.0)
        assert import_generation(store, generation, run=run, now=1.0).id == job.id
    assert (await other.run(None)).exit_status == 0
    assert [(job.state, job.name) for job in other.jobs()] == [(S.SUCCEEDED, generation)]


async def test_a_doubt_sent_again_by_hand_can_still_be_adopted(tmp_path: Path) -> None:
    """The person was wrong, the log knows better, and nothing more is bought."""
    n = Night(tmp_path, Settings(generation_median=60.0, log_lag=400.0, faults={"lose-answer": 1.0}))
    await n.run(specs(1), settle=5.0)
    with n.store() as store:
        (job,) = store.jobs(S.IN_DOUBT)
        store.manual.resubmit_job(job, now=n.clock.now())
        await anyio.sleep(500)
        assert len((await from_log(n, store)).jobs) == 1
    assert (await n.run(None)).exit_status == 0
    assert len(n.service.generations) == 1


def test_a_refused_stranger_leaves_nothing_behind(tmp_path: Path) -> None:
    """Both or neither: no pending job with an empty prompt."""
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="adopt", service="s", now=1.0)
        store.imports.add_jobs([make_spec("a")], run=run, now=1.0)
        store.manual.adopt_generation(next(store.jobs()), "g-1", now=2.0)
        with pytest.raises(GenerationTaken):
            import_generation(store, "g-1", run=run, now=3.0)
        assert store.counts().total == 1


def test_one_generation_is_adopted_once(tmp_path: Path) -> None:
    """Not for a second job, and not for a job that has been bought."""
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="adopt", service="s", now=1.0)
        store.imports.add_jobs([make_spec("a"), make_spec("b")], run=run, now=1.0)
        first, second = store.jobs()
        taken = store.manual.adopt_generation(first, "g-1", now=2.0)
        with pytest.raises(GenerationTaken):
            store.manual.adopt_generation(second, "g-1", now=2.0)
        assert store.queries.read_job(second.seq) == second
        with pytest.raises(ValueError, match="only pending and doubtful"):
            store.manual.adopt_generation(taken, "g-2", now=2.0)


async def test_each_keys_log_gives_back_its_own(tmp_path: Path) -> None:
    """And the job is asked for with the key that bought it from then on."""
    accounts = AccountsByKey(tmp_path)
    with accounts.store as store:
        async with accounts.apis("a", "b") as opened:
            for label in ("b", "a"):
                await accounts.buy(opened, label, lost=True)
            accounts.now += 60.0
            adopted = await import_from_log(store, opened, hours=1, now=accounts.now)
        assert sorted(str(job.key) for job in adopted.jobs) == ["a", "b"]
        assert [job.key for job in store.jobs(S.GENERATING)] == ["b", "a"]


async def test_of_several_logs_too_the_latest_success_is_adopted(tmp_path: Path) -> None:
    """A job bought twice, by two keys: the earlier one is told as surplus."""
    accounts = AccountsByKey(tmp_path, jobs=1)
    with accounts.store as store:
        async with accounts.apis("a", "b") as opened:
            doubt, first = await accounts.buy(opened, "a", lost=True)
            store.manual.resubmit_job(doubt, now=accounts.now)
            _, second = await accounts.buy(opened, "b", lost=True)
            accounts.now += 60.0
            adopted = await import_from_log(store, opened, hours=1, now=accounts.now)
    assert [(job.generation_id, job.key) for job in adopted.jobs] == [(second, "b")]
    assert adopted.surplus == [first]


async def test_keys_of_one_account_leave_the_label(tmp_path: Path) -> None:
    """Both logs tell of it; the key that was sent stays."""
    accounts = AccountsByKey(tmp_path, per_key=False)
    with accounts.store as store:
        async with accounts.apis("a", "b") as opened:
            await accounts.buy(opened, "b", lost=True)
            accounts.now += 60.0
            adopted = await import_from_log(store, opened, hours=1, now=accounts.now)
    assert [job.key for job in adopted.jobs] == ["b"]


async def test_which_key_knows_a_generation(tmp_path: Path) -> None:
    """Each is asked; where none does, why."""
    accounts = AccountsByKey(tmp_path)
    with accounts.store:
        async with accounts.apis("a", "b") as opened:
            _, generation = await accounts.buy(opened, "b")
            assert await find_key_label(opened, generation) == "b"
            with pytest.raises(UsageError, match=r"a: .*b: .*--key LABEL") as caught:
                await find_key_label(opened, "f_X_unknown")
    assert "sk-" not in str(caught.value)


async def test_takes_of_rejected_clips_are_found_in_the_log_too(tmp_path: Path) -> None:
    """With the seeds that they were asked for with; none of them is bought again."""
    policy = CheckPolicy(gates=("black_seconds < 0.5",)).to_json()
    same = [{"model": "veo2", "prompt": "a", "seed": seed} for seed in (1, 2)]
    jobs = [replace(spec, policy=policy, tries=3, request=same[i]) for i, spec in enumerate(specs(2))]
    n = night(tmp_path)
    n.clips = FakeClips(judge=lambda job: job.take == 3)
    await n.run(jobs)
    before = {(job.name, job.generation_id, job.verdict): job.request for job in n.jobs()}
    assert len(before) == 6
    for path in tmp_path.glob("b.db*"):
        path.unlink()
    shutil.rmtree(tmp_path / "videos")
    with n.store() as store:
        store.imports.add_jobs(jobs, run=store.runs.begin_run(command="adopt", service="s", now=1.0), now=1.0)
        adopted = await from_log(n, store)
        assert (len(adopted.jobs), adopted.unknown, adopted.surplus) == (6, [], [])
    assert (await n.run(None)).exit_status == 0
    assert len(n.service.generations) == 6
    after = {(job.name, job.generation_id, job.verdict): job.request for job in n.jobs()}
    assert after.keys() == before.keys()
    assert [request["seed"] for request in after.values()][:2] == [1, 2]
    assert len({request["seed"] for request in after.values()}) == 6
