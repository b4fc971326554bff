"""Resuming what a run left."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.sandbox import Service
from tests.cli.dragons import MANIFEST

pytestmark = pytest.mark.usefixtures("_dragon_folder")


def test_resume_keeps_to_the_budget_of_the_run(url: str, service: Service) -> None:
    """Also where the manifest set it."""
    Path("b.yaml").write_text("budget: 1.0\n" + MANIFEST)
    assert status_of(["run", "b.yaml"]) == 3
    assert status_of(["resume"]) == 3
    assert len(service.generations) == 1
    assert status_of(["resume", "--budget", "100"]) == 0


@pytest.fixture
def _stopped_in_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _dragon_folder: None, _quick_sandbox: None
) -> None:
    """A run that its budget stopped, and another folder to resume it from."""
    options = ["--budget", "1", "--output", "out", "--concurrency", "7", "--poll-interval", "0.01s"]
    beside = ["--catalogue", "builtin", "--log-file", "run.log", "--notify", "json://127.0.0.1:9/secret-path"]
    assert status_of(["run", "m.yaml", "--sandbox", *options, *beside]) == 3
    elsewhere = tmp_path / "else"
    elsewhere.mkdir()
    monkeypatch.setenv("BATCHVEO_STATE", str(tmp_path / "state/batchveo.db"))
    monkeypatch.chdir(elsewhere)


@pytest.mark.usefixtures("_stopped_in_the_sandbox")
def test_resume_takes_over_what_the_run_had(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From another folder, in a chain of runs too; and it says so."""
    for budget, status in (("1.5", 3), ("100", 0)):
        before = (tmp_path / "run.log").stat().st_size
        capsys.readouterr()
        assert status_of(["resume", "--budget", budget]) == status
        err = capsys.readouterr().err
        log = tmp_path / "run.log"
        beside = f"--sandbox, --catalogue builtin, --log-file {log}"
        assert f"as the run before: --concurrency 7, --poll-interval 0.01, {beside}\n" in err
        assert f"videos continue in {tmp_path / 'out'}\n" in err
        assert log.stat().st_size > before
        assert ("the run before also had --notify;" in err) is (budget == "1.5")
    assert len(list((tmp_path / "out").glob("*.mp4"))) == 3
    assert list(Path().iterdir()) == []
    assert b"secret-path" not in (tmp_path / "state/batchveo.db").read_bytes()


@pytest.mark.usefixtures("_stopped_in_the_sandbox")
def test_resume_does_as_it_is_told_now(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An option of this call wins; another folder than before is a warning."""
    capsys.readouterr()
    options = ["--output", "here", "--concurrency", "2", "--log-file", "own.log", "--catalogue", "builtin"]
    assert status_of(["resume", "--budget", "100", "--sandbox", *options]) == 0
    err = capsys.readouterr().err
    assert "as the run before: --poll-interval 0.01\n" in err
    assert f"earlier videos of this database went to {tmp_path / 'out'}, those of this run go to" in err
    assert Path("own.log").stat().st_size
    assert list(Path("here").glob("*.mp4"))


@pytest.mark.usefixtures("_stopped_in_the_sandbox")
def test_a_real_service_does_not_resume_jobs_of_the_sandbox(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it is named: then nothing is bought."""
    monkeypatch.setenv("AIMLAPI_API_KEY", "sk-secret")
    capsys.readouterr()
    assert status_of(["resume", "--base-url", "http://127.0.0.1:9"]) == 2
    assert "holds jobs of the sandbox, and this run uses a real one" in capsys.readouterr().err
