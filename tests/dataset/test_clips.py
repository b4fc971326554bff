"""Videos on their way into the folder."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from batchveo.core.models import JobState
from batchveo.core.state_machine import Move
from batchveo.dataset import ExportSettings, Files, Format, Splitting, clips, export
from batchveo.dataset.clips import ClipExporter
from batchveo.dataset.index import INDEX_FILE
from tests.dataset.test_exporter import contents
from tests.helpers.finished_jobs import Morning

ALL = tuple(Format)


def test_what_is_missing_is_written_again(morning: Morning) -> None:
    """A file, a shard, a file that was cut; one whose bytes changed only where hashing is asked for."""
    for name in "abc":
        morning.make(name)
    morning.export(*ALL, files=Files.COPY)
    before = contents(morning.dataset)
    train = morning.dataset / "train"
    (train / "a.mp4").unlink()
    (train / "b.mp4").write_bytes(b"cut")
    (morning.dataset / "train-000000.tar").unlink()
    assert dict(morning.export(*ALL, files=Files.COPY).placed) == {"copied": 2}
    assert contents(morning.dataset) == before
    changed = bytearray((train / "c.mp4").read_bytes())
    changed[-1] ^= 1
    (train / "c.mp4").write_bytes(changed)
    assert morning.export(*ALL, files=Files.COPY).placed == {}
    assert dict(morning.export(*ALL, files=Files.COPY, verify=True).placed) == {"copied": 1}
    assert contents(morning.dataset) == before


def test_a_video_that_is_not_as_recorded_stays_out(morning: Morning) -> None:
    """Changed, cut short, missing: said, and not in the metadata; nothing dangles."""
    for name in "abcd":
        morning.make(name)
    content = bytearray((morning.videos / "a.mp4").read_bytes())
    content[-1] ^= 1
    (morning.videos / "a.mp4").write_bytes(content)
    (morning.videos / "b.mp4").write_bytes(b"cut")
    (morning.videos / "c.mp4").unlink()
    result = morning.export(*ALL)
    problems = {trouble.job.name: trouble.problem for trouble in result.troubles}
    assert "content has changed" in problems["a"]
    assert "3 bytes" in problems["b"]
    assert problems["c"] == "missing"
    assert [row["name"] for row in morning.metadata()] == ["d"]
    assert [path.name for path in (morning.dataset / "train").glob("*.mp4")] == ["d.mp4"]
    assert "content has changed" in (morning.dataset / "README.md").read_text()


def test_many_videos_are_read_ahead_and_stay_in_order(morning: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad one among them stays out alone; those of another model are counted; nothing is read twice."""
    monkeypatch.setattr(clips, "LOOK_AHEAD", 2)
    monkeypatch.setattr(clips, "WORTH_A_THREAD", 0)
    for name in "abcdefg":
        morning.make(name, model="google/veo2" if name == "c" else "google/veo3")
    (morning.videos / "b.mp4").unlink()
    (morning.videos / "e.mp4").write_bytes(b"neither as recorded nor a video")
    seen: list[int] = []
    with morning.store() as store:
        settings = ExportSettings(models=("google/veo3",), splitting=Splitting())
        result = export(store, morning.dataset, settings, seen=seen.append)
    assert [row["name"] for row in morning.metadata()] == ["a", "d", "f", "g"]
    assert {trouble.job.name: trouble.problem for trouble in result.troubles} == {
        "b": "missing",
        "e": f"31 bytes, recorded were {morning.job('e').bytes}",
    }
    assert (result.added, result.left_out, seen[-1]) == (4, 1, 7)
    assert all(row["width"] for row in morning.metadata())


def test_a_clip_stays_in_its_split(morning: Morning) -> None:
    """A manifest that says otherwise later is told so; new cost and meta do arrive."""
    job = morning.make("a", cost=None, meta={"split": "test"})
    morning.export(Format.VIDEOFOLDER, Format.JSONL)
    with morning.store() as store:
        store.transitions.record_cost(job.seq, 1.25)
        store.connection.db.execute('UPDATE jobs SET meta = \'{"split": "train"}\'')
    result = morning.export()
    assert dict(result.splits) == {"test": 1}
    assert any("another split" in note for note in result.notes)
    rows = [json.loads(line) for line in (morning.dataset / "clips.jsonl").read_text().splitlines()]
    assert (rows[0]["cost_usd"], rows[0]["split"], rows[0]["meta"]) == (1.25, "test", '{"split": "train"}')


def test_links_across_file_systems(morning: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    """Symbolic ones, and that is said."""

    def no_link(source: object, target: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    morning.make("a")
    monkeypatch.setattr(os, "link", no_link)
    result = morning.export()
    target = morning.dataset / "train" / "a.mp4"
    assert dict(result.placed) == {"symlinked": 1}
    assert any("symbolic links" in note for note in result.notes)
    assert target.is_symlink()


def test_a_hard_link_shares_the_bytes_and_a_copy_does_not(morning: Morning) -> None:
    """As asked."""
    morning.make("a")
    morning.export()
    target = morning.dataset / "train" / "a.mp4"
    assert target.samefile(morning.videos / "a.mp4")
    shutil.rmtree(morning.dataset)
    morning.export(files=Files.COPY)
    assert not target.samefile(morning.videos / "a.mp4")
    assert target.read_bytes() == (morning.videos / "a.mp4").read_bytes()


def test_a_video_fetched_anew_is_not_mixed_in(morning: Morning) -> None:
    """Other bytes under a name that is published already: said, and left out."""
    job = morning.make("a")
    morning.export()
    with morning.store() as store:
        move = Move(to=JobState.GENERATING, set={"file": None, "sha256": None})
        job = store.transitions.apply_move(job, move, run=None, now=1.0)
        for state, columns in (
            (JobState.DOWNLOADING, {}),
            (JobState.SUCCEEDED, {"file": "a.mp4", "sha256": "ff"}),
        ):
            job = store.transitions.apply_move(job, Move(to=state, set=columns), run=None, now=1.0)
    result = morning.export()
    assert ["fetched anew" in trouble.problem for trouble in result.troubles] == [True]
    assert result.clips == 1


def test_videos_that_an_earlier_version_moved_into_a_dataset(morning: Morning) -> None:
    """Their dataset is the only place that has them; its index says where they came from."""
    job = morning.make("a")
    morning.export()
    (morning.videos / "a.mp4").unlink()
    index = morning.dataset / INDEX_FILE
    (line,) = [line for line in map(json.loads, index.read_text().splitlines()) if "clip" in line]
    with index.open("a") as out:
        out.write(json.dumps({**line, "from": str(morning.videos / "a.mp4")}) + "\n")
    with morning.store() as store:
        store.connection.db.execute("UPDATE jobs SET folder = ?", [str(morning.dataset / "train")])
    result = morning.export(files=Files.COPY, verify=True)
    assert (result.clips, result.added, dict(result.placed), list(result.troubles)) == (1, 0, {}, [])
    morning.dataset.rename(morning.folder / "other")
    with morning.store() as store:
        store.connection.db.execute("UPDATE jobs SET folder = ?", [str(morning.folder / "other" / "train")])
    assert dict(morning.export().placed) == {"linked": 1}
    assert (morning.dataset / "train" / "a.mp4").stat().st_size == job.bytes


def test_a_video_that_is_replaced_after_it_was_read_ahead_stays_out(
    morning: Morning, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dataset has no bytes but those of the record."""
    for name in "ab":
        morning.make(name)
    monkeypatch.setattr(clips, "WORTH_A_THREAD", 0)
    read_video = ClipExporter._read_video
    replaced: list[str] = []

    def read_and_replace(exporter: ClipExporter, path: Path) -> clips._Read:
        found = read_video(exporter, path)
        if path.stem == "a" and not replaced:
            replaced.append(path.stem)
            other = path.with_suffix(".other")
            other.write_bytes(path.read_bytes()[:-1] + b"?")
            other.replace(path)
        return found

    monkeypatch.setattr(ClipExporter, "_read_video", read_and_replace)
    result = morning.export(*ALL)
    assert [trouble.problem for trouble in result.troubles] == ["its content has changed since it was recorded"]
    assert [row["name"] for row in morning.metadata()] == ["b"]
    assert not (morning.dataset / "train" / "a.mp4").exists()
