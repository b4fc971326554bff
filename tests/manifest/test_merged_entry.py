"""The keys of a job that are not sent: ``tries``, how often a job is made that fails for free."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from batchveo.core.errors import ManifestError
from batchveo.manifest import Manifests
from batchveo.store import Store
from tests.helpers.factories import make_spec

HEAD = "model: google/veo3, prompt: A cat"


def tries_of(folder: Path, name: str, text: str) -> list[int | None]:
    (folder / name).write_text(text)
    with Manifests([folder / name]) as manifests:
        return [spec.tries for spec in manifests.specs()]


@pytest.mark.parametrize(
    ("name", "text", "tries"),
    [
        ("a.yaml", f"jobs: [{{{HEAD}, tries: 3}}, {{{HEAD} 2}}]", [3, None]),
        ("a.yaml", f"defaults: {{tries: 4}}\njobs: [{{{HEAD}}}, {{{HEAD} 2, tries: 1}}]", [4, 1]),
        ("a.yaml", f"jobs: [{{{HEAD}, tries: 2, repeat: 2}}]", [2, 2]),
        ("a.csv", "model,prompt,tries\ngoogle/veo3,A cat,5\ngoogle/veo3,A dog,\n", [5, None]),
        ("a.jsonl", '{"model": "google/veo3", "prompt": "A cat", "tries": 2}\n', [2]),
    ],
)
def test_in_every_format(tmp_path: Path, name: str, text: str, tries: list[int | None]) -> None:
    """``None`` leaves it to the run."""
    assert tries_of(tmp_path, name, text) == tries


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "101", "true"])
def test_what_is_no_number_of_tries(tmp_path: Path, value: str) -> None:
    """Told with what would be right."""
    with pytest.raises(ManifestError, match="tries: must be a whole number from 1 to 100"):
        tries_of(tmp_path, "a.yaml", f"jobs: [{{{HEAD}, tries: {value}}}]")


def test_they_make_no_other_job(tmp_path: Path) -> None:
    """Nothing that is bought depends on them."""
    ids = []
    for text in (HEAD, f"{HEAD}, tries: 3"):
        (tmp_path / "a.yaml").write_text(f"jobs: [{{{text}}}]")
        with Manifests([tmp_path / "a.yaml"]) as manifests:
            ids += [spec.id for spec in manifests.specs()]
    assert len(set(ids)) == 1


def test_a_manifest_may_change_them_later(tmp_path: Path) -> None:
    """Of jobs that the database knows already."""
    with Store(tmp_path / "b.db") as store:
        run = store.runs.begin_run(command="run", service="x", now=1.0)
        for tries in (None, 3, None):
            added = store.imports.add_jobs([replace(make_spec("a"), tries=tries)], run=run, now=1.0)
            assert [job.tries for job in store.jobs()] == [tries]
        assert added.new == 0
