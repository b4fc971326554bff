"""Whatever the columns hold: one type a column for all splits, and every loader takes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batchveo.dataset import Format, Metadata, columns
from batchveo.dataset.columns import COLUMNS, SAMPLE, Kind, Row, TypeSurvey
from tests.helpers.finished_jobs import Morning, python

LOAD = """
import json
from datasets import Video, load_dataset, load_dataset_builder
card = load_dataset_builder("./dataset", cache_dir="cache").info.features
loaded = load_dataset("./dataset", cache_dir="cache")
(name,) = [name for name, feature in card.items() if isinstance(feature, Video)]
rows = {}
for split, clips in loaded.items():
    assert clips.features == card, (clips.features, card)
    for clip in clips.cast_column(name, Video(decode=False)):
        video = clip.pop(name)
        clip = clip.get("json", clip)
        clip["video"] = [(video["path"] or "").rpartition("/")[2], video["bytes"] is not None]
        rows.setdefault(split, []).append(clip)
print(json.dumps(rows))
"""

TABLES = """
import json
from datasets import load_dataset
for kind in ("json", "csv", "parquet"):
    name = "dataset/clips." + {"json": "jsonl"}.get(kind, kind)
    clips = load_dataset(kind, data_files=name, split="train", cache_dir="cache")
    print(json.dumps(sorted([str(clip["text"]), str(clip["duration"]), clip["job_id"]] for clip in clips)))
"""

OTHER = "other/video-model"


def row(**values: object) -> Row:
    return {**dict.fromkeys(COLUMNS), "job_id": "j", "split": "train", **values}


def kinds(column: str, *values: object) -> Kind:
    survey = TypeSurvey()
    for value in values:
        survey.add_row(row(**{column: value}))
    return survey.find_types().kinds[column]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([], Kind.INTEGER),
        ([None, None], Kind.INTEGER),
        ([1, None, 2], Kind.INTEGER),
        ([1, 1.5], Kind.NUMBER),
        ([1.5], Kind.NUMBER),
        ([1, "1"], Kind.TEXT),
        (["a"], Kind.TEXT),
        ([True, 1], Kind.TEXT),
        ([True], Kind.TEXT),
        ([2**63 - 1], Kind.INTEGER),
        ([2**63], Kind.TEXT),
        ([2**53 + 1, 0.5], Kind.TEXT),
    ],
)
def test_a_type_holds_every_value(values: list[object], kind: Kind) -> None:
    """The narrowest that changes none of them; without values, the usual one."""
    assert kinds("seed", *values) is kind


def test_values_take_the_type_of_their_column() -> None:
    """None stays None; what becomes text is as JSON has it."""
    survey = TypeSurvey()
    for value in (True, 3, "a"):
        survey.add_row(row(seed=value, cost_usd=2))
    fitted = [survey.find_types().fit_row(row(seed=value, cost_usd=2)) for value in (True, 3, "a", None)]
    assert [line["seed"] for line in fitted] == ["true", "3", "a", None]
    assert [type(line["cost_usd"]) for line in fitted] == [float] * 4


def test_rows_that_show_a_type_late_lead() -> None:
    """A loader that reads the first rows only would take the column for an empty one."""
    survey = TypeSurvey()
    for number in range(SAMPLE + 50):
        late = {"seed": number} if number > SAMPLE else {}
        early = {"line": number} if number > 1 else {}
        survey.add_row(row(**late, **early, job_id=f"j{number}"))
    assert survey.find_leaders() == {f"j{SAMPLE + 1}"}


def differing(morning: Morning) -> None:
    """Three splits, no two alike: no seed, whole numbers, fractions; words, nested values, nothing but nulls."""
    deep = {"take": {"lens": [24, {"f": 1.8}]}}
    morning.make("a", meta={"split": "train", **deep}, request={"seed": 7, "duration": 8})
    morning.make("b", meta={"split": "train"}, request={"seed": 8, "negative_prompt": "rain"})
    morning.make("c", meta={"split": "val", "take": 1}, cost=None)
    odd: dict[str, Any] = {"seed": 1.5, "duration": "5", "resolution": [1, 2], "auto_fix": {"on": [1]}}
    morning.make("d", meta={"split": "test", "take": None}, model=OTHER, request=odd)


EXPORTS: list[tuple[tuple[Format, ...], Metadata]] = [
    ((form,), Metadata.JSONL) for form in Format if form is not Format.FOLDER
]
EXPORTS += [((Format.VIDEOFOLDER,), Metadata.PARQUET), (tuple(Format), Metadata.JSONL)]


@pytest.mark.parametrize(("formats", "metadata"), EXPORTS)
def test_splits_that_differ_load_by_the_card(morning: Morning, formats: tuple[Format, ...], metadata: Metadata) -> None:
    """Every clip with its caption, in every format; the card's types are those of what was loaded."""
    differing(morning)
    result = morning.export(*formats, metadata=metadata)
    rows = json.loads(python(LOAD, morning.folder))
    assert {split: len(clips) for split, clips in rows.items()} == {"train": 2, "validation": 1, "test": 1}
    clips = {clip["text"]: clip for clips in rows.values() for clip in clips}
    assert sorted(clips) == ["a", "b", "c", "d"]
    for name, clip in clips.items():
        inside = formats == (Format.WEBDATASET,)
        assert clip["video"] == [f"{morning.job(name).id if inside else name}.mp4", inside]
    durations = [clips[name].get("duration") for name in "abcd"]
    if Format.VIDEOFOLDER in formats and metadata is Metadata.JSONL:
        assert any(note.startswith("metadata.jsonl has no seed, ") for note in result.notes)
        assert "seed" not in clips["a"]
        assert durations == ["8", "8", "8", "5"]
    else:
        assert [clips[name]["seed"] for name in "abcd"] == [7.0, 8.0, None, 1.5]
        assert durations == ["8", "8", "8", "5"]
        assert clips["d"]["auto_fix"] == '{"on": [1]}'
        assert clips["c"]["cost_usd"] is None
        assert json.loads(clips["a"]["meta"])["take"] == {"lens": [24, {"f": 1.8}]}


def test_tables_of_splits_that_differ_load_by_themselves(morning: Morning) -> None:
    """Without the card, by the loader of their own kind."""
    differing(morning)
    morning.export(Format.JSONL, Format.CSV, Format.PARQUET)
    tables = [json.loads(line) for line in python(TABLES, morning.folder).splitlines()]
    expected = sorted([job.prompt, "5" if job.name == "d" else "8", job.id] for job in morning.jobs())
    assert tables == [expected] * 3


def test_a_type_that_widens_after_shards_were_written(morning: Morning) -> None:
    """Old shards stay as they are; the card's type holds what is in them as well."""
    morning.make("a", request={"seed": 7, "duration": 8})
    morning.export(Format.WEBDATASET)
    morning.make("b", model=OTHER, request={"seed": 0.5, "duration": "5"})
    morning.export(Format.WEBDATASET)
    rows = json.loads(python(LOAD, morning.folder))
    assert sorted((clip["seed"], clip["duration"]) for clip in rows["train"]) == [(0.5, "5"), (7.0, "8")]


def test_names_that_are_dates(morning: Morning) -> None:
    """The loader takes a column of dates for points of time: it would not fit the same column of other splits."""
    morning.make("2024-01-01", prompt="a cat", meta={"split": "train"})
    morning.make("a fox", meta={"split": "val"})
    result = morning.export()
    assert any("metadata.jsonl has no name:" in note for note in result.notes)
    rows = json.loads(python(LOAD, morning.folder))
    assert rows["train"][0]["video"] == ["2024-01-01.mp4", False]


def test_a_table_begins_with_rows_that_show_its_types(morning: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    """If they would come later than a loader looks; the others stay in their order."""
    monkeypatch.setattr(columns, "SAMPLE", 2)
    for name in "abc":
        morning.make(name)
    morning.make("d", request={"seed": 3})
    morning.export(Format.JSONL)
    lines = (morning.dataset / "clips.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["d", "a", "b", "c"]
