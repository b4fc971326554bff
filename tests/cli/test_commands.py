"""The commands, as a user's shell sees them: output, errors, exit statuses."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.sandbox import Service, Settings, running
from tests.cli.dragons import MANIFEST, list_rows

pytestmark = pytest.mark.usefixtures("_dragon_folder")


def test_a_night(url: str, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """run, run again, jobs, status, verify: the contract's fields and statuses."""
    assert status_of(["run", "m.yaml"]) == 0
    assert status_of(["run", "m.yaml"]) == 0
    assert len(service.generations) == 3
    jobs = list_rows(capsys)
    assert [job["name"] for job in jobs] == ["dragon", "fox 0", "fox 1"]
    fields = "id name state model prompt generation_id client_request_id file bytes sha256 cost_usd attempts error"
    assert list(jobs[0])[:13] == fields.split()
    assert jobs[0]["state"] == "succeeded"
    assert jobs[0]["attempts"] == 1
    assert jobs[0]["cost_usd"] == pytest.approx(0.78)
    assert Path(str(jobs[0]["file"])).stat().st_size == jobs[0]["bytes"]
    assert list_rows(capsys, "--state-is", "failed") == []
    assert status_of(["status", "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["counts"]["succeeded"] == status["total"] == 3
    assert status["spend_usd"] == pytest.approx(3 * 0.78)
    assert not status["running"]
    assert status_of(["status"]) == 0
    assert "3 jobs" in capsys.readouterr().out
    assert status_of(["verify"]) == 0
    assert status_of(["audit"]) == 0


def test_the_key_is_nowhere(url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Not in the state, the sidecars, the output."""
    assert status_of(["run", "m.yaml", "-v"]) == 0
    status_of(["jobs"])
    out = capsys.readouterr()
    assert "sk-secret" not in out.out + out.err
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"sk-secret" not in path.read_bytes()


def test_a_bad_manifest_writes_and_sends_nothing(
    url: str, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, every problem with its line."""
    Path("bad.yaml").write_text("jobs:\n  - {model: google/veo4, prompt: x}\n  - {model: veo2, promt: x}\n")
    assert status_of(["run", "bad.yaml"]) == 2
    err = capsys.readouterr().err
    assert "bad.yaml:2: model" in err
    assert "bad.yaml:3: promt" in err
    assert not Path("state").exists()
    assert not service.requests()


def test_bad_usage(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Status 2, and what would be right."""
    cases = [
        (["run"], "batchveo: missing argument"),
        (["run", "m.yaml", "--concurrency", "0"], "--concurrency"),
        (["run", "m.yaml", "--rate", "fast"], "30/min"),
        (["run", "m.yaml", "--base-url", "http://example.org"], "must be https"),
        (["run", "m.yaml", "--base-url", "http://127.0.0.1:99999"], "Port out of range"),
        (["run", "m.yaml", "--base-url", "https://host:abc"], "is not an address"),
        (["run", "m.yaml", "--base-url", "https://[::1"], "is not an address"),
        (["run", "missing.yaml"], "no such file"),
        (["run", "m.yaml"], "AIMLAPI_API_KEY"),
        (["frobnicate"], "batchveo: no such command"),
        (["exprot"], "did you mean export"),
        (["plan", "."], "is a folder"),
        (["status"], "no database at"),
        (["resume", "--sandbox"], "no database at"),
        (["jobs", "--state", "failed"], "--state-is failed chooses jobs by their state"),
        (["--sandbox", "run", "m.yaml"], "no such option --sandbox (options of a command come after its name)"),
        (["cancel"], "--all"),
        (["jobs", "--state-is", "lost"], "pending"),
        (["sandbox", "--fault", "nonsense=1"], "--fault"),
    ]
    for arguments, words in cases:
        assert status_of(arguments) == 2, arguments
        assert words in capsys.readouterr().err, arguments
    assert not Path("state").exists()


def test_without_a_command_there_is_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """As it is printed by --help, but as an error: a script that lost its command must not seem to succeed."""
    assert status_of(["--help"]) == 0
    help_text = capsys.readouterr().out
    assert status_of([]) == 2
    assert capsys.readouterr() == ("", help_text)


def test_a_bad_key_is_status_3(url: str, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is marked failed; a good key goes on."""
    with running(Service(Settings(key="good-key-good-key", generation_median=0.1))) as other:
        assert status_of(["run", "m.yaml", "--base-url", other]) == 3
        assert {job["state"] for job in list_rows(capsys)} == {"pending"}
        Path("key").write_text("good-key-good-key\n")
        assert status_of(["run", "m.yaml", "--base-url", other, "--api-key-file", "key"]) == 0


def test_a_doubt_is_held_and_resolved(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """By hand, each of the three ways."""
    monkeypatch.setenv("AIMLAPI_API_KEY", "k")
    monkeypatch.setenv("BATCHVEO_POLL_INTERVAL", "0.05")
    monkeypatch.setenv("BATCHVEO_SETTLE", "0.1")
    with running(Service(Settings(faults={"drop-before": 1.0}))) as url:
        assert status_of(["run", "m.yaml", "--base-url", url]) == 1
    assert all(job["held"] for job in list_rows(capsys, "--state-is", "in_doubt"))
    with running(Service(Settings(generation_median=0.1))) as url:
        assert status_of(["resolve", "dragon"]) == 2
        assert status_of(["resolve", "dragon", "--resubmit"]) == 0
        assert status_of(["resolve", "fox 0", "--fail"]) == 0
        assert status_of(["resolve", "fox 1", "--generation-id", "g-1"]) == 0
        assert [job["state"] for job in list_rows(capsys)] == ["pending", "failed", "generating"]
        assert status_of(["resolve", "fox 1", "--resubmit"]) == 2
        assert status_of(["resolve", "fox 1", "--fail"]) == 0


def test_an_output_that_cannot_be_written_is_found_before_anything_is_bought(url: str, service: Service) -> None:
    """A typo must not cost ten videos."""
    assert status_of(["run", "m.yaml", "--output", "m.yaml"]) == 3
    assert not service.requests()
    assert status_of(["run", "m.yaml"]) == 0


def test_a_reader_that_goes_away_changes_nothing(url: str, service: Service) -> None:
    """`batchveo run … 2>&1 | head -1`."""
    process = subprocess.run(
        f"{sys.executable} -m batchveo run m.yaml -v 2>&1 | head -1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert process.returncode == 0
    assert len(service.generations) == 3


def test_plan_prices_and_writes_nothing(url: str, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """As text and as JSON; --dry-run is the same."""
    assert status_of(["plan", "m.yaml", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["jobs"], plan["new"], plan["unpriced"]) == (3, 3, 0)
    assert plan["estimated_usd"] == pytest.approx(3 * 0.78)
    assert plan["balance_usd"] == 1000.0
    assert status_of(["run", "m.yaml", "--dry-run"]) == 0
    assert "$2.34" in capsys.readouterr().out
    assert not Path("state").exists()
    assert not service.requests()


def test_a_budget_is_status_3(url: str, service: Service) -> None:
    """From the option, or from the manifest."""
    assert status_of(["run", "m.yaml", "--budget", "1.60"]) == 3
    assert len(service.generations) == 2
    Path("b.yaml").write_text("budget: 1.0\n" + MANIFEST)
    assert status_of(["run", "b.yaml"]) == 3
    assert len(service.generations) == 2


@pytest.mark.usefixtures("_quick_sandbox")
def test_sandbox_and_real_jobs_do_not_mix(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A state that holds the one is refused to the other."""
    assert status_of(["run", "m.yaml", "--sandbox"]) == 0
    assert status_of(["run", "m.yaml"]) == 2
    assert "name another state" in capsys.readouterr().err


def test_a_second_run_is_status_4(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the pid of the first."""
    from batchveo.store import Store

    with Store("state/batchveo.db") as store:
        store.runs.acquire_lock()
        store.runs.begin_run(command="run", service=url, now=1.0)
        assert status_of(["run", "m.yaml"]) == 4
    assert f"pid {os.getpid()}" in capsys.readouterr().err


def test_a_damaged_state_is_status_2(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A clear error; nothing is written."""
    Path("state").mkdir()
    Path("state/batchveo.db").write_bytes(b"not a database, whatever its name says" * 50)
    for command in (["run", "m.yaml"], ["status"], ["jobs"], ["verify"]):
        assert status_of(command) == 2
        assert "not a batchveo state" in capsys.readouterr().err


def test_a_state_damaged_within_is_an_error_too(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Found when it is read."""
    status_of(["run", "m.yaml"])
    with closing(sqlite3.connect("state/batchveo.db")) as db, db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(Path("state/batchveo.db").read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 512] = b"\xff" * 512
    Path("state/batchveo.db").write_bytes(content)
    assert status_of(["jobs"]) == 2
    assert "state" in capsys.readouterr().err


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    """Of the program itself."""
    assert status_of(["--version"]) == 0
    assert status_of(["--help"]) == 0
    assert "Exit statuses" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["jobs:\n\t- name: w\n", "jobs:\n  - name: w\n\tprompt: one\n"])
def test_a_tab_in_yaml_is_told(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its line, and what YAML wants."""
    manifest = tmp_path / "m.yaml"
    manifest.write_text(text, encoding="utf-8")
    assert status_of(["plan", str(manifest), "--sandbox"]) == 2
    assert "YAML indents with spaces" in capsys.readouterr().err


def test_help_imports_little() -> None:
    """It appears at once: no database, no event loop, no module of a command."""
    code = """
import sys
from batchveo.cli import status_of
status_of(["--help"])
heavy = {"anyio", "asyncio", "difflib", "json", "sqlite3", "tomllib"} & {*sys.modules}
print(sorted({name.split(".")[1] for name in sys.modules if name.startswith("batchveo.")}), heavy, file=sys.stderr)
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BATCHVEO_")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr.strip() == "['cli', 'core'] set()"
