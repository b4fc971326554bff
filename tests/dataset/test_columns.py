"""Whatever the columns hold: one type a column for all splits, and every loader takes it."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from typing import Any

import pytest

from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.votes import VoteKind
from batchveo.dataset import Format, Metadata, columns
from batchveo.dataset.columns import CHECKED, COLUMNS, SAMPLE, Kind, Row, TypeSurvey, name_score_columns
from batchveo.dataset.index import INDEX_FILE
from batchveo.media.media_pass import measure_file
from tests.helpers.finished_jobs import Morning
from tests.helpers.process_server import run_loader
from tests.helpers.samples import sample_cases

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


@pytest.mark.parametrize(("formats", "metadata"), sample_cases(EXPORTS, size=1))
def test_splits_that_differ_load_by_the_card(morning: Morning, formats: tuple[Format, ...], metadata: Metadata) -> None:
    """Every clip with its caption, in every format; the card's types are those of what was loaded."""
    differing(morning)
    result = morning.export(*formats, metadata=metadata)
    rows = json.loads(run_loader(LOAD, morning.folder))
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


@pytest.mark.exhaustive
def test_tables_of_splits_that_differ_load_by_themselves(morning: Morning) -> None:
    """Without the card, by the loader of their own kind."""
    differing(morning)
    morning.export(Format.JSONL, Format.CSV, Format.PARQUET)
    tables = [json.loads(line) for line in run_loader(TABLES, morning.folder).splitlines()]
    expected = sorted([job.prompt, "5" if job.name == "d" else "8", job.id] for job in morning.jobs())
    assert tables == [expected] * 3


@pytest.mark.exhaustive
def test_a_type_that_widens_after_shards_were_written(morning: Morning) -> None:
    """Old shards stay as they are; the card's type holds what is in them as well."""
    morning.make("a", request={"seed": 7, "duration": 8})
    morning.export(Format.WEBDATASET)
    morning.make("b", model=OTHER, request={"seed": 0.5, "duration": "5"})
    morning.export(Format.WEBDATASET)
    rows = json.loads(run_loader(LOAD, morning.folder))
    assert sorted((clip["seed"], clip["duration"]) for clip in rows["train"]) == [(0.5, "5"), (7.0, "8")]


@pytest.mark.exhaustive
def test_names_that_are_dates(morning: Morning) -> None:
    """The loader takes a column of dates for points of time: it would not fit the same column of other splits."""
    morning.make("2024-01-01", prompt="a cat", meta={"split": "train"})
    morning.make("a fox", meta={"split": "val"})
    result = morning.export()
    assert any("metadata.jsonl has no name:" in note for note in result.notes)
    rows = json.loads(run_loader(LOAD, morning.folder))
    assert rows["train"][0]["video"] == ["2024-01-01.mp4", False]


MEASURES = Measures(
    level=CheckLevel.ALL,
    duration_seconds=4.0,
    width=320,
    height=180,
    fps=8.0,
    frames=32,
    codec="h264",
    bitrate=90_000,
    black_seconds=0.5,
    frozen_seconds=0.0,
    silent_seconds=1.25,
    loudness_lufs=-20.5,
    has_sound=True,
    cuts=2,
    motion=3.5,
    blur=4.25,
)


def checked(morning: Morning) -> None:
    """Three splits: one with measures, votes and scores of all kinds, one with some of them, one without any."""
    first = morning.make("a", meta={"split": "train"}, request={"duration": 8})
    second = morning.make("b", meta={"split": "val"})
    morning.make("c", meta={"split": "test"})
    with morning.store() as store:
        store.facts.record_measures(first, MEASURES, now=20.0)
        store.facts.record_measures(second, replace(MEASURES, motion=7.0, blur=None, level=CheckLevel.BASIC), now=20.0)
        store.facts.record_scores(first, {"clip.score": 1, "caption.text": "a sea", "mixed.x-y": 1}, now=20.0)
        store.facts.record_scores(second, {"clip.score": 0.25, "mixed.x-y": "good"}, now=20.0)
    morning.judge(first)
    morning.vote(VoteKind.PICK, first)
    morning.vote(VoteKind.RATE, first, rating=4)


FOUND: dict[str, list[Any]] = {
    "duration_seconds": [4.0, 4.0, None],
    "bitrate": [90_000, 90_000, None],
    "black_seconds": [0.5, 0.5, None],
    "loudness_lufs": [-20.5, -20.5, None],
    "cuts": [2, 2, None],
    "motion": [3.5, 7.0, None],
    "blur": [4.25, None, None],
    "mismatches": [1, 0, None],
    "take": [1, 1, 1],
    "picks": [1, 0, 0],
    "rejects": [0, 0, 0],
    "rating": [4.0, None, None],
    "score_clip_score": [1.0, 0.25, None],
}
TEXTS: dict[str, list[Any]] = {
    "verdict": ["accepted", None, None],
    "score_caption_text": ["a sea", None, None],
    "score_mixed_x_y": ["1.0", "good", None],
}


@pytest.mark.exhaustive
@pytest.mark.parametrize(("formats", "metadata"), EXPORTS)
def test_what_checks_and_people_found_loads(morning: Morning, formats: tuple[Format, ...], metadata: Metadata) -> None:
    """In every format, by the card; scores of one tool are numbers, or texts, in all splits."""
    checked(morning)
    result = morning.export(*formats, metadata=metadata)
    rows = json.loads(run_loader(LOAD, morning.folder))
    clips = {clip["text"]: clip for clips in rows.values() for clip in clips}
    lost = Format.VIDEOFOLDER in formats and metadata is Metadata.JSONL
    for column, expected in FOUND.items():
        if lost and None in expected:
            assert column not in clips["a"]
            assert any(column in note for note in result.notes)
        else:
            assert [clips[name][column] for name in "abc"] == expected, column
    for column, texts in TEXTS.items():
        assert [clips[name][column] or None for name in "abc"] == texts, column


def test_what_checks_and_people_found_is_in_every_table(morning: Morning) -> None:
    """Without the card; a number is a number in all of its rows."""
    from pyarrow import parquet

    checked(morning)
    morning.export(Format.JSONL, Format.CSV, Format.PARQUET)
    lines = [json.loads(line) for line in (morning.dataset / "clips.jsonl").read_text().splitlines()]
    with (morning.dataset / "clips.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    table = parquet.read_table(morning.dataset / "clips.parquet")
    for column, expected in {**FOUND, **TEXTS}.items():
        assert [row[column] for row in lines] == expected
        assert [row[column] for row in cells] == ["" if value is None else str(value) for value in expected]
        assert table[column].to_pylist() == expected
    assert str(table.schema.field("score_clip_score").type) == "double"
    assert [list(row) for row in lines] == [list(cells[0])] * 3 == [table.column_names] * 3


def test_every_score_has_a_column_of_its_own() -> None:
    """Also two whose names differ only in signs that no column has."""
    columns = name_score_columns(["A.b", "a.b", "a_b", "clip.score", "é.x"])
    assert columns["A.b"] == "score_A_b"
    assert re.fullmatch("score_a_b_[0-9a-f]{6}", columns["a.b"])
    assert re.fullmatch("score_a_b_[0-9a-f]{6}", columns["a_b"])
    assert (columns["clip.score"], columns["é.x"]) == ("score_clip_score", "score__x")


@pytest.mark.exhaustive
def test_an_earlier_export_gets_the_new_columns(morning: Morning) -> None:
    """Clips that are chosen again have all; of one that is not, they are not known. Shards stay as they are."""
    morning.make("a")
    job = morning.make("b")
    morning.export(Format.VIDEOFOLDER, Format.JSONL, Format.WEBDATASET)
    index = morning.dataset / INDEX_FILE
    lines = [json.loads(line) for line in index.read_text().splitlines()]
    new = [*CHECKED, "verdict", "take", "picks", "rejects", "rating"]
    for line in lines:
        for name in new:
            line.get("clip", {}).pop(name, None)
    index.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    morning.make("c")
    with morning.store() as store:
        store.facts.record_measures(job, MEASURES, now=20.0)
    result = morning.export(where='name != "a"')
    assert (result.clips, result.added, result.troubles) == (3, 1, [])
    rows = {row["name"]: row for row in map(json.loads, (morning.dataset / "clips.jsonl").read_text().splitlines())}
    assert [rows[name]["motion"] for name in "abc"] == [None, 3.5, None]
    assert [rows[name]["take"] for name in "abc"] == [None, 1, 1]
    loaded = {clip["name"]: clip for clip in json.loads(run_loader(LOAD, morning.folder))["train"]}
    assert [loaded[name]["motion"] for name in "abc"] == [None, 3.5, None]


def test_measures_serve_if_pyav_is_absent(morning: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    """They agree with the headers of the file, which a later export reads that can."""
    job = morning.make("a")
    measures = measure_file(morning.videos / "a.mp4", CheckLevel.BASIC)
    with morning.store() as store:
        store.facts.record_measures(job, measures, now=20.0)
    with monkeypatch.context() as without:
        without.setattr("batchveo.dataset.clips.can_probe", lambda: False)
        morning.export()
    (before,) = morning.metadata()
    morning.export()
    (after,) = morning.metadata()
    same = ("width", "height", "fps", "seconds", "frames", "video_codec", "has_sound")
    assert {name: before[name] for name in same} == {name: after[name] for name in same}
    assert (before["pixel_format"], after["pixel_format"]) == ("", "yuv420p")


def test_a_table_begins_with_rows_that_show_its_types(morning: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    """If they would come later than a loader looks; the others stay in their order."""
    monkeypatch.setattr(columns, "SAMPLE", 2)
    for name in "abc":
        morning.make(name)
    morning.make("d", request={"seed": 3})
    morning.export(Format.JSONL)
    lines = (morning.dataset / "clips.jsonl").read_text().splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["d", "a", "b", "c"]
