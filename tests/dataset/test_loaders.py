"""The loaders that people use really load what is exported."""

from __future__ import annotations

import json

import pytest

from batchveo.dataset import Format, Metadata
from tests.helpers.finished_jobs import HOSTILE, Morning, python

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("loaders")]
LOAD = """
import json
from datasets import load_dataset, Video
for arguments in (("videofolder", {"data_dir": "dataset"}), ("./dataset", {})):
    loaded = load_dataset(arguments[0], **arguments[1], cache_dir="cache-" + str(len(arguments[1])))
    loaded = loaded.cast_column("video", Video(decode=False))
    print(json.dumps({split: [[row["text"], row["video"]["path"].rpartition("/")[2], row["model"], row.get("seed")]
                              for row in rows] for split, rows in loaded.items()}))
"""

SHARDS = """
import glob, json
import webdataset
samples = webdataset.WebDataset(sorted(glob.glob("dataset/train-*.tar")), shardshuffle=False).decode()
rows = [[s["__key__"], len(s["mp4"]), s["txt"], s["json"]["text"], s["json"]["job_id"]] for s in samples]
print(json.dumps(rows))
"""


def hostile(morning: Morning) -> None:
    for number, prompt in enumerate(HOSTILE):
        split = ("train", "train", "train", "val", "test", "train")[number]
        changes = {"request": {"seed": number}} if number in (2, 4) else {}
        cost = None if number == 3 else 0.5
        morning.make(f"clip.{number} (x)", prompt=prompt, meta={"split": split}, cost=cost, **changes)
    morning.make("a date", prompt="2024-01-01", meta={"split": "val"})


@pytest.mark.parametrize("metadata", Metadata)
def test_datasets_loads_a_videofolder(morning: Morning, metadata: Metadata) -> None:
    """By ``videofolder`` and by the card, every clip with its caption; whatever else is in the folder."""
    hostile(morning)
    morning.export(*Format, metadata=metadata)
    by_folder, by_card = map(json.loads, python(LOAD, morning.folder).splitlines())
    assert by_folder == by_card
    assert {split: len(rows) for split, rows in by_card.items()} == {"train": 4, "validation": 2, "test": 1}
    rows = [row for rows in by_card.values() for row in rows]
    assert {(row[0], row[1]) for row in rows} == {(job.prompt, f"{job.stem}.mp4") for job in morning.jobs()}
    seeds = {row[0]: row[3] for row in rows}
    expected = {HOSTILE[2]: 2, HOSTILE[4]: 4}
    assert {prompt: seed for prompt, seed in seeds.items() if seed is not None} == (
        expected if metadata is Metadata.PARQUET else {}
    )


def test_webdataset_loads_the_shards(morning: Morning) -> None:
    """Keys are whole ids, although names hold dots; captions are theirs."""
    hostile(morning)
    morning.export(Format.WEBDATASET, split="none", shard_clips=3)
    assert sorted(path.name for path in morning.dataset.glob("*.tar")) == [f"train-{n:06}.tar" for n in range(3)]
    samples = json.loads(python(SHARDS, morning.folder))
    assert {(key, text) for key, _, text, _, _ in samples} == {(job.id, job.prompt) for job in morning.jobs()}
    assert all(text == row_text and key == row_id for key, _, text, row_text, row_id in samples)
    assert sum(size for _, size, _, _, _ in samples) == sum(job.bytes or 0 for job in morning.jobs())
