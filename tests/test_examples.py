"""Every example in the docs runs, in the order in which a reader meets it, in an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from batchveo.cli import COMMANDS, batchveo
from tests.helpers.doc_examples import ROOT, find_status, is_shown, list_blocks, list_commands, save_block
from tests.helpers.samples import sample_cases

WALKED = (
    "README.md",
    "docs/start.md",
    "docs/guides/images.md",
    "docs/guides/chains.md",
    "docs/guides/film.md",
    "docs/guides/checks.md",
    "docs/guides/python.md",
    "docs/guides/choose.md",
    "docs/guides/compare.md",
    "docs/guides/prompt-list.md",
    "docs/guides/several-models.md",
    "docs/guides/spreadsheet.md",
)
"""Pages whose blocks are run: files are written, commands run, and what they print is compared."""
UNQUOTED = re.compile(r"""(?:[^'"|>]|'[^']*'|"[^"]*")*""")
"""A command line up to a pipe or a redirection."""
PAGES = ("README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")))
SECONDS = 120.0
QUICKER = """
import sys
if "--sandbox" in sys.orig_argv or "sandbox=True" in sys.orig_argv[-1]:
    from batchveo.sandbox import Settings
    Settings.__init__.__kwdefaults__["generation_median"] = 0.3
"""
"""What Python runs first in each command (as ``sitecustomize``): a reader has more time than a test."""


def environment(home: Path) -> dict[str, str]:
    bin_folder = Path(sys.executable).parent
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    modules = f"{home / 'first'}{os.pathsep}{ROOT}"  # this checkout, also if another one is installed
    return {"PATH": path, "HOME": str(home), "COLUMNS": "100", "PYTHONPATH": modules}


@pytest.mark.slow
@pytest.mark.parametrize("page", sample_cases(WALKED, size=1))
def test_a_page_followed_word_by_word_works(page: str, tmp_path: Path) -> None:
    """Files are saved, commands run in a shell, Python by the interpreter."""
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "sitecustomize.py").write_text(QUICKER, encoding="utf-8")
    env = environment(tmp_path)
    ran = 0
    for block in list_blocks(page):
        if block.file is not None:
            save_block(block, here)
        elif block.language == "console":
            for command, expected in list_commands(block.text):
                done = run(["sh", "-c", command], here, env)
                assert done.returncode == find_status(command), f"{command}\n{done.stdout}"
                assert is_shown(expected, done.stdout), f"{command}\n{done.stdout}\nis not\n{expected}"
                ran += 1
        elif block.language == "python":
            done = run([sys.executable, "-W", "error", "-c", block.text], here, env)
            assert done.returncode == 0, f"{block.text}\n{done.stdout}"
            ran += 1
    assert ran


def run(command: list[str], folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def shell_lines() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in list_blocks(page):
            if block.language in ("console", "sh", "bash"):
                text = block.text.replace("\\\n", " ")
                for line in text.splitlines():
                    if (line := re.sub(r"^(\$ )?([A-Z_]+=\S* )*", "", line)).startswith("batchveo "):
                        yield page, UNQUOTED.match(line.partition("  #")[0])[0]  # type: ignore[index]  # it matches nothing too


@pytest.mark.parametrize(("page", "line"), list(shell_lines()))
def test_every_command_line_in_the_docs_is_understood(page: str, line: str) -> None:
    """Those that need a key or a person too: each option exists, each value has its type."""
    words = shlex.split(line, comments=True)[1:]
    if not words or words[0] not in COMMANDS:
        assert words
        assert words[0].startswith("-") or words[0] == "COMMAND", line
        return
    found = batchveo.get_command(click.Context(batchveo), words[0])
    assert found is not None
    with found.make_context(words[0], words[1:], resilient_parsing=False):
        pass
