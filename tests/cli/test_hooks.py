"""--exec and --webhook from the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.provider import webhook
from batchveo.store import Store

STATE = Path("state/batchveo.db")

pytestmark = [
    pytest.mark.usefixtures("_dragon_folder"),
    pytest.mark.skipif(sys.platform == "win32", reason="programs of POSIX"),
]


@pytest.fixture
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """A webhook is tried again at once; how long it waits is tested with it."""
    monkeypatch.setattr(webhook, "compute_backoff", lambda *_: 0.0)


def test_a_program_for_each_video_and_again_what_failed(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A failure changes no exit status; the summary names it, and the next run makes up for it."""
    Path("up.sh").write_text('#!/bin/sh\ncat >> rows; [ -e ready ] || { echo "not ready" >&2; exit 1; }\n')
    Path("up.sh").chmod(0o755)
    assert status_of(["run", "m.yaml", "--exec", "./up.sh {file}"]) == 0
    err = capsys.readouterr().err
    assert "--exec failed for " in err
    assert "exit status 1: not ready" in err
    assert ": the next run with --exec makes up for that" in err
    Path("ready").touch()
    Path("rows").unlink()
    assert status_of(["resume", "--exec", "./up.sh {file}"]) == 0
    assert "makes up for that" not in capsys.readouterr().err
    rows = [json.loads(line) for line in Path("rows").read_text().splitlines()]
    with Store(STATE, writing=False) as store:
        assert sorted(row["id"] for row in rows) == sorted(job.id for job in store.jobs())
    assert all(Path(row["file"]).is_file() for row in rows)
    capsys.readouterr()
    status_of(["jobs", "--json"])
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[0] in listed


def test_what_is_wrong_with_a_hook_comes_before_all_else(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written or bought."""
    for option, value in [("--exec", "no-such-program"), ("--webhook", "http://hooks.example/secret")]:
        assert status_of(["run", "m.yaml", option, value]) == 2
        err = capsys.readouterr().err
        assert option in err
        assert "secret" not in err
        assert not Path(STATE).exists()


@pytest.mark.usefixtures("_no_backoff")
def test_an_address_is_written_nowhere(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither in the database nor in the log; a service that is away is a warning."""
    assert status_of(["run", "m.yaml", "--webhook", "http://127.0.0.1:9/very-secret", "--log-file", "log"]) == 0
    err = capsys.readouterr().err
    assert "--webhook failed for " in err
    written = [file.read_bytes() for file in (*Path(STATE).parent.iterdir(), Path("log"))]
    assert not any(b"very-secret" in content for content in [err.encode(), *written])


def test_a_program_sees_no_key_of_a_file_of_keys(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the file names a variable of another name."""
    monkeypatch.setenv("TEAM_KEY", "sk-team")
    Path("keys.yaml").write_text("keys: [{name: a, env: TEAM_KEY}]", encoding="utf-8")
    assert status_of(["run", "m.yaml", "--keys", "keys.yaml", "--exec", "sh -c 'env >> got'"]) == 0
    assert "PATH=" in Path("got").read_text()
    assert "sk-team" not in Path("got").read_text()


@pytest.mark.usefixtures("_no_backoff")
def test_resume_says_which_hooks_it_left_out(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A database decides about no program; the address is not shown."""
    status_of(["run", "m.yaml", "--exec", "true", "--webhook", "http://127.0.0.1:9/very-secret", "--budget", "1"])
    capsys.readouterr()
    status_of(["resume", "--budget", "100"])
    err = capsys.readouterr().err
    assert "--exec true" in err
    assert "--webhook" in err
    assert "very-secret" not in err
