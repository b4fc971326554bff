"""Entries and the defaults of their file."""

from __future__ import annotations

from pathlib import Path

from tests.helpers.manifests import T2V, jobs, problems


def test_defaults(tmp_path: Path) -> None:
    """A job overrides a default, null unsets it, meta is merged."""
    found = jobs(
        tmp_path,
        f"defaults: {{model: {T2V}, seed: 1, duration: 4, meta: {{a: 1, b: 2}}}}\n"
        "jobs:\n- {prompt: A, seed: null, meta: {b: 3, c: 4}}\n- {prompt: B, duration: 6, meta: null}\n",
    )
    assert [job.request for job in found] == [
        {"model": T2V, "prompt": "A", "duration": 4},
        {"model": T2V, "prompt": "B", "duration": 6, "seed": 1},
    ]
    assert [job.meta for job in found] == [{"a": 1, "b": 3, "c": 4}, {}]


def test_a_bad_default_is_one_problem(tmp_path: Path) -> None:
    """A thousand jobs that inherit a mistake have one cause."""
    (tmp_path / "a.yaml").write_text(f"defaults: {{model: {T2V}, duration: 5}}\njobs:\n" + "- prompt: A\n" * 1000)
    [problem] = problems(tmp_path / "a.yaml")
    assert problem.field == "defaults.duration"
