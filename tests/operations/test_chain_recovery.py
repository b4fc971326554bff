"""A lost or copied database of chains: what is bought is known again, and the rest is made from it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from batchveo.core.models import JobState
from batchveo.operations.chain_remake import plan_chains, remake_chains
from batchveo.operations.import_generations import import_from_log
from batchveo.operations.verify import refetch_video, verify
from batchveo.provider import ApiClient
from tests.helpers.chains import make_chain
from tests.helpers.fake_clips import FakeClips
from tests.helpers.virtual_run import BASE_URL, KEY, Night

S = JobState


@pytest.fixture
async def night(tmp_path: Path) -> Night:
    return Night(tmp_path, clips=FakeClips())


def lose_database(night: Night) -> None:
    for path in night.folder.glob("b.db*"):
        path.unlink()


def know(night: Night, length: int) -> None:
    with night.store() as store:
        run = store.runs.begin_run(command="run", service=BASE_URL, now=night.clock.now())
        store.imports.add_jobs(make_chain(length), run=run, now=night.clock.now())


def list_inputs(night: Night) -> list[str]:
    """The requests that were sent, by prompt, with the input of each."""
    return [f"{each.request['prompt']}: {each.request.get('image_url')}" for each in night.service.generations]


@pytest.mark.anyio
async def test_sidecars_bring_back_a_chain_in_any_state(night: Night) -> None:
    """With its middle link missing, too: it alone is bought again, from the same frame."""
    await night.run(make_chain(3))
    before = list_inputs(night)
    lose_database(night)
    assert (await night.run(make_chain(4))).exit_status == 0
    assert len(night.service.generations) == 4
    assert [job.state for job in night.jobs()] == [S.SUCCEEDED] * 4
    lose_database(night)
    for path in night.folder.glob("videos/shot 1.*"):
        path.unlink()
    assert (await night.run(make_chain(4))).exit_status == 0
    assert list_inputs(night)[4] == before[1]
    assert len(night.service.generations) == 5


@pytest.mark.anyio
async def test_takes_of_a_chain_come_back(night: Night) -> None:
    await night.run(make_chain(2))
    with night.store() as store:
        planned = plan_chains(store, store.queries.find_jobs("shot 0"))
        remake_chains(store, planned, now=night.clock.now())
    assert (await night.run()).exit_status == 0
    assert len(night.service.generations) == 4
    lose_database(night)
    assert (await night.run(make_chain(2))).exit_status == 0
    assert len(night.service.generations) == 4
    assert sorted(job.name for job in night.jobs(S.SUCCEEDED)) == [
        "shot 0",
        "shot 0-take2",
        "shot 1",
        "shot 1-take2",
    ]


@pytest.mark.anyio
async def test_the_log_brings_back_what_is_not_on_disk(night: Night) -> None:
    await night.run(make_chain(2))
    lose_database(night)
    shutil.rmtree(night.folder / "videos")
    know(night, 3)
    async with ApiClient(KEY.key, base_url=BASE_URL, transport=night.open_transport()) as api:
        with night.store() as store:
            found = await import_from_log(store, {"": api}, hours=24, now=night.clock.now())
    assert [job.name for job in found.jobs] == ["shot 1", "shot 0"]
    assert (await night.run()).exit_status == 0
    assert len(night.service.generations) == 3
    assert [job.state for job in night.jobs()] == [S.SUCCEEDED] * 3


@pytest.mark.anyio
async def test_a_chain_goes_on_in_a_database_that_was_moved(night: Night, tmp_path: Path) -> None:
    await night.run(make_chain(2))
    know(night, 3)
    later = replace(night, folder=tmp_path / "elsewhere")
    later.clock, later.service = night.clock, night.service
    later.folder.mkdir()
    shutil.move(night.state, later.state)
    assert (await later.run(make_chain(3))).exit_status == 0
    assert len(night.service.generations) == 3
    assert list_inputs(later)[2].startswith("shot 2: data:image/png")


@pytest.mark.anyio
async def test_a_lost_video_is_fetched_again_for_its_children(night: Night) -> None:
    """As `verify --refetch` asks for: the child waits until it is there, and is not made from what is not."""
    await night.run(make_chain(1))
    know(night, 2)
    (night.folder / "videos" / "shot 0.mp4").unlink()
    with night.store() as store:
        (lost,) = [verdict.job for verdict in verify(store) if verdict.problem]
        refetch_video(store, lost, now=night.clock.now())
        (link,) = store.links.list_open_links(lost.seq)
        assert store.links.find_source(link) is None
    assert (await night.run(make_chain(2))).exit_status == 0
    assert len(night.service.generations) == 2
