"""Three newcomers get from an empty folder to a dataset by what the docs say alone: a sheet, a list, a comparison."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from batchveo.cli import status_of
from batchveo.sandbox import Settings
from tests.helpers.doc_examples import find_status, is_shown, list_blocks, list_commands, save_block

WAYS = (
    ("docs/guides/spreadsheet.md", "From forty products to a dataset"),
    ("docs/guides/prompt-list.md", "From 500 prompts to a dataset"),
    ("docs/guides/compare.md", "From three models to a dataset"),
)


@pytest.fixture(autouse=True)
def _fresh_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, and nothing is set but how often to poll: generations take no time, nobody watches them."""
    for name in os.environ:
        if name.startswith(("BATCHVEO_", "AIML")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("BATCHVEO_POLL_INTERVAL", "0.05")
    assert Settings.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(Settings.__init__.__kwdefaults__, "generation_median", 0.01)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def run_command(command: str) -> tuple[int, str]:
    """The exit status and all that is printed. Commands of ours run in this process: 15 starts would take 15 s."""
    if not command.startswith("batchveo "):
        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, done.stdout + done.stderr
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = status_of(shlex.split(command, comments=True)[1:])
    return status, printed.getvalue()


@pytest.mark.exhaustive
@pytest.mark.slow
@pytest.mark.parametrize(("page", "section"), WAYS, ids=[page.rpartition("/")[2] for page, _ in WAYS])
def test_the_docs_lead_to_a_dataset(page: str, section: str) -> None:
    """Files are saved and commands typed as they stand there, and print what they are said to."""
    typed = []
    for block in list_blocks(page, section=section):
        if block.file is not None:
            save_block(block, Path())
        elif block.language == "console":
            for command, expected in list_commands(block.text):
                status, printed = run_command(command)
                assert status == find_status(command), f"{command}\n{printed}"
                assert is_shown(expected, printed), f"{command}\n{printed}\nis not\n{expected}"
                typed.append(command.split()[1])
    assert [name for name in ("plan", "run", "export") if name in typed] == ["plan", "run", "export"]
    assert list(Path().glob("trial/*/*/metadata.jsonl"))
