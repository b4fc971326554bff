"""Tables, and the metadata of a VideoFolder."""

from __future__ import annotations

import csv
import json

import pytest

from batchveo.dataset import Format, Metadata
from tests.helpers.finished_jobs import HOSTILE, Morning
from tests.helpers.process_server import run_loader

LOAD = """
import json
from datasets import load_dataset, Video
for arguments in (("videofolder", {"data_dir": "dataset"}), ("./dataset", {})):
    loaded = load_dataset(arguments[0], **arguments[1], cache_dir="cache-" + str(len(arguments[1])))
    loaded = loaded.cast_column("video", Video(decode=False))
    print(json.dumps({split: [[row["text"], row["video"]["path"].rpartition("/")[2], row["model"], row.get("seed")]
                              for row in rows] for split, rows in loaded.items()}))
"""


def make_hostile(morning: Morning) -> None:
    for number, prompt in enumerate(HOSTILE):
        split = ("train", "train", "train", "val", "test", "train")[number]
        changes = {"request": {"seed": number}} if number in (2, 4) else {}
        cost = None if number == 3 else 0.5
        morning.make(f"clip.{number} (x)", prompt=prompt, meta={"split": split}, cost=cost, **changes)
    morning.make("a date", prompt="2024-01-01", meta={"split": "val"})


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.xdist_group("loaders")
@pytest.mark.parametrize("metadata", Metadata)
def test_datasets_loads_a_videofolder(morning: Morning, metadata: Metadata) -> None:
    """By ``videofolder`` and by the card, every clip with its caption; whatever else is in the folder."""
    make_hostile(morning)
    morning.export(*Format, metadata=metadata)
    by_folder, by_card = map(json.loads, run_loader(LOAD, morning.folder).splitlines())
    assert by_folder == by_card
    assert {split: len(rows) for split, rows in by_card.items()} == {"train": 4, "validation": 2, "test": 1}
    rows = [row for rows in by_card.values() for row in rows]
    assert {(row[0], row[1]) for row in rows} == {(job.prompt, f"{job.stem}.mp4") for job in morning.jobs()}
    seeds = {row[0]: row[3] for row in rows}
    expected = {HOSTILE[2]: 2, HOSTILE[4]: 4}
    assert {prompt: seed for prompt, seed in seeds.items() if seed is not None} == (
        expected if metadata is Metadata.PARQUET else {}
    )


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
