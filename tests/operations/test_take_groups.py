"""Which clips are shown beside each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import UsageError
from batchveo.core.fields import parse_condition
from batchveo.core.gates import CheckPolicy, Judgement, Verdict
from batchveo.operations.take_groups import TakeGroups, group_takes
from batchveo.store import Store
from batchveo.store.takes import NewTake
from tests.helpers.finished_jobs import Morning


@pytest.fixture
def morning(tmp_path: Path) -> Morning:
    """Two animals with two models, three seeds of one, and a clip that is alone."""
    made = Morning(tmp_path)
    for animal in ("fox", "owl"):
        for model in ("google/veo2", "google/veo3"):
            request = {"seed": 1, "duration": 8 if model == "google/veo3" else 5}
            meta = {"animal": animal, "maker": model[-1]}
            made.make(f"{animal}-{model[-1]}", prompt=f"a {animal}", model=model, request=request, meta=meta)
    for seed in (2, 3):
        made.make(f"fox-s{seed}", prompt="a fox", request={"seed": seed, "duration": 8}, meta={"animal": "fox"})
    made.make("alone", request={"seed": 9})
    return made


def grouped(morning: Morning, by: str, **settings: object) -> list[list[str]]:
    with morning.store(writing=False) as store:
        groups = group_takes(store, by, **settings)  # type: ignore[arg-type]
        return name_groups(store, groups)


def name_groups(store: Store, groups: TakeGroups) -> list[list[str]]:
    return [[store.queries.read_job(seq).name for seq in group.seqs] for group in groups.groups]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("prompt", [["fox-2", "fox-3", "fox-s2", "fox-s3"], ["owl-2", "owl-3"]]),
        ("model", [["fox-2", "fox-3"], ["owl-2", "owl-3"]]),
        ("seed", [["fox-3", "fox-s2", "fox-s3"]]),
        ("request.seed", [["fox-3", "fox-s2", "fox-s3"]]),
        ("duration", []),
        ("repeat", []),
        ("meta.animal", [["fox-2", "owl-2"], ["fox-3", "owl-3"]]),
        ("meta.maker", []),
    ],
)
def test_clips_are_alike_but_for_one_thing(morning: Morning, by: str, expected: list[list[str]]) -> None:
    """A clip that has no other one to choose among is left out."""
    assert grouped(morning, by) == expected


def test_repeats_and_takes_of_a_rejected_clip_are_one_group(tmp_path: Path) -> None:
    """A take has another seed, which does not make it another request; a rejected clip is shown only on request."""
    made = Morning(tmp_path)
    policy = CheckPolicy(gates=("duration_seconds > 3",)).to_json()
    made.make("a", prompt="p", request={"seed": 1}, policy=policy)
    made.make("b", prompt="p", request={"seed": 1}, index=1)
    with made.store() as store:
        job = next(store.jobs())
        rejected = Judgement(verdict=Verdict.REJECTED, gate="duration_seconds > 3")
        take = NewTake(request='{"model":"google/veo3","prompt":"p","seed":2}', tries=1)
        store.verdicts.record_verdict(job, rejected, run=1, now=5.0, take=take)
        done = "state = 'succeeded', generation_id = 'g', folder = '/v', file = 'x.mp4', bytes = 1, sha256 = 'x'"
        store.connection.db.execute(f"UPDATE jobs SET {done} WHERE take = 2")
    assert grouped(made, "repeat") == [["b", "a-take2"]]
    assert grouped(made, "repeat", rejected=True) == [["a", "b", "a-take2"]]


def test_more_than_six_are_shown_in_parts_of_about_the_same_size(tmp_path: Path) -> None:
    made = Morning(tmp_path)
    for number in range(8):
        made.make(f"n{number}", prompt="p", request={"seed": number})
    assert [len(group) for group in grouped(made, "prompt")] == [4, 4]


def test_a_condition_narrows_and_what_differs_is_offered(morning: Morning) -> None:
    where = parse_condition('model == "google/veo3"')
    assert grouped(morning, "prompt", where=where) == [["fox-3", "fox-s2", "fox-s3"]]
    with morning.store(writing=False) as store:
        found = group_takes(store)
    assert found.axes == ("prompt", "repeat", "seed", "model", "meta.animal", "meta.maker", "request.duration")
    assert (found.clips, found.is_whole) == (7, True)


def test_without_time_for_all_clips_the_first_are_grouped(morning: Morning, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchveo.store.clip_figures.PAGE", 2)
    with morning.store(writing=False) as store:
        found = group_takes(store, "prompt", seconds=-1.0)
        assert name_groups(store, found) == [["fox-2", "fox-3"]]
    assert (found.clips, found.is_whole) == (2, False)


@pytest.mark.parametrize("by", ["", "request.", "meta."])
def test_what_is_no_axis_is_said(morning: Morning, by: str) -> None:
    if by == "":
        with pytest.raises(UsageError, match="group clips by prompt"):
            grouped(morning, by)
    else:
        assert grouped(morning, by) == []
