"""The files of finished videos."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.sandbox import Service

pytestmark = pytest.mark.usefixtures("_dragon_folder")


def test_lost_files_are_fetched_again(url: str, service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    """verify finds them; --refetch costs nothing."""
    status_of(["run", "m.yaml"])
    Path("videos/dragon.mp4").unlink()
    recorded = Path("videos/fox 0.mp4").stat().st_size
    Path("videos/fox 0.mp4").write_bytes(b"damaged")
    capsys.readouterr()
    assert status_of(["verify", "--json"]) == 1
    problems = [json.loads(line)["problem"] for line in capsys.readouterr().out.splitlines()]
    assert problems == ["missing", f"7 bytes, recorded were {recorded}", None]
    assert status_of(["verify", "--refetch"]) == 1
    assert status_of(["resume"]) == 0
    assert status_of(["verify"]) == 0
    assert len(service.generations) == 3


@pytest.mark.parametrize("command", ["verify", "check"])
def test_the_name_of_a_file_controls_no_terminal(command: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In a database that came from somewhere else."""
    status_of(["run", "m.yaml"])
    with closing(sqlite3.connect("state/batchveo.db")) as db, db:
        db.execute("UPDATE jobs SET file = 'a\x1b]0;title\x07' || seq")
    capsys.readouterr()
    assert status_of([command]) == 1
    out = capsys.readouterr().out
    assert out.count("/a ]0;title ") == 3
    assert "\x1b" not in out
