"""``--keys``, as a user's shell sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.sandbox import Request, Service, Settings
from batchveo.store import Store

KEYS = """
keys:
  - {name: team-a, file: a.key, concurrency: 2}
  - {name: team-b, env: TEAM_B_KEY}
"""
SECRETS = ("sk-secret-a", "sk-secret-b")


@pytest.fixture(autouse=True)
def _in_a_folder_with_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m.yaml").write_text("jobs: [{name: fox, model: veo2, prompt: A fox}]")
    Path("keys.yaml").write_text(KEYS)
    Path("a.key").write_text("sk-secret-a\n")
    monkeypatch.setenv("TEAM_B_KEY", "sk-secret-b")


@pytest.fixture
def service() -> Service:
    return Service(Settings(generation_median=0.01, log_lag=0.0, per_key=True))


def bought(service: Service, key: str) -> str:
    """A generation bought elsewhere."""
    body = json.dumps({"model": "veo2", "prompt": "x"}).encode()
    headers = {"authorization": f"Bearer {key}"}
    answer = service.handle(Request(method="POST", path="/v2/video/generations", headers=headers, body=body))
    return str(answer.json()["id"])


def test_doctor_checks_each_key(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By its label; one that the service does not take is wrong."""
    assert status_of(["doctor", "--keys", "keys.yaml"]) == 0
    out = capsys.readouterr().out
    assert "key team-a" in out
    assert "key team-b" in out
    assert out.count("balance $1,000.00") == 2
    Path("a.key").write_text("")
    assert status_of(["doctor", "--keys", "keys.yaml"]) == 1
    assert "keys.yaml:3: key 1, file" in capsys.readouterr().out


def test_plan_adds_the_balances_up(url: str, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """In the text and in the JSON; two accounts that look like one count once."""
    assert status_of(["plan", "m.yaml", "--keys", "keys.yaml", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["balance_usd"], made["balances_usd"]) == (1000.0, {"team-a": 1000.0, "team-b": 1000.0})
    assert "taken for one account" in made["notes"][0]
    service.account("sk-secret-b").opening += 2_000_000  # credits
    assert status_of(["plan", "m.yaml", "--keys", "keys.yaml"]) == 0
    out = capsys.readouterr().out
    assert "$2,001.00: enough" in out
    assert "team-b $1,001.00" in out


def test_a_single_key_has_no_balances_of_its_own(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it always was."""
    assert status_of(["plan", "m.yaml", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["balance_usd"], made["balances_usd"]) == (1000.0, {})


def test_adopt_finds_the_key_that_bought(url: str, service: Service) -> None:
    """By asking each; or it is told, and nobody is asked."""
    asked, told = bought(service, "sk-secret-b"), bought(service, "sk-secret-a")
    assert status_of(["adopt", asked, "--keys", "keys.yaml"]) == 0
    polls = service.calls["poll"]
    assert status_of(["adopt", told, "--keys", "keys.yaml", "--key", "team-a"]) == 0
    assert service.calls["poll"] == polls
    with Store(Path("state/batchveo.db"), writing=False) as store:
        assert {job.generation_id: job.key for job in store.jobs()} == {asked: "team-b", told: "team-a"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["adopt", "g", "--keys", "keys.yaml", "--key", "team-c"],
        ["adopt", "g", "--key", "team-a"],
        ["adopt", "--from-log", "1h", "--keys", "keys.yaml", "--key", "team-a"],
        ["audit", "--keys", "keys.yaml", "--api-key-file", "a.key"],
        ["run", "m.yaml", "--keys", "missing.yaml"],
        ["adopt", "nobody-bought-it", "--keys", "keys.yaml"],
    ],
)
def test_what_is_refused(url: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is bought, without showing a key."""
    assert status_of(arguments) == 2
    said = capsys.readouterr().err
    assert "key" in said
    assert not any(secret in said for secret in SECRETS)


def test_audit_names_the_key(url: str, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """Of what nobody here asked for."""
    generation = bought(service, "sk-secret-b")
    status_of(["adopt", generation, "--keys", "keys.yaml", "--key", "team-b"])
    while not service.charges():
        pass
    assert status_of(["audit", "--keys", "keys.yaml", "--json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["kind"], finding["key"]) == ("not_on_disk", "team-b")
    assert status_of(["audit", "--keys", "keys.yaml"]) == 1
    assert "\tteam-b\n" in capsys.readouterr().out


def test_the_option_from_its_variable_and_a_config_file(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every other option, but not from a file that came with the folder: it may name any variable."""
    Path("batchveo.toml").write_text('keys = "keys.yaml"')
    assert status_of(["doctor"]) == 2
    assert "a folder may not set this" in capsys.readouterr().err
    assert status_of(["--config", "batchveo.toml", "doctor"]) == 0
    assert "key team-a" in capsys.readouterr().out
    Path("batchveo.toml").unlink()
    monkeypatch.setenv("BATCHVEO_KEYS", "keys.yaml")
    assert status_of(["doctor"]) == 0
    assert "key team-b" in capsys.readouterr().out


def test_the_keys_are_nowhere(url: str, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """Not in what is said, not in any file that a run leaves."""
    assert status_of(["run", "m.yaml", "--keys", "keys.yaml", "--log-json", "-v"]) == 0
    for command in ("doctor", "audit"):
        status_of([command, "--keys", "keys.yaml"])
    status_of(["jobs", "--json"])
    said = capsys.readouterr()
    left = [path for path in Path().rglob("*") if path.is_file() and path.name != "a.key"]
    assert any(path.suffix == ".mp4" for path in left)
    for secret in SECRETS:
        assert secret not in said.out + said.err
        assert not [path for path in left if secret.encode() in path.read_bytes()]


def test_a_trial_needs_no_key(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox takes labels and limits, and never hears of a real key."""
    monkeypatch.delenv("TEAM_B_KEY")
    Path("a.key").unlink()
    assert status_of(["plan", "m.yaml", "--keys", "keys.yaml", "--sandbox"]) == 0
    assert "enough" in capsys.readouterr().out


def test_the_reader_is_imported_where_it_is_asked_for() -> None:
    """A run with one key does without it."""
    command = [
        sys.executable,
        "-c",
        "import sys, batchveo.cli.commands.run; print('batchveo.provider.keys_file' in sys.modules)",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BATCHVEO_")}
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert told.stdout.strip() == "False"


def test_a_withdrawn_model_is_tried_with_each_key_and_put_aside(
    url: str, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 3, and the summary names the command that makes its jobs under another model."""
    service._state.faults._chances["404-withdrawn"] = 1.0
    Path("m.yaml").write_text("jobs: [{name: 'fox {index}', model: veo2, prompt: A fox, repeat: 20}]")
    assert status_of(["run", "m.yaml", "--keys", "keys.yaml", "--concurrency", "4"]) == 3
    assert service.calls["submit"] <= 2 + 4
    summary = [line for line in capsys.readouterr().err.splitlines() if "jobs put aside: " in line]
    (line,) = summary
    assert line.startswith("20 jobs put aside: HTTP 404: This model has been withdrawn (veo2 was withdrawn on ")
    assert ": `batchveo retry --model veo2 --to " in line
    assert line.endswith("` makes its jobs under another model")
