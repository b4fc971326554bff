"""An export: from the jobs that succeeded to a folder that explains itself."""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.core.models import JobState
from batchveo.core.state_machine import Move
from batchveo.dataset import Files, Format, Metadata, clips
from batchveo.dataset.index import INDEX_FILE, ExportIndex
from batchveo.dataset.splits import Splitting
from batchveo.operations.verify import verify
from tests.helpers.finished_jobs import HOSTILE, Morning

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
    assert row["defaulted"].split(",") == ["resolution", "generate_audio", "provider", "enhance_prompt"]
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


def test_the_same_clips_make_the_same_bytes(morning: Morning) -> None:
    """In whatever order they came: shards can be compared, and cached, by their hash."""
    for name in "abc":
        morning.make(name)
    morning.export(Format.WEBDATASET)
    first = (morning.dataset / "train-000000.tar").read_bytes()
    shutil.rmtree(morning.dataset)
    morning.export(Format.WEBDATASET)
    assert (morning.dataset / "train-000000.tar").read_bytes() == first


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


def test_another_way_of_splitting_is_refused(morning: Morning) -> None:
    """It would put one clip on both sides."""
    morning.make("a")
    morning.export(split="0.5/0.5")
    with pytest.raises(UsageError, match=r"split by --split 0\.5/0\.5"):
        morning.export(split="0.9/0.1")


def test_a_folder_with_other_things_is_refused(morning: Morning) -> None:
    """Whatever they are; an empty one is fine, and nothing of others in its own is touched."""
    morning.make("a")
    morning.dataset.mkdir()
    (morning.dataset / "thesis.tex").write_text("dear")
    with pytest.raises(UsageError, match="holds other things"):
        morning.export()
    (morning.dataset / "thesis.tex").unlink()
    morning.export()
    (morning.dataset / "notes.txt").write_text("dear")
    (morning.dataset / "train" / "b.mp4").write_text("a stranger's")
    morning.make("b")
    result = morning.export()
    assert ["another file stands at" in trouble.problem for trouble in result.troubles] == [True]
    assert (morning.dataset / "notes.txt").read_text() == "dear"
    assert (morning.dataset / "train" / "b.mp4").read_text() == "a stranger's"


def test_metadata_that_somebody_wrote_beside_a_table(morning: Morning) -> None:
    """Earlier versions wrote none there: they are left alone, in the next export too."""
    morning.make("a")
    morning.export(Format.FOLDER)
    mine = morning.dataset / "train" / "metadata.csv"
    mine.write_text("file_name,text\na.mp4,my words\n")
    record = morning.dataset / INDEX_FILE
    record.write_text(record.read_text().replace('["folder"]', '["csv"]'))
    for _ in range(2):
        result = morning.export(Format.CSV)
        assert any(note.startswith("train/metadata.csv is not of this export") for note in result.notes)
        assert sorted(path.name for path in (morning.dataset / "train").iterdir()) == ["a.mp4", "metadata.csv"]
    mine.unlink()
    morning.export(Format.CSV)
    morning.make("b")
    morning.export(Format.CSV)
    assert sorted(path.suffix for path in (morning.dataset / "train").iterdir()) == [".mp4", ".mp4", ".parquet"]


def test_two_exports_into_one_folder(morning: Morning) -> None:
    """The second is told."""
    morning.make("a")
    morning.dataset.mkdir()
    with ExportIndex(morning.dataset, Splitting()), pytest.raises(UsageError, match="another export writes"):
        morning.export()


def test_an_edited_card_is_left_alone(morning: Morning) -> None:
    """The licence that somebody wrote into it stays; the new text stands beside it."""
    morning.make("a")
    morning.export()
    card = morning.dataset / "README.md"
    card.write_text("license: cc0-1.0")
    result = morning.export()
    assert card.read_text() == "license: cc0-1.0"
    assert any("README.new.md" in note for note in result.notes)
    assert "1 clips" in (morning.dataset / "README.new.md").read_text()


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


def test_links_across_file_systems(morning: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    """Symbolic ones, and that is said."""

    def no_link(source: object, target: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    morning.make("a")
    monkeypatch.setattr(clips.os, "link", no_link)
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


class Died(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("formats", [(Format.VIDEOFOLDER,), (Format.CSV, Format.WEBDATASET, Format.VIDEOFOLDER)])
@pytest.mark.parametrize("files", [Files.LINK, Files.COPY])
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


def test_a_torn_record_is_mended(morning: Morning) -> None:
    """A power cut in the middle of its last line, or of a clip that it had noted and the disk had not."""
    morning.make("a")
    morning.make("b")
    morning.export()
    record = morning.dataset / INDEX_FILE
    for lost in (3, len(record.read_bytes()) // 2):
        record.write_bytes(record.read_bytes()[:-lost])
        assert morning.export().clips == 2
        assert len(morning.metadata()) == 2
    record.write_bytes(b"nonsense\n" + record.read_bytes())
    with pytest.raises(UsageError, match="cannot be read"):
        morning.export()


@pytest.mark.parametrize(
    ("split", "file_name"),
    [
        ("train", "../../out.mp4"),
        ("train", "/tmp/out.mp4"),
        ("train", "train/../../out.mp4"),
        ("train", "train/.."),
        ("train", "train/C:\\out.mp4"),
        ("../..", "../../out.mp4"),
        ("/tmp", "/tmp/out.mp4"),
        ("train", "other/out.mp4"),
    ],
)
def test_a_record_that_leads_out_of_the_folder(morning: Morning, split: str, file_name: str) -> None:
    """It may be somebody else's work: nothing is written where it says."""
    morning.make("a")
    morning.export()
    record = morning.dataset / INDEX_FILE
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    for line in lines:
        line.get("clip", {}).update(split=split, file_name=file_name)
    record.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    before = sorted(morning.folder.rglob("*"))
    with pytest.raises(UsageError, match="cannot be read"):
        morning.export()
    assert sorted(morning.folder.rglob("*")) == before


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


@pytest.mark.parametrize("name", [INDEX_FILE, "train"])
def test_links_out_of_the_folder_are_refused(morning: Morning, name: str) -> None:
    """A record or a split that is elsewhere: the folder may be somebody else's work."""
    morning.make("a")
    morning.export()
    (morning.dataset / name).rename(morning.folder / "elsewhere")
    (morning.dataset / name).symlink_to(morning.folder / "elsewhere")
    with pytest.raises(UsageError, match="is a link"):
        morning.export()


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


def test_hostile_captions_survive_in_every_table(morning: Morning) -> None:
    """Character by character, in JSON Lines, CSV and Parquet; formulas are warned of."""
    from pyarrow import parquet

    for number, prompt in enumerate(HOSTILE):
        morning.make(f"c{number}", prompt=prompt)
    result = morning.export(Format.JSONL, Format.CSV, Format.PARQUET)
    text = (morning.dataset / "clips.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["text"] for line in text.splitlines()] == HOSTILE
    with (morning.dataset / "clips.csv").open(newline="", encoding="utf-8") as file:
        assert [row["text"] for row in csv.DictReader(file)] == HOSTILE
    table = parquet.read_table(morning.dataset / "clips.parquet")
    assert table["text"].to_pylist() == HOSTILE
    assert str(table.schema.field("seed").type) == "int64"
    assert any("formulas" in note for note in result.notes)


def test_what_the_metadata_lose_is_said(morning: Morning) -> None:
    """A column that only one split has; not one that nobody has, and nothing in Parquet."""
    morning.make("a", request={"seed": 3}, meta={"split": "train"})
    morning.make("b", meta={"split": "val"})
    assert any("has no seed:" in note for note in morning.export().notes)
    assert not any("metadata" in note for note in morning.export(metadata=Metadata.PARQUET).notes)
    assert not (morning.dataset / "train" / "metadata.jsonl").exists()
