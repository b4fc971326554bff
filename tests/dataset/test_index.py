"""The index of an exported folder."""

from __future__ import annotations

import json

import pytest

from batchveo.core.errors import UsageError
from batchveo.dataset.index import INDEX_FILE, ExportIndex
from batchveo.dataset.splits import Splitting
from tests.helpers.finished_jobs import Morning


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
    assert ["another file is at" in trouble.problem for trouble in result.troubles] == [True]
    assert (morning.dataset / "notes.txt").read_text() == "dear"
    assert (morning.dataset / "train" / "b.mp4").read_text() == "a stranger's"


def test_two_exports_into_one_folder(morning: Morning) -> None:
    """The second is told."""
    morning.make("a")
    morning.dataset.mkdir()
    with ExportIndex(morning.dataset, Splitting()), pytest.raises(UsageError, match="another export writes"):
        morning.export()


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
        ("train", "train/a/../../../out.mp4"),
        ("train", "train/a//out.mp4"),
        ("train", "train"),
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


@pytest.mark.parametrize("name", [INDEX_FILE, "train"])
def test_links_out_of_the_folder_are_refused(morning: Morning, name: str) -> None:
    """A record or a split that is elsewhere: the folder may be somebody else's work."""
    morning.make("a")
    morning.export()
    (morning.dataset / name).rename(morning.folder / "elsewhere")
    (morning.dataset / name).symlink_to(morning.folder / "elsewhere")
    with pytest.raises(UsageError, match="is a link"):
        morning.export()
