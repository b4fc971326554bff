"""The jobs of a call that are chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import ManifestError, UsageError
from batchveo.core.job_row import Row
from batchveo.manifest import Manifests, ReadOptions, Summary
from tests.helpers.manifests import T2V

MANIFEST = f"""
- model: {T2V}
  prompt: A {{pet}}
  name: "{{pet}}-{{index}}"
  repeat: 3
  matrix: {{pet: [cat, "cow[1]", dog]}}
- {{model: google/veo3, prompt: A fox}}
- {{model: google/veo3, prompt: A fox}}
"""


def chosen(folder: Path, options: ReadOptions) -> tuple[Summary, list[str]]:
    (folder / "m.yaml").write_text(MANIFEST)
    taken: list[Row] = []
    with Manifests([folder / "m.yaml"], options=options) as manifests:
        summary = manifests.read(taken.extend)
    return summary, [str(job[1]) for job in taken]


def test_the_first_jobs(tmp_path: Path) -> None:
    """In the order of the manifest; the whole of it is counted."""
    summary, names = chosen(tmp_path, ReadOptions(limit=4))
    assert names == ["cat-0", "cat-1", "cat-2", "cow[1]-0"]
    assert (summary.jobs, summary.chosen, summary.repeated) == (11, 4, 0)
    assert summary.choice_note == "4 of 11 chosen by --limit"
    assert [spec.name for spec in summary.sample] == names
    assert chosen(tmp_path, ReadOptions(limit=100))[0].repeated == 1


def test_jobs_by_name_id_and_glob(tmp_path: Path) -> None:
    """Each pattern for itself, names with brackets literally too; the limit counts what they chose."""
    everything = chosen(tmp_path, ReadOptions())[1]
    with Manifests([tmp_path / "m.yaml"]) as manifests:
        fox = [job for job in manifests.specs() if job.request["prompt"] == "A fox"]
    only = ("cow[1]-2", "dog-*", fox[1].id)
    summary, names = chosen(tmp_path, ReadOptions(only=only))
    assert names == ["cow[1]-2", "dog-0", "dog-1", "dog-2", fox[1].name]
    assert summary.repeated == 1
    assert chosen(tmp_path, ReadOptions(only=("*-1", "cat-*"), limit=3))[1] == ["cat-0", "cat-1", "cat-2"]
    assert chosen(tmp_path, ReadOptions(only=("*",)))[1] == everything


def test_a_pattern_that_matches_nothing(tmp_path: Path) -> None:
    """Is bad usage, though another one matches."""
    with pytest.raises(UsageError, match="Cat-0"):
        chosen(tmp_path, ReadOptions(only=("cat-0", "Cat-0")))


def test_problems_of_jobs_that_are_not_chosen_count(tmp_path: Path) -> None:
    """A manifest is good or it is not."""
    (tmp_path / "m.yaml").write_text(MANIFEST + "- {prompt: A}\n")
    with Manifests([tmp_path / "m.yaml"], options=ReadOptions(limit=1)) as manifests, pytest.raises(ManifestError):
        manifests.check()


def test_ids_do_not_depend_on_the_choice(tmp_path: Path) -> None:
    """What is chosen today is the same job tomorrow."""
    (tmp_path / "m.yaml").write_text(MANIFEST)
    taken: list[Row] = []
    with Manifests([tmp_path / "m.yaml"], options=ReadOptions(only=("dog-*",))) as manifests:
        manifests.read(taken.extend)
        ids = [job.id for job in manifests.specs() if job.name.startswith("dog")]
    assert [job[0] for job in taken] == ids
