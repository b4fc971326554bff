"""Chains in datasets: their columns, and the split that all of a chain are in."""

from __future__ import annotations

import csv
import json
import tarfile

import pytest

from batchveo.core.errors import UsageError
from batchveo.dataset import Format
from tests.helpers.finished_jobs import Morning

CHAIN = ("chain", "link", "parent")


def places(morning: Morning) -> dict[str, tuple[object, ...]]:
    """The place of each clip in its chain, as a table has it."""
    with (morning.dataset / "clips.csv").open(encoding="utf-8", newline="") as file:
        return {row["name"]: tuple(row.get(name) for name in CHAIN) for row in csv.DictReader(file)}


def splits(morning: Morning) -> dict[str, str]:
    lines = (morning.dataset / "clips.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["name"]: row["split"] for row in map(json.loads, lines)}


def test_the_place_of_a_clip_in_its_chain(morning: Morning) -> None:
    """In all tables and shards; a clip that is in no chain has none."""
    one, two = morning.make_chain("day", 2)
    other = morning.make("dusk")
    between = morning.link("both", ("image_url", two, "last"), ("last_image_url", other, "first"))
    take = morning.make_again(morning.read(two.seq), "black_seconds < 1")
    morning.export(Format.CSV, Format.JSONL, Format.WEBDATASET, include_rejected=True)
    assert places(morning) == {
        "day-1": (one.id, "1", ""),
        "day-2": (one.id, "2", one.id),
        "dusk": ("", "", ""),
        "both": (one.id, "3", f"{two.id}|{other.id}"),
        take.name: (one.id, "2", one.id),
    }
    with tarfile.open(morning.dataset / "train-000000.tar") as shard:
        rows = [json.load(shard.extractfile(name)) for name in shard.getnames() if name.endswith(".json")]  # type: ignore[arg-type]
    assert [tuple(row[name] for name in CHAIN) for row in rows if row["name"] == "both"] == [
        (one.id, 3, f"{two.id}|{other.id}")
    ]
    assert all(set(CHAIN) <= row.keys() for row in rows)
    assert between.link == 3


def test_a_dataset_without_chains_has_no_such_columns(morning: Morning) -> None:
    """It gets them with the first clip of a chain."""
    morning.make("alone")
    morning.export(Format.CSV, Format.JSONL)
    assert places(morning) == {"alone": (None, None, None)}
    one, _ = morning.make_chain("day", 2)
    morning.export(Format.CSV, Format.JSONL)
    assert places(morning) == {"alone": ("", "", ""), "day-1": (one.id, "1", ""), "day-2": (one.id, "2", one.id)}


@pytest.mark.parametrize("by", ["prompt", "job"])
def test_a_chain_is_in_one_split(morning: Morning, by: str) -> None:
    """Also links that are added later, and other takes."""
    chains = [morning.make_chain(f"c{number}", 3) for number in range(6)]
    morning.export(Format.JSONL, split="0.5/0.25/0.25", by=by)
    first = splits(morning)
    assert all(len({first[job.name] for job in chain}) == 1 for chain in chains)
    assert len(set(first.values())) > 1
    for number, chain in enumerate(chains):
        morning.link(f"c{number}-4", ("image_url", chain[-1], "last"))
        morning.make_again(morning.read(chain[1].seq), "black_seconds < 1")
    morning.export(Format.JSONL, split="0.5/0.25/0.25", by=by, include_rejected=True)
    later = splits(morning)
    assert len(later) == 30
    assert all(later[name] == later[f"{name.partition('-')[0]}-1"] for name in later)
    assert first.items() <= later.items()


def test_chains_that_share_a_frame_are_in_one_split(morning: Morning) -> None:
    """A shot between two others shows a frame of each."""
    for number in range(8):
        dawn, dusk = morning.make(f"{number}-dawn"), morning.make(f"{number}-dusk")
        morning.link(f"{number}-day", ("image_url", dawn, "last"), ("last_image_url", dusk, "first"))
    morning.export(Format.JSONL, split="0.5/0.5")
    found = splits(morning)
    assert all(len({found[f"{number}-{name}"] for name in ("dawn", "day", "dusk")}) == 1 for number in range(8))
    assert set(found.values()) == {"train", "val"}


def test_a_manifest_that_tears_a_chain(morning: Morning) -> None:
    """It is an error before anything is written."""
    one = morning.make("one", meta={"split": "train"})
    morning.link("two", ("image_url", one, "last"), meta={"split": "test"})
    with pytest.raises(UsageError, match="puts 'two' into test and 'one' into train"):
        morning.export(Format.JSONL)
    assert not morning.dataset.exists()
    morning.export(Format.JSONL, split="none")
    assert set(splits(morning).values()) == {"train"}
