"""Bytes as text, with bounds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from batchveo.manifest.formats import text
from tests.helpers.manifests import T2V, jobs, problems


@pytest.mark.parametrize("lead", range(30))
def test_json_surrogate_pairs(lead: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Emoji as ``json.dump`` writes them survive, wherever a piece of the file ends."""
    read = text.YamlText.read
    monkeypatch.setattr(text.YamlText, "read", lambda self, size: read(self, 7))
    prompt = "x" * lead + "🐈\\ud83d\\\\🐕 \"'\n\t/ é"
    [job] = jobs(tmp_path, json.dumps([{"model": T2V, "prompt": prompt}]), "a.json")
    assert job.request["prompt"] == prompt


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_endless_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line without an end is not read into memory."""
    monkeypatch.setattr(text, "LINE_LIMIT", 1000)
    (tmp_path / name).write_text("model,prompt\n" + "x" * 5000)
    assert any("longer than" in problem.message for problem in problems(tmp_path / name))


def test_endless_yaml_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One job of a YAML file is bounded, many are not."""
    monkeypatch.setattr(text, "ITEM_LIMIT", 20_000)
    jobs(tmp_path, f"defaults: {{model: {T2V}}}\njobs:\n" + "- prompt: A cat\n" * 4000)
    (tmp_path / "b.yaml").write_text("- prompt: " + "x" * 60_000)
    [problem] = problems(tmp_path / "b.yaml")
    assert "one job takes more than" in problem.message
