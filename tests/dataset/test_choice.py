"""Which clips an export takes: what gates, people and filters say of them."""

from __future__ import annotations

import html
import json

import pytest

from batchveo.core.errors import UsageError
from batchveo.core.gates import CheckPolicy
from batchveo.core.votes import VoteKind
from batchveo.dataset import ExportSettings
from tests.helpers.finished_jobs import Morning

GATE = "black_seconds < 0.5"
POLICY = CheckPolicy(gates=(GATE,)).to_json()


def exported(morning: Morning) -> list[str]:
    return [row["name"] for row in morning.metadata()]


def test_rejected_clips_are_left_out(morning: Morning) -> None:
    """By people, by gates; what people picked is in it, whatever its gates say. The card names gate and reason."""
    good, bad, saved, ugly, even = (morning.make(name) for name in ("good", "bad", "saved", "ugly", "even"))
    morning.judge(good)
    for job in (bad, saved):
        morning.judge(job, GATE)
    morning.vote(VoteKind.PICK, saved)
    morning.vote(VoteKind.REJECT, ugly)
    morning.vote(VoteKind.REJECT, even)
    morning.vote(VoteKind.PICK, even, person="bob")
    result = morning.export()
    assert exported(morning) == ["good", "saved", "even"]
    assert result.left_out_because == {"rejected by people": 1, "rejected by their gates": 1}
    assert (result.left_out, result.kept) == (2, {})
    card = html.unescape((morning.dataset / "README.md").read_text())
    assert "- 1 videos were rejected by their gates: black_seconds < 0.5 (1)\n" in card
    assert "- 1 videos were rejected by people\n" in card


def test_one_take_of_a_clip_is_exported(morning: Morning) -> None:
    first = morning.make("a")
    take = morning.make_again(first, GATE)
    assert morning.export().left_out_because == {"rejected by their gates": 1}
    assert exported(morning) == [take.name]
    morning.vote(VoteKind.PICK, first)
    result = morning.export(dry_run=True)
    assert (result.clips, result.added, result.kept) == (2, 1, {"left out for another take": 1})


def test_rejected_clips_on_request(morning: Morning) -> None:
    """All takes too: for a classifier of bad clips, or to look at them."""
    first = morning.make("a")
    take = morning.make_again(first, GATE)
    morning.vote(VoteKind.REJECT, take)
    result = morning.export(include_rejected=True)
    assert (result.clips, result.left_out) == (2, 0)
    assert [(row["take"], row["verdict"], row["rejects"]) for row in morning.metadata()] == [
        (1, "rejected", 0),
        (2, "", 1),
    ]


def test_only_what_people_picked(morning: Morning) -> None:
    good, other = morning.make("good"), morning.make("other")
    morning.vote(VoteKind.PICK, good)
    morning.vote(VoteKind.RATE, other, rating=5)
    assert morning.export(picked=True).left_out_because == {"not picked": 1}
    assert exported(morning) == ["good"]
    with pytest.raises(UsageError, match="--pairs takes both sides of each pair"):
        ExportSettings(picked=True, pairs=True)


def test_only_what_meets_a_condition(morning: Morning) -> None:
    """Over the request, meta, scores and votes; others are counted, as by the older filters."""
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        job = morning.make(name, request={"seed": seed}, meta={"scene": name})
        with morning.store() as store:
            store.facts.record_scores(job, {"clip.score": seed / 10}, now=20.0)
    where = 'clip.score > 0.15 and meta.scene != "c"'
    assert morning.export(where=where, models=("google/veo3",)).left_out_because == {"not chosen": 2}
    assert exported(morning) == ["b"]


def test_a_condition_that_cannot_be_read(morning: Morning) -> None:
    with pytest.raises(UsageError, match=r"--where: .*\n  motin > 2\n  \^"):
        morning.export(where="motin > 2")


def test_nothing_is_left(morning: Morning) -> None:
    morning.judge(morning.make("a"), GATE)
    with pytest.raises(UsageError, match="nothing to export: 1 rejected by their gates; nothing was written"):
        morning.export()
    assert not morning.dataset.exists()


def test_an_exported_clip_that_is_rejected_later_stays(morning: Morning) -> None:
    """Loaders have seen it: it is reported, and its row says what became of it."""
    kept, ugly = morning.make("kept"), morning.make("ugly")
    morning.export()
    morning.judge(kept, GATE)
    morning.vote(VoteKind.REJECT, ugly)
    result = morning.export()
    assert (result.clips, result.left_out) == (2, 0)
    assert result.kept == {"rejected by people": 1, "rejected by their gates": 1}
    (note,) = [note for note in result.notes if "earlier exports" in note]
    assert note.endswith("1 rejected by people, 1 rejected by their gates")
    assert [(row["verdict"], row["rejects"]) for row in morning.metadata()] == [("rejected", 0), ("", 1)]
    assert morning.export(picked=True).kept == result.kept


def test_open_gates_are_reported(morning: Morning) -> None:
    """A clip whose gates wait for a score is in the dataset until they decide."""
    morning.make("a", policy=POLICY)
    morning.make("b")
    result = morning.export()
    assert result.clips == 2
    assert "1 clips have gates that are not decided yet" in result.notes


def test_a_dry_run_counts_the_same(morning: Morning) -> None:
    morning.judge(morning.make("a"), GATE)
    morning.make("b")
    result = morning.export(dry_run=True)
    assert (result.clips, result.left_out_because) == (1, {"rejected by their gates": 1})
    assert json.dumps(result.kept) == "{}"
