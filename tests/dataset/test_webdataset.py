"""WebDataset shards."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from pathlib import Path

import pytest

from batchveo.dataset import Format
from batchveo.dataset.index import INDEX_FILE, ExportIndex
from batchveo.dataset.splits import Splitting
from batchveo.dataset.webdataset import ShardClip, ShardWriter
from tests.dataset.test_tables import make_hostile
from tests.helpers.finished_jobs import Morning
from tests.helpers.process_server import run_loader

SHARDS = """
import glob, json
import webdataset
samples = webdataset.WebDataset(sorted(glob.glob("dataset/train-*.tar")), shardshuffle=False).decode()
rows = [[s["__key__"], len(s["mp4"]), s["txt"], s["json"]["text"], s["json"]["job_id"]] for s in samples]
print(json.dumps(rows))
"""


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.xdist_group("loaders")
def test_webdataset_loads_the_shards(morning: Morning) -> None:
    """Keys are whole ids, although names hold dots; captions are theirs."""
    make_hostile(morning)
    morning.export(Format.WEBDATASET, split="none", shard_clips=3)
    assert sorted(path.name for path in morning.dataset.glob("*.tar")) == [f"train-{n:06}.tar" for n in range(3)]
    samples = json.loads(run_loader(SHARDS, morning.folder))
    assert {(key, text) for key, _, text, _, _ in samples} == {(job.id, job.prompt) for job in morning.jobs()}
    assert all(text == row_text and key == row_id for key, _, text, row_text, row_id in samples)
    assert sum(size for _, size, _, _, _ in samples) == sum(job.bytes or 0 for job in morning.jobs())


def test_the_same_clips_make_the_same_bytes(morning: Morning) -> None:
    """In whatever order they came: shards can be compared, and cached, by their hash."""
    for name in "abc":
        morning.make(name)
    morning.export(Format.WEBDATASET)
    first = (morning.dataset / "train-000000.tar").read_bytes()
    shutil.rmtree(morning.dataset)
    morning.export(Format.WEBDATASET)
    assert (morning.dataset / "train-000000.tar").read_bytes() == first


def test_a_shard_is_as_tarfile_writes_it(morning: Morning) -> None:
    """Byte for byte, and its hash is that of the file."""
    for name in ("a", "b.c", "ü"):
        morning.make(name)
    morning.export(Format.WEBDATASET)
    path = morning.dataset / "train-000000.tar"
    copy = morning.folder / "copy.tar"
    with tarfile.open(path) as tar, tarfile.open(copy, "w", format=tarfile.USTAR_FORMAT) as again:
        members = tar.getmembers()
        for member in members:
            again.addfile(member, tar.extractfile(member))
    assert [member.name.partition(".")[2] for member in members] == ["json", "mp4", "txt"] * 3
    assert copy.read_bytes() == path.read_bytes()
    lines = map(json.loads, (morning.dataset / INDEX_FILE).read_text(encoding="utf-8").splitlines())
    assert [line["sha256"] for line in lines if "shard" in line] == [hashlib.sha256(path.read_bytes()).hexdigest()]


@pytest.mark.parametrize("content", [b"short", b"much longer than it was"])
def test_a_video_that_changes_meanwhile_is_in_no_shard(tmp_path: Path, content: bytes) -> None:
    """It was hashed before; the shard keeps its temporary name, and is removed."""
    video = tmp_path / "a.mp4"
    video.write_bytes(content)
    with ExportIndex(tmp_path / "dataset", Splitting(how="none")) as index:
        writer = ShardWriter(tmp_path / "dataset", index, most_bytes=100, most_clips=10)
        writer.add_clip("train", ShardClip("a", video, 9, b"{}", b"", temporary=False))
        with pytest.raises(OSError, match="no longer 9 bytes"):
            writer.write_rest()
    assert not list((tmp_path / "dataset").glob("*.tar*"))
    assert not list((tmp_path / "dataset").glob(".*.part"))
