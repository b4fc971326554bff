"""Every example in the docs runs, in the order in which a reader meets it, in an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from batchveo.cli import COMMANDS, batchveo
from tests.helpers.samples import sample_cases

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^( *)```([^`\n]*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
WALKED = (
    "README.md",
    "docs/start.md",
    "docs/guides/images.md",
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


class Block(NamedTuple):
    language: str
    file: str | None
    """The block's title: the file that the reader is asked to save it as."""
    text: str


def blocks(page: str) -> Iterator[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    for indent, info, body in FENCE.findall(text):
        language, _, options = info.partition(" ")
        title = re.fullmatch(r'title="(.+)"', options)
        yield Block(language, title[1] if title else None, textwrap.dedent(body) if indent else body)


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block, with the lines that it is said to print."""
    lines = text.replace("\\\n", " ").splitlines()
    command, printed = "", list[str]()
    for line in lines:
        if line.startswith("$ "):
            if command:
                yield command, printed
            command, printed = line.removeprefix("$ "), []
        else:
            printed.append(line)
    if command:
        yield command, printed


def shown(expected: list[str], output: str) -> bool:
    """Whether every expected line is printed, in this order; ``…`` stands for anything."""
    patterns = [".*".join(map(re.escape, line.rstrip().split("…"))) for line in expected if line.strip(" …")]
    return re.search("".join(rf"^{pattern}\s*$[\s\S]*" for pattern in patterns), output, re.MULTILINE) is not None


def environment(home: Path) -> dict[str, str]:
    bin_folder = Path(sys.executable).parent
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    modules = f"{home / 'first'}{os.pathsep}{ROOT}"  # this checkout, also if another one is installed
    return {"PATH": path, "HOME": str(home), "COLUMNS": "100", "PYTHONPATH": modules}


@pytest.mark.slow
@pytest.mark.parametrize("page", sample_cases(WALKED, size=3))
def test_a_page_followed_word_by_word_works(page: str, tmp_path: Path) -> None:
    """Files are saved, commands run in a shell, Python by the interpreter."""
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "sitecustomize.py").write_text(QUICKER, encoding="utf-8")
    env = environment(tmp_path)
    ran = 0
    for block in blocks(page):
        if block.file is not None:
            path = here / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "console":
            for command, expected in commands(block.text):
                done = run(["sh", "-c", command], here, env)
                assert done.returncode == status(command), f"{command}\n{done.stdout}"
                assert shown(expected, done.stdout), f"{command}\n{done.stdout}\nis not\n{expected}"
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


def status(command: str) -> int:
    """What a command ends with: 0, or what its comment says (``# exit status 1``)."""
    said = re.search(r"# exit status (\d+)", command)
    return int(said[1]) if said else 0


def shell_lines() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in blocks(page):
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
