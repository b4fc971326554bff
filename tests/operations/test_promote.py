"""A manifest of chosen clips for another model."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from batchveo.core.errors import ManifestError, UsageError
from batchveo.core.gates import CheckPolicy, parse_policy
from batchveo.core.links import ChainPlace, Link, ParentLink
from batchveo.core.models import INPUT_PREFIX, InputFile, Job, JobSpec
from batchveo.core.votes import VoteKind
from batchveo.engine.stages.clip_inspector import ClipInspector, StoredClips
from batchveo.operations.promote import (
    Promotion,
    check_manifest_name,
    format_manifest,
    plan_promotion,
    write_manifest,
)
from batchveo.operations.run_setup import ManifestSources
from batchveo.store import FinishedVideo, Store
from tests.helpers.chains import make_chain
from tests.helpers.factories import make_spec
from tests.helpers.fake_clips import FakeClips
from tests.helpers.finished_jobs import HOSTILE, Morning
from tests.helpers.manifests import PNG

CHEAP, DEAR = "google/veo-3.0-fast", "google/veo-3.1-t2v"


@pytest.fixture
def morning(tmp_path: Path) -> Morning:
    return Morning(tmp_path)


def promote(morning: Morning, **options: Any) -> Promotion:
    with morning.store(writing=False) as store:
        return plan_promotion(store, **{"new": DEAR, "picked": False, "where": None, **options})


def read_back(
    morning: Morning, promotion: Promotion, name: str = "promoted.yaml", clips: ClipInspector | None = None
) -> list[JobSpec]:
    """The jobs of the manifest that is written, by the reader that ``plan`` and ``run`` use."""
    path = morning.folder / name
    with morning.store(writing=False) as store:
        anyio.run(write_manifest, store, promotion, path, clips or StoredClips())
    with ManifestSources(paths=[path]).stage() as staged, Store(morning.folder / f"{name}.db") as store:
        store.runs.begin_run(command="run", service="s", now=1.0)
        staged.add_to(store, run=1, now=2.0)
        return list(store.jobs())  # type: ignore[arg-type]  # a job has all fields of its spec


@pytest.mark.parametrize("name", ["promoted.yaml", "promoted.jsonl"])
def test_the_same_prompts_and_seeds_for_the_new_model(morning: Morning, name: str) -> None:
    """Letter by letter, whatever the texts look like to a reader of YAML, with names and meta."""
    texts = [*HOSTILE, "a {brace} and {{two}}", "on", "1e3", "16:9", " ~ "]
    meta = {"set": "{x}", "deep": {"on": ["1e3", 2, None]}}
    old = [
        morning.make(f"clip {n}", prompt=text, model=CHEAP, request={"seed": n, "negative_prompt": "{no}"}, meta=meta)
        for n, text in enumerate(texts)
    ]
    promotion = promote(morning)
    new = read_back(morning, promotion, name)
    assert [job.model for job in new] == [DEAR] * len(old)
    assert [job.request for job in new] == [{**job.request, "model": DEAR} for job in old]
    assert [job.name for job in new] == [job.name for job in old]
    assert [job.meta for job in new] == [{**meta, "promoted_from": job.id} for job in old]


def test_clips_are_chosen_as_by_an_export(morning: Morning) -> None:
    """By picks, by a condition, or both; never what gates or people rejected."""
    good, bad, refused, other = (
        morning.make(name, model=CHEAP, request={"seed": n}) for n, name in enumerate(("good", "bad", "no", "other"))
    )
    morning.judge(bad, "has_sound")
    morning.vote(VoteKind.REJECT, refused)
    morning.vote(VoteKind.PICK, good)

    def names(**options: Any) -> list[object]:
        return [entry["name"] for entry in promote(morning, **options).entries]

    assert names() == ["good", "other"]
    assert names(picked=True) == ["good"]
    assert names(where="seed >= 3") == ["other"]
    left_out = promote(morning, picked=True).left_out
    assert left_out == {"rejected by their gates": 1, "rejected by people": 1, "not picked": 1}
    with pytest.raises(UsageError, match="nothing to promote: 4 not chosen"):
        promote(morning, where="seed > 9")
    with pytest.raises(UsageError, match="--where: sed is not a field"):
        promote(morning, where="sed > 9")
    assert other.name == "other"


def test_what_does_not_fit_is_reported_at_once(morning: Morning) -> None:
    """Of all clips, each with the option that leaves it out; with it they pass."""
    morning.make("a", model="pixverse/v5/text-to-video", request={"style": "clay", "seed": 1})
    morning.make("b", model=CHEAP, request={"duration": 77})
    with pytest.raises(ManifestError) as caught:
        promote(morning)
    text = str(caught.value)
    assert "job a: " in text
    assert "--drop style leaves it out" in text
    assert "job b: " in text
    assert "--drop duration leaves it out" in text
    entries = promote(morning, drop=("style", "duration")).entries
    assert [entry.get("seed") for entry in entries] == [1, None]
    with pytest.raises(UsageError, match="--drop colour: none of these jobs gives it"):
        promote(morning, drop=("colour",))
    with pytest.raises(UsageError, match="not a known model"):
        promote(morning, new="google/veo-9")


def test_one_request_is_made_once(morning: Morning) -> None:
    """Clips of several models that become the same request; those of the new model are there already."""
    first = morning.make("a", prompt="a fox", model=CHEAP, request={"seed": 1})
    morning.make("b", prompt="a fox", model="google/veo3", request={"seed": 1})
    morning.make("c", prompt="a fox", model=DEAR, request={"seed": 1})
    promotion = promote(morning)
    assert [entry["meta"] for entry in promotion.entries] == [{"promoted_from": first.id}]
    assert (promotion.same, promotion.already) == (1, 1)
    with pytest.raises(UsageError, match=f"the chosen clips are of {DEAR} already"):
        promote(morning, where='name == "c"')


def test_takes_and_fields_that_are_not_checked(morning: Morning) -> None:
    """A take is promoted with its own request and gates; what a manifest leaves unchecked stays so."""
    policy = CheckPolicy(gates=("has_sound", 'meta.x == "{y}"'), prefer="-motion").to_json()
    job = morning.make("a", model=CHEAP, request={"lens": 24}, unchecked=("lens",), policy=policy)
    take = morning.make_again(job, "has_sound")
    (new,) = read_back(morning, promote(morning))
    assert (new.name, new.meta, new.unchecked) == ("a-take2", {"promoted_from": take.id}, ("lens",))
    assert new.request == {"model": DEAR, "prompt": "a", "lens": 24}
    assert parse_policy(new.policy).gates == parse_policy(policy).gates
    assert parse_policy(new.policy).prefer == "-motion"


def test_names_are_kept_if_they_are_free(morning: Morning) -> None:
    """In one manifest no two jobs have one name; jobs of several manifests may."""
    morning.make("fox", model=CHEAP, request={"seed": 1})
    morning.make("owl", model=CHEAP, request={"seed": 2}, id="0123456789abcdef0123")
    with morning.store() as store:
        store.connection.db.execute("UPDATE jobs SET name = 'fox'")
    assert [job.name for job in read_back(morning, promote(morning))] == ["fox", "fox-01234567"]


def test_input_files_are_beside_the_manifest(morning: Morning) -> None:
    """So that it reads the same bytes; they cannot be printed."""
    path = morning.folder / "fox.png"
    path.write_bytes(PNG)
    file = InputFile(sha256=hashlib.sha256(PNG).hexdigest(), media_type="image/png", path=str(path))
    model, new = "google/veo-3.0-i2v-fast", "google/veo-3.0-i2v"
    morning.make("a", model=model, request={"image_url": file.reference}, inputs=(file,))
    path.unlink()
    promotion = promote(morning, new=new)
    (job,) = read_back(morning, promotion)
    assert job.request == {"model": new, "prompt": "a", "image_url": file.reference}
    (copied,) = (morning.folder / "promoted-inputs").iterdir()
    assert (copied.suffix, copied.read_bytes()) == (".png", PNG)
    with pytest.raises(UsageError, match="made from local files or frames: name a manifest by --output"):
        format_manifest(promotion)


def test_no_file_of_a_user_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    check_manifest_name(path)
    path.write_text("jobs: []")
    with pytest.raises(UsageError, match="is there already"):
        check_manifest_name(path)
    with pytest.raises(UsageError, match=r"ends in \.yaml"):
        check_manifest_name(tmp_path / "m.csv")
    check_manifest_name(Path("-"))


def test_defaults_that_differ_are_named(morning: Morning) -> None:
    """What a request leaves to the model is another value of the new one."""
    morning.make("a", model="luma/ray-2")
    defaults = {default.name: str(default) for default in promote(morning).defaults}
    assert defaults["duration"] == "duration: 5 by default before, 8 now, in 1 job without it"


def test_a_clip_of_a_chain_takes_the_frame_along(morning: Morning) -> None:
    """Which it was made from, as a file; the whole video of another job is nothing that a manifest can have."""
    first, second = make_chain(2)
    parent = morning.make("shot 0", model=first.model, request=first.request)
    with morning.store() as store:
        place = ChainPlace(
            chain=parent.id, link=2, parents=(ParentLink(part="last", parent=parent.id, takes_data=True),)
        )
        frame = Link("last", parent.id).reference
        spec = replace(second, request={**second.request, "image_url": frame}, chain=place)
        store.imports.add_jobs([spec], run=1, now=1.0)
        (link,) = store.links.list_open_links(parent.seq)
        store.links.fill_frame(link, parent, PNG, run=1, now=2.0)
        morning._finish_next(store, "shot 1", 0.5)
    promotion = promote(morning, new="veo-3.1-lite-generate-001", where="name == 'shot 1'")
    (job,) = read_back(morning, promotion)
    assert job.request["image_url"] == f"{INPUT_PREFIX}{hashlib.sha256(PNG).hexdigest()}"


class WithFrames(FakeClips):
    """Clips of which a frame can be taken."""

    async def take_frame(self, job: Job, part: str) -> bytes:
        await super().take_frame(job, part)
        return PNG


def test_a_frame_that_was_dropped_is_taken_again(morning: Morning) -> None:
    """The database drops it once the clip is there, and a clip of a chain can be promoted all the same."""
    parent, shot = morning.make_chain("shot", 2)
    with morning.store() as store:
        store.links.drop_frames(shot)
        assert store.connection.db.execute("SELECT count(*) FROM inputs").fetchone()[0] == 0
    promotion = promote(morning, new="veo-3.1-lite-generate-001", where="name == 'shot-2'")
    clips = WithFrames(seconds=0)
    (job,) = read_back(morning, promotion, clips=clips)
    assert job.request["image_url"] == f"{INPUT_PREFIX}{hashlib.sha256(PNG).hexdigest()}"
    assert clips.frames == [(parent.name, "last")]
    problem = "image_url: job shot-2: the last frame of 'shot-1' cannot be taken again: Input/output error"
    with pytest.raises(ManifestError, match=f"{problem} .promote another clip, or --drop image_url leaves it out"):
        read_back(morning, promotion, "again.yaml", FakeClips(seconds=0, unreadable=True))
    assert not list(morning.folder.glob("*again*"))


def test_a_dropped_frame_of_a_video_that_was_replaced_is_gone(morning: Morning) -> None:
    parent, shot = morning.make_chain("shot", 2)
    with morning.store() as store:
        store.links.drop_frames(shot)
        store.connection.db.execute("UPDATE jobs SET sha256 = 'other' WHERE seq = ?", (parent.seq,))
    chosen = {"new": "veo-3.1-lite-generate-001", "where": "name == 'shot-2'"}
    with pytest.raises(
        ManifestError, match=r"is not kept, and the video that had it was replaced(.|\n)*--drop image_url"
    ):
        promote(morning, **chosen)
    assert "image_url" not in promote(morning, **chosen, drop=["image_url"]).entries[0]


def test_a_frame_that_only_a_lost_database_had_is_left_out(morning: Morning) -> None:
    """An imported clip of a chain has no frame: that is said, and --drop helps."""
    first, second = make_chain(2)
    parent = morning.make("shot 0", model=first.model, request=first.request)
    parents = (ParentLink(part="last", parent=parent.id, takes_data=True),)
    request = {**second.request, "image_url": Link("last", parent.id).reference}
    with morning.store() as store:
        place = ChainPlace(chain=parent.id, link=2, parents=parents)
        store.imports.add_jobs([replace(second, request=request, chain=place)], run=1, now=1.0)
        (job,) = store.queries.find_jobs(second.id)
        video = FinishedVideo(folder="/v", file="shot 1.mp4", bytes=1, sha256="00", generation_id="g-imported")
        store.manual.adopt_video(job, video, run=1, now=2.0)
    chosen = {"new": "veo-3.1-lite-generate-001", "where": "name == 'shot 1'"}
    with pytest.raises(UsageError, match="--drop image_url leaves it out"):
        promote(morning, **chosen)
    assert "image_url" not in promote(morning, **chosen, drop=["image_url"]).entries[0]


def test_a_clip_made_from_a_whole_video_cannot_be_promoted(morning: Morning) -> None:
    parent = morning.make("wave")
    request = {"prompt": "more", "video_url": Link("video", parent.id).reference}
    place = ChainPlace(chain=parent.id, link=2, parents=(ParentLink(part="video", parent=parent.id),))
    with morning.store() as store:
        store.imports.add_jobs([make_spec("wave 2", request=request, chain=place)], run=1, now=1.0)
        (link,) = store.links.list_open_links(parent.seq)
        store.links.fill_text(link, parent, "https://x/v.mp4", run=1, now=2.0)
        morning._finish_next(store, "wave 2", 0.5)
    with pytest.raises(UsageError, match="--drop video_url"):
        promote(morning, where="name == 'wave 2'")
    assert len(promote(morning, where="name == 'wave 2'", drop=["video_url"]).entries) == 1
