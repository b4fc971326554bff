"""Pairs for preference training: by votes on two clips, or on each of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batchveo.core.errors import UsageError
from batchveo.core.models import Job
from batchveo.core.votes import VoteKind
from batchveo.dataset import Format, Metadata
from tests.helpers.finished_jobs import Morning
from tests.helpers.process_server import run_loader


def read_pairs(morning: Morning) -> list[dict[str, Any]]:
    text = (morning.dataset / "pairs.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def list_names(morning: Morning) -> list[tuple[str, str]]:
    return [(row["chosen"], row["rejected"]) for row in read_pairs(morning)]


def make_pair(morning: Morning, **changes: Any) -> tuple[Job, Job]:
    first = morning.make("a", prompt="a fox", request={"seed": 1}, **changes)
    return first, morning.make("b", prompt="a fox", request={"seed": 2}, model="veo2", **changes)


def test_the_majority_of_comparisons_decides(morning: Morning) -> None:
    """The latest vote of each person counts; the row says all that preference training asks for."""
    first, second = make_pair(morning, meta={"scene": "forest"})
    morning.make("c")
    for person, job in (("ann", first), ("ann", second), ("bob", second), ("eve", first)):
        morning.vote(VoteKind.BETTER, job, first if job is second else second, person=person)
    result = morning.export(pairs=True)
    (row,) = read_pairs(morning)
    requests = [json.loads(row.pop(f"{side}_request")) for side in ("chosen", "rejected")]
    assert row == {
        "prompt": "a fox",
        "chosen": "train/b.mp4",
        "rejected": "train/a.mp4",
        "split": "train",
        "votes_for": 2,
        "votes_against": 1,
        "decided_by": "comparison",
        "chosen_model": "veo2",
        "rejected_model": "google/veo3",
        "chosen_job_id": second.id,
        "rejected_job_id": first.id,
        "meta": '{"scene": "forest"}',
    }
    assert [request["seed"] for request in requests] == [2, 1]
    assert (result.clips, result.pairs, result.left_out_because) == (2, 1, {"in no pair": 1})
    assert all((morning.dataset / row[side]).is_file() for side in ("chosen", "rejected"))


def test_ties_make_no_pair(morning: Morning) -> None:
    """Nor does "both bad", even if one was picked and the other rejected elsewhere: people saw them together."""
    first, second = make_pair(morning)
    morning.vote(VoteKind.BETTER, first, second)
    morning.vote(VoteKind.BETTER, second, first, person="bob")
    morning.vote(VoteKind.PICK, first)
    morning.vote(VoteKind.REJECT, second)
    with pytest.raises(UsageError, match="2 in no pair"):
        morning.export(pairs=True)
    for person in ("ann", "bob"):
        morning.vote(VoteKind.BOTH_BAD, first, second, person=person)
    with pytest.raises(UsageError, match="2 in no pair"):
        morning.export(pairs=True)
    morning.vote(VoteKind.BETTER, second, first)
    morning.export(pairs=True)
    assert list_names(morning) == [("train/b.mp4", "train/a.mp4")]


def test_a_picked_clip_is_preferred_to_a_rejected_one(morning: Morning) -> None:
    """Of the same prompt, and made from the same images; a rejected clip is in the dataset for its pair."""
    model = "google/veo-3.1-i2v-fast"
    jobs = {
        name: morning.make(name, prompt="move", model=model, request={"seed": seed, "image_url": f"https://x/{image}"})
        for seed, (name, image) in enumerate({"good": "1", "bad": "1", "even": "1", "other": "2"}.items())
    }
    morning.vote(VoteKind.PICK, jobs["good"])
    morning.vote(VoteKind.PICK, jobs["good"], person="bob")
    morning.vote(VoteKind.REJECT, jobs["bad"])
    morning.vote(VoteKind.REJECT, jobs["other"])
    morning.vote(VoteKind.RATE, jobs["even"], rating=1)
    result = morning.export(pairs=True)
    (row,) = read_pairs(morning)
    assert (row["chosen"], row["rejected"]) == ("train/good.mp4", "train/bad.mp4")
    assert (row["votes_for"], row["votes_against"], row["decided_by"]) == (3, 0, "picks")
    assert (result.clips, result.left_out_because) == (2, {"in no pair": 2})


def test_a_pick_of_several_compares_them(morning: Morning) -> None:
    """With those that were shown beside it, and that the same person did not pick; a vote on two comes first."""
    clips = [morning.make(name, prompt="a fox", request={"seed": n}) for n, name in enumerate("abcd")]
    other = morning.make("other")
    first, second, third, fourth = clips
    shown = tuple(job.seq for job in (*clips, other))
    morning.vote(VoteKind.PICK, first, shown=shown)
    morning.vote(VoteKind.PICK, second, shown=shown)
    morning.vote(VoteKind.PICK, fourth, shown=shown, person="bob")
    morning.vote(VoteKind.REJECT, fourth, shown=shown, person="bob")
    morning.vote(VoteKind.BETTER, third, first)
    result = morning.export(pairs=True)
    assert (result.clips, result.pairs) == (4, 4)
    assert [(row["chosen"], row["rejected"], row["decided_by"]) for row in read_pairs(morning)] == [
        ("train/a.mp4", "train/d.mp4", "picks"),
        ("train/b.mp4", "train/c.mp4", "picks"),
        ("train/b.mp4", "train/d.mp4", "picks"),
        ("train/c.mp4", "train/a.mp4", "comparison"),
    ]
    assert {(row["votes_for"], row["votes_against"]) for row in read_pairs(morning)} == {(1, 0)}


def test_clips_of_different_prompts_are_no_pair(morning: Morning) -> None:
    first, second = morning.make("a"), morning.make("b")
    morning.vote(VoteKind.BETTER, first, second)
    with pytest.raises(UsageError, match="2 in no pair"):
        morning.export(pairs=True)


def test_both_clips_meet_the_filters(morning: Morning) -> None:
    first, second = make_pair(morning)
    morning.vote(VoteKind.BETTER, first, second)
    with pytest.raises(UsageError, match="1 in no pair"):
        morning.export(pairs=True, where='model == "veo2"')
    with pytest.raises(UsageError, match="1 in no pair"):
        morning.export(pairs=True, models=("veo2",))


def test_later_exports_keep_the_pairs_up_to_date(morning: Morning) -> None:
    """Also one that does not ask for pairs; a pair whose clip is not in the folder is not listed."""
    first, second = make_pair(morning)
    morning.vote(VoteKind.BETTER, first, second)
    assert morning.export(pairs=True).pairs == 1
    morning.vote(VoteKind.BETTER, second, first)
    third = morning.make("c", prompt="a fox")
    morning.vote(VoteKind.BETTER, first, third)
    morning.vote(VoteKind.REJECT, third)
    result = morning.export()
    assert (result.clips, result.pairs) == (2, 1)
    assert list_names(morning) == [("train/b.mp4", "train/a.mp4")]


def test_clips_in_different_splits_are_no_pair(morning: Morning) -> None:
    first = morning.make("a", prompt="a fox", meta={"split": "train"})
    second = morning.make("b", prompt="a fox", meta={"split": "test"}, request={"seed": 2})
    morning.vote(VoteKind.BETTER, first, second)
    assert morning.export(pairs=True).pairs == 0


def test_shards_alone_have_the_videos_of_pairs_beside_them(morning: Morning) -> None:
    first, second = make_pair(morning)
    morning.vote(VoteKind.BETTER, first, second)
    morning.export(Format.WEBDATASET, pairs=True)
    (row,) = read_pairs(morning)
    assert (morning.dataset / row["chosen"]).is_file()


@pytest.mark.exhaustive
def test_pairs_load(morning: Morning) -> None:
    """As a table of the columns that preference training reads, with its videos; also as Parquet. So do the clips."""
    first, second = make_pair(morning)
    morning.vote(VoteKind.BETTER, first, second)
    for kind in Metadata:
        morning.export(pairs=True, metadata=kind)
        code = f"""
from datasets import Video, load_dataset
form = {"json" if kind is Metadata.JSONL else "parquet"!r}
pairs = load_dataset(form, data_files="dataset/pairs.{kind.value}")["train"]
pairs = pairs.map(lambda row: {{side: f"dataset/{{row[side]}}" for side in ("chosen", "rejected")}})
for side in ("chosen", "rejected"):
    pairs = pairs.cast_column(side, Video(decode=False))
for arguments in (("./dataset", {{}}), ("videofolder", {{"data_dir": "dataset"}})):
    assert load_dataset(arguments[0], **arguments[1])["train"].num_rows == 2
print(pairs[0]["prompt"], pairs[0]["chosen"]["path"], pairs[0]["rejected"]["path"], pairs[0]["votes_for"])
"""
        assert run_loader(code, morning.folder).split("\n")[-2] == "a fox dataset/train/a.mp4 dataset/train/b.mp4 1"
    assert [path.name for path in morning.dataset.glob("pairs.*")] == ["pairs.parquet"]
