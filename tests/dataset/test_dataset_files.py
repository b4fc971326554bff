"""The files beside the clips: metadata, captions, descriptions."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.dataset import Captions, Format, dataset_files
from batchveo.dataset.index import INDEX_FILE
from tests.helpers.finished_jobs import HOSTILE, Morning
from tests.helpers.process_server import run_loader

LOAD = """
from datasets import load_dataset
for path, options in (("./dataset", {}), ("videofolder", {"data_dir": "dataset"})):
    print(load_dataset(path, **options, split="train", cache_dir="cache")["text"][:])
"""


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_bytes().decode() for path in sorted(folder.rglob("*.txt"))}


@pytest.mark.parametrize("form", [form for form in Format if form is not Format.WEBDATASET])
def test_one_beside_each_clip(morning: Morning, form: Format) -> None:
    """In its split, under its name, whatever dots that has; the prompt in UTF-8, and nothing else."""
    for number, prompt in enumerate(HOSTILE):
        morning.make(f"clip.{number} (x)", prompt=prompt, meta={"split": ("train", "val")[number % 2]})
    morning.export(form, captions=Captions.TXT)
    assert texts(morning.dataset) == {
        f"{('train', 'val')[number % 2]}/clip.{number} (x).txt": prompt for number, prompt in enumerate(HOSTILE)
    }


def test_blanks_and_line_ends_around_a_prompt_are_cut(morning: Morning) -> None:
    """A block of YAML ends in one; those within stay."""
    morning.make("a", prompt="  A cat.\nAnd a dog.\n\n")
    morning.export(captions=Captions.TXT)
    assert texts(morning.dataset) == {"train/a.txt": "A cat.\nAnd a dog."}


def test_shards_have_them_anyway(morning: Morning) -> None:
    """There is no loose video that a loose caption could stand beside."""
    job = morning.make("a", prompt="A cat")
    morning.export(Format.WEBDATASET, captions=Captions.TXT)
    assert texts(morning.dataset) == {}
    with tarfile.open(morning.dataset / "train-000000.tar") as tar:
        member = tar.extractfile(f"{job.id}.txt")
        assert member is not None
        assert member.read() == b"A cat"


def test_later_exports_keep_them_up_to_date(morning: Morning) -> None:
    """Without being asked again: a new clip gets one, a lost or empty one is written anew."""
    morning.make("a")
    morning.export(captions=Captions.TXT)
    morning.make("b")
    morning.make("c")
    (morning.dataset / "train" / "a.txt").write_text("")
    morning.export()
    assert texts(morning.dataset) == {f"train/{name}.txt": name for name in "abc"}


def test_an_edited_caption_is_left_alone(morning: Morning) -> None:
    """It is somebody's work; that is said."""
    morning.make("a")
    morning.make("b")
    morning.export(captions=Captions.TXT)
    (morning.dataset / "train" / "a.txt").write_text("A better caption")
    result = morning.export(captions=Captions.TXT)
    assert texts(morning.dataset) == {"train/a.txt": "A better caption", "train/b.txt": "b"}
    assert "1 captions were edited and are left alone" in result.notes


def test_what_a_link_leads_to_is_not_written_to(morning: Morning) -> None:
    """Neither by a part nor by the caption itself."""
    morning.make("a")
    morning.export()
    (morning.folder / "mine").write_text("")
    for name in ("a.txt", ".a.txt.part"):
        (morning.dataset / "train" / name).symlink_to(morning.folder / "mine")
    morning.export(captions=Captions.TXT)
    assert (morning.folder / "mine").read_text() == ""
    assert (morning.dataset / "train" / "a.txt").read_text() == "a"


@pytest.mark.exhaustive
def test_folders_with_them_still_load(morning: Morning) -> None:
    """A loader of videos does not take them for videos."""
    morning.make("a")
    morning.export(captions=Captions.TXT)
    assert run_loader(LOAD, morning.folder) == "['a']\n['a']\n"


def test_from_the_command_line(morning: Morning) -> None:
    """``--captions txt``."""
    morning.make("a")
    assert status_of(["export", str(morning.dataset), "--state", str(morning.state), "--captions", "txt"]) == 0
    assert texts(morning.dataset) == {"train/a.txt": "a"}


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


def test_a_table_alone_has_captions_without_pyarrow(morning: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    """In JSON Lines beside the videos; with pyarrow, typed."""
    monkeypatch.setattr(dataset_files, "has_arrow", lambda: False)
    morning.make("a")
    morning.export(Format.CSV)
    assert [row["text"] for row in morning.metadata()] == ["a"]
    monkeypatch.undo()
    morning.export(Format.CSV)
    assert sorted(path.name for path in (morning.dataset / "train").iterdir()) == ["a.mp4", "metadata.parquet"]
