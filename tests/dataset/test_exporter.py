"""An export: from the jobs that succeeded to a folder that explains itself."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.dataset import Captions, Files, Format
from batchveo.dataset.index import INDEX_FILE, ExportIndex
from batchveo.operations.verify import verify
from tests.helpers.finished_jobs import Morning
from tests.helpers.samples import sample_cases

ALL = tuple(Format)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of the folder but the record, with what is in it."""
    hidden = {INDEX_FILE, ".batchveo-export.lock"}
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in hidden]
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}


def test_everything_that_produced_a_clip_stands_in_its_row(morning: Morning) -> None:
    """The request with its defaults, which of them were defaults, ids, times, cost, hash, what is in the file."""
    job = morning.make(
        "fox",
        model="google/veo-3.1-t2v",
        request={"seed": 7, "negative_prompt": "rain", "duration": 4, "auto_fix": False},
        meta={"scene": "forest", "tags": ["a", 1]},
    )
    morning.export()
    (row,) = morning.metadata()
    assert row["file_name"] == "fox.mp4"
    assert (row["text"], row["negative_prompt"], row["seed"], row["model"]) == ("fox", "rain", 7, job.model)
    assert (row["auto_fix"], row["enhance_prompt"], row["generate_audio"], row["provider"]) == (
        False,
        True,
        True,
        "auto",
    )
    assert set(row["defaulted"].split(",")) == {"resolution", "generate_audio", "provider", "enhance_prompt"}
    assert json.loads(row["request"])["resolution"] == row["resolution"] == "1080p"
    assert json.loads(row["meta"]) == {"scene": "forest", "tags": ["a", 1]}
    assert (row["job_id"], row["generation_id"], row["client_request_id"]) == (
        job.id,
        job.generation_id,
        job.client_request_id,
    )
    assert (row["sha256"], row["bytes"], row["cost_usd"], row["attempts"]) == (job.sha256, job.bytes, 0.5, 1)
    assert (row["manifest"], row["line"], row["repeat_index"]) == ("m.yaml", 1, 0)
    assert (row["submitted_at"], row["generation_seconds"]) == ("1970-01-01T00:00:02.000+00:00", 8.0)
    assert (row["width"], row["height"], row["fps"], row["seconds"], row["has_sound"]) == (
        320,
        180,
        8.0,
        4.0,
        True,
    )


def test_only_what_succeeded_and_was_chosen(morning: Morning) -> None:
    """By model, by meta, by manifest; the others are counted, and the card says why they are not there."""
    morning.make("a", meta={"scene": "x", "n": 1})
    morning.make("b", meta={"scene": "y"})
    morning.make("c", model="veo2", meta={"scene": "x"})
    result = morning.export(models=("google/veo3",), meta=(("scene", "x"), ("n", "1")), manifests=("m.yaml",))
    assert (result.clips, result.left_out) == (1, 2)
    assert [row["name"] for row in morning.metadata()] == ["a"]
    assert "2 videos were not chosen" in (morning.dataset / "README.md").read_text()


def test_a_dataset_of_nothing_is_not_made(morning: Morning) -> None:
    """A filter that fits no video is a slip; a dataset that is there already stays as it is."""
    morning.make("a")
    with pytest.raises(UsageError, match="none of 1 videos is chosen by the filters; nothing was written"):
        morning.export(models=("nope",))
    assert not morning.dataset.exists()
    morning.export()
    assert morning.export(models=("nope",)).added == 0


def test_again_adds_what_is_new_and_leaves_the_rest(morning: Morning) -> None:
    """Shards, files and their bytes; the new shard stands beside the old ones."""
    morning.make("a")
    morning.make("b")
    first = morning.export(*ALL)
    before = contents(morning.dataset)
    again = morning.export(*ALL)
    assert (first.added, again.added, again.clips, again.shards) == (2, 0, 2, [])
    assert contents(morning.dataset) == before
    morning.make("c")
    third = morning.export(*ALL)
    assert (third.added, third.clips, list(third.shards)) == (1, 3, ["train-000001.tar"])
    assert contents(morning.dataset)["train-000000.tar"] == before["train-000000.tar"]
    assert len(morning.metadata()) == 3
    with (morning.dataset / "clips.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["a", "b", "c"]


def test_a_dry_run_writes_nothing(morning: Morning) -> None:
    """But counts, also against what is there."""
    morning.make("a")
    result = morning.export(dry_run=True)
    assert (result.clips, result.added, dict(result.splits)) == (1, 1, {"train": 1})
    assert not morning.dataset.exists()
    morning.export()
    morning.make("b")
    before = contents(morning.dataset)
    assert morning.export(dry_run=True).added == 1
    assert contents(morning.dataset) == before


class Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize(
    "formats",
    # the first has every step of the second
    [
        (Format.CSV, Format.WEBDATASET, Format.VIDEOFOLDER),
        pytest.param((Format.VIDEOFOLDER,), marks=pytest.mark.exhaustive),
    ],
)
@pytest.mark.parametrize("files", sample_cases([Files.LINK, Files.COPY], size=1))
def test_a_death_at_any_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: Files, formats: tuple[Format, ...]
) -> None:
    """After each change of the disk or the state: every video stays, and the same call finishes the work."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # processes die here, not machines
    whole: dict[str, bytes] | None = None
    morning = Morning(tmp_path / "morning")
    morning.folder.mkdir()
    for name in ("a", "b", "c"):
        morning.make(name, meta={"split": "val" if name == "c" else "train"})
    shutil.copytree(morning.folder, tmp_path / "saved")
    for step in range(200):
        shutil.rmtree(morning.folder)
        shutil.copytree(tmp_path / "saved", morning.folder)
        died = dies_at(morning, step, monkeypatch, formats, files)
        with morning.store(writing=False) as store:
            assert [verdict.problem for verdict in verify(store)] == [None] * 3
        result = morning.export(*formats, files=files, shard_clips=1)
        assert (result.clips, list(result.troubles)) == (3, [])
        with morning.store(writing=False) as store:
            assert [verdict.problem for verdict in verify(store)] == [None] * 3
        assert len(list(morning.videos.glob("*.mp4"))) == 3
        left = {n: c for n, c in contents(morning.dataset).items() if n.endswith((".mp4", ".part"))}
        whole = whole or left
        assert left == whole
        assert {len(morning.metadata("train")), len(morning.metadata("val"))} == {2, 1}
        ids = [clip for tar in morning.dataset.glob("*.tar") for clip in members(tar)]
        assert sorted(ids) == (sorted(job.id for job in morning.jobs()) if Format.WEBDATASET in formats else [])
        if not died:
            break
    else:
        pytest.fail("it never came to its end")
    assert step > 10


def members(tar: Path) -> list[str]:
    import tarfile

    with tarfile.open(tar) as file:
        return [name.removesuffix(".mp4") for name in file.getnames() if name.endswith(".mp4")]


def dies_at(
    morning: Morning, step: int, monkeypatch: pytest.MonkeyPatch, formats: tuple[Format, ...], files: Files
) -> bool:
    """Export until the ``step``-th change; whether it died before its end."""
    left = [step]

    def mortal(real: object) -> object:
        def call(*args: object, **kwargs: object) -> object:
            if left[0] == 0:
                raise Died
            left[0] -= 1
            return real(*args, **kwargs)  # type: ignore[operator]

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", mortal(os.link))
        patch.setattr(os, "copy_file_range", mortal(os.copy_file_range))
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, mortal(getattr(Path, name)))
        patch.setattr(ExportIndex, "_write_line", mortal(ExportIndex._write_line))
        try:
            morning.export(*formats, files=files, shard_clips=1)
        except Died:
            return True
    return False


@pytest.mark.parametrize("name", ["train/.metadata.jsonl.part", ".clips.csv.part", ".README.md.part"])
def test_a_link_that_lies_where_a_part_goes(morning: Morning, name: str) -> None:
    """What it leads to is not written to."""
    morning.make("a")
    (morning.folder / "mine").write_text("precious")
    (morning.dataset / "train").mkdir(parents=True)
    (morning.dataset / INDEX_FILE).touch()
    (morning.dataset / name).symlink_to(morning.folder / "mine")
    assert morning.export(*Format).clips == 1
    assert (morning.folder / "mine").read_text() == "precious"


def test_clips_in_folders_keep_them(morning: Morning) -> None:
    """In the split's folder, the tables, the captions and the description; a shard names a clip by its id."""
    morning.make("fox", stem="veo3.1/red/fox")
    morning.make("cat", stem="veo3.1/red/cat")
    result = morning.export(*ALL, captions=Captions.TXT)
    assert (result.clips, result.added, result.troubles) == (2, 2, [])
    assert [row["file_name"] for row in morning.metadata()] == ["veo3.1/red/fox.mp4", "veo3.1/red/cat.mp4"]
    for name in ("fox", "cat"):
        assert (morning.dataset / f"train/veo3.1/red/{name}.mp4").samefile(morning.videos / f"veo3.1/red/{name}.mp4")
        assert (morning.dataset / f"train/veo3.1/red/{name}.txt").read_text() == name
    assert "train/**/*.mp4" in (morning.dataset / "README.md").read_text()
    before = contents(morning.dataset)
    again = morning.export(*ALL, captions=Captions.TXT)
    assert (again.clips, again.added, again.troubles) == (2, 0, [])
    assert contents(morning.dataset) == before
    with tarfile.open(morning.dataset / "train-000000.tar") as shard:
        assert not any("/" in name for name in shard.getnames())


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_is_in_the_place_of_a_folder_is_left_alone(morning: Morning, tmp_path: Path, kind: str) -> None:
    """The clip is reported, and nothing is written to where a link leads."""
    morning.make("cat")
    morning.export()
    elsewhere = tmp_path / "else"
    elsewhere.mkdir()
    if kind == "file":
        (morning.dataset / "train/red").write_text("precious")
    else:
        (morning.dataset / "train/red").symlink_to(elsewhere)
    morning.make("fox", stem="red/fox")
    result = morning.export()
    (trouble,) = result.troubles
    assert "in the place of a folder" in trouble.problem
    assert [row["file_name"] for row in morning.metadata()] == ["cat.mp4"]
    assert list(elsewhere.iterdir()) == []
