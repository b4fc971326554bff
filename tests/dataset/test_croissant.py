"""Croissant metadata, by the rules of ``mlcroissant`` and read with it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from batchveo.core.votes import VoteKind
from batchveo.dataset import Format, Metadata
from batchveo.dataset.columns import COLUMNS
from tests.helpers.finished_jobs import HOSTILE, Morning
from tests.helpers.process_server import run_loader

READ = """
import json, sys
import mlcroissant
dataset = mlcroissant.Dataset("dataset/croissant.json")
issues = dataset.metadata.ctx.issues
records = [dict(record) for record in dataset.records("clips")] if dataset.metadata.record_sets else []
names = ("text", "split", "seed", "sha256", "job_id")
plain = lambda value: value.decode() if isinstance(value, bytes) else None if value != value else value
rows = [{name: plain(record.get(f"clips/{name}")) for name in names} for record in records]
print(json.dumps([sorted(issues.errors), sorted(issues.warnings), rows]))
"""


ROWS = """
import json
import mlcroissant
records = mlcroissant.Dataset("dataset/croissant.json").records("rows-by-clip")
print(json.dumps([[record[f"rows-by-clip/{name}"].decode() for name in ("job_id", "row")] for record in records]))
"""


def described(morning: Morning) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((morning.dataset / "croissant.json").read_text(encoding="utf-8"))
    return document


@pytest.mark.exhaustive
@pytest.mark.parametrize("formats", [(form,) for form in Format] + [tuple(Format)])
def test_mlcroissant_reads_it(morning: Morning, formats: tuple[Format, ...]) -> None:
    """No error; what is recommended and missing is the publisher's to choose; every clip with its caption."""
    prompts = [HOSTILE[0], HOSTILE[2], HOSTILE[4], "a fox"]
    for number, prompt in enumerate(prompts):
        request = {"seed": number} if number % 2 else {}
        morning.make(f"clip.{number}", prompt=prompt, meta={"split": ("train", "val")[number % 2]}, request=request)
    morning.export(*formats, shard_clips=1)
    errors, warnings, rows = json.loads(run_loader(READ, morning.folder))
    assert errors == []
    assert [next(word for word in warning.split('"') if "/" in word).rpartition("/")[2] for warning in warnings] == [
        "citeAs",
        "datePublished",
        "license",
        "version",
    ]
    if formats == (Format.FOLDER,):  # nothing in it describes a clip
        assert rows == []
        return
    assert {(row["text"], row["job_id"]) for row in rows} == {(job.prompt, job.id) for job in morning.jobs()}
    if formats != (Format.WEBDATASET,):
        seeds = {1, 3} if formats != (Format.VIDEOFOLDER,) else {None}  # JSON keeps what every split has
        assert {row["seed"] for row in rows} == {None, *seeds}
        assert {row["split"] for row in rows} == {"train", "val"}
        assert {row["sha256"] for row in rows} == {job.sha256 for job in morning.jobs()}


@pytest.mark.exhaustive
def test_the_rows_in_shards_are_read(morning: Morning) -> None:
    """As JSON, by the id of their job."""
    job = morning.make("a", request={"seed": 5})
    morning.export(Format.WEBDATASET)
    (row,) = json.loads(run_loader(ROWS, morning.folder))
    assert row[0] == job.id
    assert json.loads(row[1])["seed"] == 5


@pytest.mark.exhaustive
@pytest.mark.parametrize("metadata", Metadata)
def test_pairs_are_read(morning: Morning, metadata: Metadata) -> None:
    """As records of their own."""
    jobs = [morning.make(name, prompt="a fox", request={"seed": n}) for n, name in enumerate("ab")]
    morning.vote(VoteKind.BETTER, *jobs)
    morning.export(pairs=True, metadata=metadata)
    (row,) = json.loads(run_loader(READ.replace("clips", "pairs").replace("sha256", "chosen"), morning.folder))[2]
    assert (row["text"], row["chosen"]) == (None, "train/a.mp4")
    assert f"`pairs.{metadata.value}` has 1 pairs of clips" in (morning.dataset / "README.md").read_text()


def test_it_names_files_with_their_hashes(morning: Morning) -> None:
    """Tables, shards and the columns in them; never a file that is not there."""
    morning.make("a")
    morning.export(*Format)
    document = described(morning)
    files = {node["contentUrl"]: node for node in document["distribution"] if "contentUrl" in node}
    assert sorted(files) == ["clips.csv", "clips.jsonl", "clips.parquet", "train-000000.tar"]
    for name, node in files.items():
        content = (morning.dataset / name).read_bytes()
        assert (node["sha256"], node["contentSize"]) == (hashlib.sha256(content).hexdigest(), f"{len(content)} B")
    assert [field["name"] for field in document["recordSet"][0]["field"]] == list(COLUMNS)


def test_shards_of_an_earlier_version_get_their_hash(morning: Morning) -> None:
    """It is taken once, and noted."""
    morning.make("a")
    morning.export(Format.WEBDATASET)
    record = morning.dataset / ".batchveo-export.jsonl"
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    for line in lines:
        line.pop("sha256", None)
    record.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    morning.export(Format.WEBDATASET)
    digest = hashlib.sha256((morning.dataset / "train-000000.tar").read_bytes()).hexdigest()
    assert described(morning)["distribution"][0]["sha256"] == digest
    assert record.read_text().count(digest) == 1


def test_what_its_publisher_wrote_stays(morning: Morning) -> None:
    """A licence, say: an edited file is left alone, the new text stands beside it."""
    morning.make("a")
    morning.export()
    path = morning.dataset / "croissant.json"
    path.write_text(json.dumps({**described(morning), "license": "cc0-1.0"}))
    result = morning.export()
    assert described(morning)["license"] == "cc0-1.0"
    assert any("croissant.new.json" in note for note in result.notes)
    assert "license" not in json.loads((morning.dataset / "croissant.new.json").read_text())
