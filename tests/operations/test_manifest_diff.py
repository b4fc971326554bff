"""New, changed and gone jobs, and defaults that are written out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from batchveo.core.models import JobState
from batchveo.core.notices import DefaultsDiffer
from batchveo.manifest import Manifests, ReadOptions
from batchveo.operations.manifest_diff import compare_manifest, find_written_defaults
from batchveo.provider.catalog import MODELS
from batchveo.store import StagingTable, Store
from tests.helpers.job_histories import Night

STATE = Path("b.db")
OLD = """
defaults: {model: google/veo-3.1-t2v-fast}
jobs:
  - {name: dragon, prompt: A dragon}
  - {name: boat, prompt: A boat, seed: 7}
  - {prompt: A lamp}
  - {name: "fox {index}", prompt: A fox, repeat: 2}
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@contextmanager
def staged(text: str, options: ReadOptions | None = None) -> Iterator[StagingTable]:
    Path("m.yaml").write_text(text, encoding="utf-8")
    with StagingTable() as table, Manifests(["m.yaml"], options=options) as manifests:
        table.is_partial = manifests.read(table.add_rows).chosen is not None
        yield table


def keep(text: str, *, succeeded: Sequence[str] = ()) -> None:
    """Let the database have the jobs of a manifest: all are submitted, those with these names succeed."""
    Path("m.yaml").write_text(text, encoding="utf-8")
    with Manifests(["m.yaml"]) as manifests, Store(STATE) as store:
        night = Night(store, list(manifests.specs()))
        for number in range(len(list(store.jobs()))):
            if (job := night.claim(number)).name in succeeded:
                night.fetched(night.completed(night.accepted(job, number), number), number)


def test_new_changed_and_gone() -> None:
    """By name, or by prompt if the name comes from it; what is the same is in none of them."""
    keep(OLD, succeeded=["dragon"])
    edited = (
        OLD.replace("A dragon}", "A red dragon, duration: 4}")
        .replace("boat, prompt: A boat", "ship, prompt: A ship")
        .replace("A lamp}", "A lamp, seed: 1}")
    )
    with staged(edited) as table:
        diff = compare_manifest(table, STATE)
    assert [job.name for job in diff.new] == ["ship"]
    dragon, lamp = diff.changed
    assert (dragon.name, dragon.former.state) == ("dragon", JobState.SUCCEEDED)
    assert dragon.fields == {"duration": (None, 4), "prompt": ("A dragon", "A red dragon")}
    assert lamp.fields == {"seed": (None, 1)}
    assert lamp.id != lamp.former.id
    assert diff.gone is not None
    assert [job.name for job in diff.gone] == ["boat"]
    assert diff.gone_by_state == {JobState.SUBMITTING: 1}


def test_without_a_database_everything_is_new() -> None:
    """And of some of the jobs it is not known what is gone."""
    with staged(OLD) as table:
        assert [job.name for job in compare_manifest(table, None).new][::4] == ["dragon", "fox 1"]
    keep(OLD)
    with staged(OLD.replace("A dragon", "A red dragon"), ReadOptions(limit=1)) as table:
        diff = compare_manifest(table, STATE)
    assert ([job.name for job in diff.changed], diff.new, diff.gone) == (["dragon"], [], None)


def test_jobs_of_other_manifests_are_not_gone() -> None:
    """A database may have the jobs of several."""
    keep(OLD)
    with staged(OLD) as table:
        diff = compare_manifest(table, STATE)
    assert (diff.new, diff.changed, diff.gone) == ([], [], [])
    Path("other.yaml").write_text(OLD.replace("boat", "ship"), encoding="utf-8")
    with StagingTable() as table, Manifests(["other.yaml"]) as manifests:
        manifests.read(table.add_rows)
        assert compare_manifest(table, STATE).gone == []


def written(old: str, new: str, *names: str) -> list[DefaultsDiffer]:
    keep(old, succeeded=names)
    with staged(new) as table:
        return find_written_defaults(table, STATE, MODELS)


EXPLICIT = OLD.replace("fast}", "fast, duration: 8}")


def test_a_default_that_is_written_out() -> None:
    """Of jobs that succeeded, and of those that may be bought."""
    (notice,) = written(OLD, EXPLICIT, "dragon", "fox 0")
    assert notice == DefaultsDiffer(jobs=5, written={"duration": 8}, left_out={})


def test_a_job_that_is_not_bought_is_not_bought_again() -> None:
    """It waits, or it has failed: then the new one takes its place at no cost."""
    Path("m.yaml").write_text(OLD, encoding="utf-8")
    with Manifests(["m.yaml"]) as manifests, Store(STATE) as store:
        Night(store, list(manifests.specs()))
    with staged(EXPLICIT) as table:
        assert find_written_defaults(table, STATE, MODELS) == []


def test_a_default_that_is_left_out_and_one_that_is_added() -> None:
    """Each difference by itself, the most frequent one first."""
    new = OLD.replace("A dragon}", "A dragon, resolution: 1080p}")
    first, second = written(EXPLICIT, new)
    assert first == DefaultsDiffer(jobs=4, written={}, left_out={"duration": 8})
    assert second == DefaultsDiffer(jobs=1, written={"resolution": "1080p"}, left_out={"duration": 8})


@pytest.mark.parametrize(
    "new",
    [
        OLD,  # nothing is new
        OLD.replace("fast}", "fast, duration: 4}"),  # no default
        OLD.replace("fast}", "fast, duration: 8, negative_prompt: fog}"),  # something else too
        OLD.replace("{name: dragon", "{id: 'own', name: dragon"),  # the same request, on purpose
        OLD.replace("A dragon}", "A dragon}\n  - {name: d2, prompt: A dragon, duration: 8}"),  # both are named
    ],
)
def test_other_differences_are_none_of_defaults(new: str) -> None:
    """A new job is bought in any case."""
    assert written(OLD, new) == []
