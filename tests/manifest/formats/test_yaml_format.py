"""YAML manifests: scalars, anchors, sections in any order."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.manifests import T2V, jobs, problems


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("16:9", "16:9"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("2024-01-01", "2024-01-01"),
        ("0777", 777),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-7", -7),
        ("True", True),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("1_000", "1_000"),
        ("=", "="),
        ("[a, ~]", ["a", None]),
        ("{a: {b: 1}}", {"a": {"b": 1}}),
    ],
)
def test_yaml_scalars_are_those_of_yaml_1_2(written: str, value: object, tmp_path: Path) -> None:
    """No surprises of YAML 1.1: what looks like text is text."""
    [job] = jobs(tmp_path, f"- model: {T2V}\n  prompt: A\n  meta:\n    x: {written}\n")
    assert job.meta == {"x": value}
    assert type(job.meta["x"]) is type(value)


def test_yaml_anchors_and_merges(tmp_path: Path) -> None:
    """Aliases and ``<<`` work; what a job says itself wins."""
    content = f"- &a {{model: {T2V}, prompt: A, seed: 1}}\n- <<: *a\n  seed: 2\n- <<: [{{seed: 3}}, *a]\n"
    assert [job.request["seed"] for job in jobs(tmp_path, content)] == [1, 2, 3]


def test_yaml_alias_bomb(tmp_path: Path) -> None:
    """A billion laughs are counted, not told."""
    levels = "".join(f"    l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 12))
    path = tmp_path / "a.yaml"
    path.write_text(f"- model: {T2V}\n  prompt: A\n  meta:\n    l0: &l0 [x]\n{levels}")
    [problem] = problems(path)
    assert "more than 100,000 values" in problem.message


def test_one_bad_job_does_not_hide_the_next(tmp_path: Path) -> None:
    """Reading goes on after each of these, and everything is told in one go."""
    path = tmp_path / "a.yaml"
    path.write_text("- prompt: !x y\n- prompt: *z\n- [1]\n- {seed: 1, seed: 2, model: google/veo3, prompt: A}\n")
    assert [problem.line for problem in problems(path)] == [1, 2, 3, 4]


def test_defaults_after_jobs(tmp_path: Path) -> None:
    """Where the defaults stand makes no difference."""
    [job] = jobs(tmp_path, f"jobs:\n- prompt: A\ndefaults: {{model: {T2V}, seed: 4}}\n")
    assert job.request == {"model": T2V, "prompt": "A", "seed": 4}
