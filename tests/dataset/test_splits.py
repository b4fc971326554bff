"""Which part of a dataset a clip belongs to."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchveo.core.errors import UsageError
from batchveo.core.models import Job, JobState
from batchveo.dataset.splits import Splitting
from tests.helpers.factories import make_job


def job(prompt: str, **changes: object) -> Job:
    return make_job(JobState.SUCCEEDED, request={"model": "veo2", "prompt": prompt}, **changes)


def test_shares_are_kept_about() -> None:
    """Thousands of prompts fall as they were asked to."""
    splitting = Splitting(how="0.8/0.1/0.1")
    counts = Counter(splitting.part_of(job(f"prompt {n}")) for n in range(5000))
    assert counts["train"] == pytest.approx(4000, abs=120)
    assert counts["val"] == pytest.approx(500, abs=90)
    assert counts["test"] == pytest.approx(500, abs=90)


def test_one_prompt_stands_on_one_side() -> None:
    """Whatever the seed, the case, the spaces; each clip by itself where that is asked."""
    clips = [job("A  cat\n" if n % 2 else "a Cat", id=f"{n:020x}") for n in range(60)]
    assert len({Splitting(how="0.4/0.3/0.3").part_of(clip) for clip in clips}) == 1
    assert len({Splitting(how="0.4/0.3/0.3", by="job").part_of(clip) for clip in clips}) == 3


def test_groups_by_meta() -> None:
    """All clips of one scene together."""
    splitting = Splitting(how="0.5/0.5", by="meta.scene")
    for scene in ("a", "b", 3, None):
        clips = [job(f"p {n}", meta={"scene": scene}) for n in range(20)]
        assert len({splitting.part_of(clip) for clip in clips}) == 1


@given(st.text(), st.sampled_from(["1", "0.5/0.5", "0.9/0.05/0.05", "0/1", "0/0/1", "1/0/0"]))
def test_every_prompt_has_a_part_that_has_a_share(prompt: str, how: str) -> None:
    """Also at the ends of the range."""
    part = Splitting(how=how).part_of(job(prompt))
    share = dict(zip(("train", "val", "test"), map(float, how.split("/")), strict=False))
    assert share[part] > 0


def test_meta_split() -> None:
    """Its own word, in lower case; train where there is none; nobody's where no split is wanted."""
    assert Splitting().part_of(job("p", meta={"split": "Test"})) == "test"
    assert Splitting().part_of(job("p")) == "train"
    assert Splitting(how="none").part_of(job("p", meta={"split": "test"})) == "train"


@pytest.mark.parametrize("split", ["../up", "a b", "", "<script>", "x" * 65, ["a"], "試験", "..", "all", "CON", "lpt1"])
def test_a_split_that_is_no_folder(split: object) -> None:
    """Is refused, with the job's name and what to do."""
    with pytest.raises(UsageError, match=r"meta\.split of 'a cat'.*--split none"):
        Splitting().part_of(job("p", meta={"split": split}))


@pytest.mark.parametrize(
    ("how", "by"),
    [
        *((how, "prompt") for how in ("0.9/0.2", "x", "1/0/0/0", "-1/2", "nan/1", "")),
        *(("auto", by) for by in ("meta.", "seed", "")),
    ],
)
def test_bad_shares(how: str, by: str) -> None:
    """Said before anything is done."""
    with pytest.raises(UsageError, match="--split"):
        Splitting(how=how, by=by)
