"""Conditions that name a score that no clip has."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.cli import status_of
from tests.helpers.finished_jobs import Morning


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["jobs"], 0),
        (["check", "--checks", "basic"], 0),
        (["retry"], 0),
        (["export", "dataset"], 2),
        (["promote", "--to", "google/veo2"], 2),
    ],
)
@pytest.mark.parametrize(
    ("score", "note"),
    [
        ("bright.mena", "no clip has the score bright.mena; did you mean bright.mean?\n"),
        ("bright.mean", ""),
        ("meta.mena", ""),
    ],
)
def test_a_score_that_no_clip_has_is_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    score: str,
    note: str,
) -> None:
    """Its condition is true for no clip, which looks like any other empty answer."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCHVEO_STATE", "b.db")
    morning = Morning(tmp_path)
    job = morning.make("a")
    with morning.store() as store:
        store.facts.record_scores(job, {"bright.mean": 3.0}, now=1.0)
    assert status_of([*arguments, "--where", f"{score} > 20"]) == status
    assert ("no clip has" in (err := capsys.readouterr().err)) is bool(note)
    assert note in err
