"""WebDataset shards."""

from __future__ import annotations

import json
import shutil

import pytest

from batchveo.dataset import Format
from tests.dataset.test_tables import make_hostile
from tests.helpers.finished_jobs import Morning, python

SHARDS = """
import glob, json
import webdataset
samples = webdataset.WebDataset(sorted(glob.glob("dataset/train-*.tar")), shardshuffle=False).decode()
rows = [[s["__key__"], len(s["mp4"]), s["txt"], s["json"]["text"], s["json"]["job_id"]] for s in samples]
print(json.dumps(rows))
"""


@pytest.mark.slow
@pytest.mark.xdist_group("loaders")
def test_webdataset_loads_the_shards(morning: Morning) -> None:
    """Keys are whole ids, although names hold dots; captions are theirs."""
    make_hostile(morning)
    morning.export(Format.WEBDATASET, split="none", shard_clips=3)
    assert sorted(path.name for path in morning.dataset.glob("*.tar")) == [f"train-{n:06}.tar" for n in range(3)]
    samples = json.loads(python(SHARDS, morning.folder))
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
