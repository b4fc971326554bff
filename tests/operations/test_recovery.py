"""Finished videos that a database lacks: which are taken in, which are asked for again, which are left alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from batchveo.core.destination import BESIDE, Sidecars
from batchveo.core.models import CatalogInfo, Job, JobSpec, JobState
from batchveo.core.state_machine import JUDGED_FIRST
from batchveo.operations import recovery
from batchveo.operations.recovery import Recovered, find_recoverable, recover_videos
from batchveo.provider.service import SANDBOX
from batchveo.storage.base import at_once
from batchveo.storage.sidecar import read_sidecars
from batchveo.storage.stored_video import find_flaw, video_at
from batchveo.store import Store
from batchveo.store.takes import make_take_id
from tests.helpers.factories import make_spec
from tests.helpers.store_rows import list_attempts
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio
NOW = 1_900_000_000.0
S = JobState


@pytest.fixture
async def night(tmp_path: Path) -> Night:
    """Three finished videos in ``videos``."""
    night = Night(tmp_path)
    assert (await night.run(specs(3))).exit_status == 0
    return night


async def recovered(
    night: Night, jobs: Sequence[JobSpec], *, sandbox: bool = False, name: str = "new.db"
) -> tuple[Recovered, list[Job]]:
    """What becomes of ``jobs`` in a new database."""
    with Store(night.folder / name) as store:
        run = store.runs.begin_run(command="run", service="x", now=NOW)
        store.imports.add_jobs(jobs, run=run, now=NOW)
        found = await recover_videos(store, night.folder / "videos", run=run, now=NOW, sandbox=sandbox, disk=at_once)
        return found, list(store.jobs())


def change(night: Night, stem: str, edit: Callable[[dict[str, Any]], object]) -> None:
    """Write another sidecar."""
    path = night.folder / "videos" / f"{stem}.json"
    says = json.loads(path.read_text())
    edit(says)
    path.write_text(json.dumps(says))


async def test_all_that_the_sidecar_tells_is_there_again(night: Night) -> None:
    """As if nothing had been lost: what it cost counts for the budget, and the attempt has its request id."""
    before = night.jobs()
    found, after = await recovered(night, specs(3))
    assert [job.name for job in found.taken_in] == ["job 0", "job 1", "job 2"]
    for was, now in zip(before, after, strict=True):
        aside = {"created_at": 0.0, "finished_at": 0.0, "video_url": None, "not_before": 0.0, "service": None}
        aside |= {"submitted_at": 0.0, "completed_at": 0.0}
        assert replace(now, **aside) == replace(was, **aside)  # type: ignore[arg-type]  # a mapping of several types
        assert now.submitted_at == pytest.approx(was.submitted_at, abs=0.001)
        assert now.completed_at == pytest.approx(was.completed_at, abs=0.001)
    with Store(night.folder / "new.db") as store, night.store() as old:
        assert store.spend() == old.spend()
        assert store.queries.read_committed() == pytest.approx(old.queries.read_committed())
        attempts = [(row["client_request_id"], row["outcome"], row["generation_id"]) for row in list_attempts(store)]
        assert attempts == [(job.client_request_id, "succeeded", job.generation_id) for job in before]
        assert [row["to_state"] for row in store.queries.list_moves(after[0])] == ["succeeded"]


async def test_the_catalogue_is_that_of_the_sidecar(night: Night) -> None:
    """Not the one that the new database reads the manifest with; a sidecar of before names none."""
    change(night, "job 0", lambda says: says.update(catalogue="a" * 12))
    change(night, "job 1", lambda says: says.update(catalogue="a" * 12))
    (night.folder / "videos/job 1.mp4").unlink()
    change(night, "job 2", lambda says: says.pop("catalogue"))
    with Store(night.folder / "new.db") as store:
        run = store.runs.begin_run(command="run", service="x", now=NOW)
        store.imports.add_jobs(specs(4), run=run, now=NOW, catalog=CatalogInfo(digest="b" * 12))
        found = await recover_videos(store, night.folder / "videos", run=run, now=NOW, sandbox=False, disk=at_once)
        assert (len(found.taken_in), len(found.refetched)) == (2, 1)
        assert [job.catalog for job in store.jobs()] == ["a" * 12, "a" * 12, None, "b" * 12]


async def test_it_happens_once(night: Night) -> None:
    """The next run reads no sidecar of what the database has."""
    await recovered(night, specs(3))
    with mock.patch.object(recovery, "read_sidecars", mock.Mock(side_effect=AssertionError)):
        found, _ = await recovered(night, specs(4))
    assert found == Recovered()


async def test_of_thousands_only_what_is_wanted_is_hashed(night: Night) -> None:
    """The videos of other manifests in the same folder are none of this run's business."""
    folder = night.folder / "videos"
    says = json.loads((folder / "job 0.json").read_text())
    for number in range(3000):
        (folder / f"other {number}.json").write_text(json.dumps({**says, "job_id": f"{number:020}", "index": 7}))
        (folder / f"other {number}.mp4").touch()
    with mock.patch.object(recovery, "find_flaw", wraps=find_flaw) as look:
        found, _ = await recovered(night, specs(3))
    assert (len(found.taken_in), look.call_count) == (3, 3)


async def test_the_whole_one_of_several_counts(night: Night) -> None:
    """Two databases may have bought the same job; the damaged video comes first here."""
    folder = night.folder / "videos"
    for end in ("mp4", "json"):
        shutil.copy(folder / f"job 1.{end}", folder / f"job 1~copy.{end}")
    (folder / "job 1.mp4").write_bytes(b"no video")
    found, after = await recovered(night, specs(3))
    assert (len(found.taken_in), found.refetched) == (3, [])
    assert after[1].file == "job 1~copy.mp4"


async def test_one_generation_serves_one_job(night: Night) -> None:
    """A sidecar that was copied over another's is told, and its job bought."""
    change(night, "job 1", lambda says: says.update(generation_id=_generation(night, "job 0")))
    found, after = await recovered(night, specs(3))
    assert [job.state for job in after] == [S.SUCCEEDED, S.PENDING, S.SUCCEEDED]
    assert [job.name for job, _ in found.lost] == ["job 1"]


def _generation(night: Night, name: str) -> str:
    return next(job.generation_id or "" for job in night.jobs() if job.name == name)


async def test_no_generation_no_video(night: Night) -> None:
    """A sidecar that names none, of a video that is damaged too, is of no use."""
    change(night, "job 1", lambda says: says.update(generation_id=None))
    (night.folder / "videos" / "job 2.mp4").unlink()
    found, after = await recovered(night, specs(3))
    assert [job.state for job in after] == [S.SUCCEEDED, S.PENDING, S.GENERATING]
    assert after[2].generation_id == _generation(night, "job 2")
    assert [flaw for _, flaw in found.refetched] == ["missing"]


async def test_a_sidecar_may_be_anything(night: Night) -> None:
    """Other programs write JSON too; a request that is no video's, odd types, a link, a folder."""
    folder = night.folder / "videos"
    for number, text in enumerate(['"', "[1]", "{}", '{"job_id": "x", "request": []}', "\x00", '{"job_id": 1}']):
        (folder / f"odd {number}.json").write_text(text)
    (folder / "folder.json").mkdir()
    (folder / "loop.json").symlink_to("loop.json")
    odd: dict[str, Any] = {
        "index": "x",
        "cost_usd": "a lot",
        "submitted_at": 7,
        "completed_at": None,
        "key": ["k"],
    }
    change(night, "job 0", lambda says: says.update(odd))
    found, after = await recovered(night, specs(3))
    assert len(found.taken_in) == 3
    assert (after[0].cost_usd, after[0].submitted_at, after[0].key) == (None, None, None)


@pytest.mark.parametrize(
    ("service", "sandbox", "taken_in"),
    [
        (SANDBOX, False, 2),
        (SANDBOX, True, 3),
        ("https://x.example", True, 2),
        ("https://x.example", False, 3),
        (None, True, 3),
    ],
)
async def test_play_does_not_pass_for_the_real_thing(
    night: Night, service: str | None, sandbox: bool, taken_in: int
) -> None:
    """Nor the other way round; an older sidecar does not tell."""
    for name in ("job 0", "job 2"):
        change(night, name, lambda says: says.update(service=SANDBOX if sandbox else "https://y.example"))
    change(night, "job 1", lambda says: says.update(service=service))
    found, after = await recovered(night, specs(3), sandbox=sandbox)
    assert (len(found.taken_in), len(found.others)) == (taken_in, 3 - taken_in)
    assert (after[1].state is S.PENDING) == (taken_in == 2)


@pytest.mark.parametrize(
    ("prompt", "index", "taken"),
    [("  p 0\u200b", 0, True), ("p  0", 0, False), ("P 0", 0, False), ("p 0", 1, False)],
)
async def test_the_request_tells_where_the_id_is_another(night: Night, prompt: str, index: int, taken: bool) -> None:
    """What nobody sees at its ends does not count; another word or another repeat does."""
    change(night, "job 0", lambda says: says.update(job_id="f" * 20))
    (wanted,) = specs(1)
    found, _ = await recovered(night, [replace(wanted, request={**wanted.request, "prompt": prompt}, index=index)])
    assert bool(found.taken_in) is taken


async def test_a_request_serves_one_job_for_each_sidecar(night: Night) -> None:
    """Of two jobs that ask for the same, the second is bought."""
    change(night, "job 0", lambda says: says.update(job_id="f" * 20))
    (wanted,) = specs(1)
    twin = replace(wanted, id="e" * 20, name="twin", stem="twin")
    found, after = await recovered(night, [replace(wanted, id="d" * 20), twin])
    assert [job.state for job in after] == [S.SUCCEEDED, S.PENDING]
    assert len(found.taken_in) == 1


async def test_what_is_under_way_is_left_to_its_generation(night: Night) -> None:
    """Only what would be bought is looked for: a doubt, a failure, a cancelled job stay what they are."""
    with Store(night.folder / "new.db") as store:
        run = store.runs.begin_run(command="run", service="x", now=NOW)
        store.imports.add_jobs(specs(2), run=run, now=NOW)
        store.transitions.claim_job(run=run, now=NOW)
        store.manual.cancel_job(store.queries.read_job(2), now=NOW)
    found, after = await recovered(night, specs(2))
    assert found == Recovered()
    assert [job.state for job in after] == [S.SUBMITTING, S.CANCELLED]


async def test_a_plan_reads_no_video(night: Night) -> None:
    """It goes by what stands there, and by its length."""
    (night.folder / "videos" / "job 1.mp4").write_bytes(b"no video")
    found = await find_recoverable(None, night.folder / "videos", sandbox=False)
    assert found == {spec.id for spec in specs(3) if spec.name != "job 1"}
    with night.store() as store:
        assert await find_recoverable(store, night.folder / "videos", sandbox=False) == frozenset()
    assert await find_recoverable(None, night.folder / "nowhere", sandbox=False) == frozenset()


@pytest.mark.parametrize("sidecars", [BESIDE, Sidecars(folder=Path("facts"))])
async def test_videos_in_folders_are_found_whatever_the_template_is_today(tmp_path: Path, sidecars: Sidecars) -> None:
    """In the database as it was, and then no sidecar is read again."""
    if sidecars.folder is not None:
        sidecars = Sidecars(folder=tmp_path / sidecars.folder)
    night = Night(tmp_path)
    jobs = [replace(spec, stem=f"veo3/{number}/fox") for number, spec in enumerate(specs(3))]
    assert (await night.run(jobs, sidecars=sidecars)).exit_status == 0
    output = night.folder / "videos"
    with Store(night.folder / "new.db") as store:
        run = store.runs.begin_run(command="run", service="x", now=NOW)
        store.imports.add_jobs([*specs(3), make_spec("new")], run=run, now=NOW)
        options: dict[str, Any] = {"run": run, "now": NOW, "sandbox": False, "disk": at_once, "sidecars": sidecars}
        found = await recover_videos(store, output, **options)
        assert len(found.taken_in) == 3
        done = list(store.jobs(S.SUCCEEDED))
        assert [(job.folder, job.file) for job in done] == [(str(output), f"veo3/{n}/fox.mp4") for n in range(3)]
        assert [find_flaw(video_at(job), job.bytes, job.sha256) for job in done] == [None] * 3
        with mock.patch.object(recovery, "read_sidecars", side_effect=AssertionError("read again")):
            await recover_videos(store, output, **options)


async def test_a_sidecar_names_no_other_file(night: Night) -> None:
    """The video is the one beside it, whatever it says."""
    change(night, "job 0", lambda says: says.update(file="../b.db"))
    (sidecar,) = read_sidecars(night.folder / "videos", ["job 0"])
    assert (sidecar.folder, sidecar.file) == (str(night.folder / "videos"), "job 0.mp4")


async def test_no_take_is_bought_because_of_a_sidecar(night: Night) -> None:
    """The sidecar of a second take names the generation of the first."""
    first = night.jobs()[0]
    for suffix in ("json", "mp4"):
        shutil.copy(night.folder / f"videos/job 0.{suffix}", night.folder / f"videos/job 0-take2.{suffix}")
    change(night, "job 0-take2", lambda says: says.update(job_id=make_take_id(first.id, 2), take=2))
    found, after = await recovered(night, specs(3))
    assert len(found.taken_in) == 3
    assert [job.generation_id for job in after if job.take == 1] == [job.generation_id for job in night.jobs()]
    (take,) = [job for job in after if job.take == 2]
    assert (take.state, take.error) == (S.CANCELLED, JUDGED_FIRST)
