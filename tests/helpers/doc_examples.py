"""The examples of the docs: blocks of code, the commands in them, and what these are said to print."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^( *)```([^`\n]*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
ROWS = {"products.csv": 40, "scenes.txt": 500}
"""How many rows a file has of which the docs show the first ones."""


class Block(NamedTuple):
    language: str
    file: str | None
    """The block's title: the file that the reader is asked to save it as."""
    text: str


def list_blocks(page: str, *, section: str | None = None) -> Iterator[Block]:
    """The blocks of a page, or of one section of it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if section is not None:
        text = text.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    for indent, info, body in FENCE.findall(text):
        language, _, options = info.partition(" ")
        title = re.fullmatch(r'title="(.+)"', options)
        yield Block(language, title[1] if title else None, textwrap.dedent(body) if indent else body)


def save_block(block: Block, folder: Path) -> None:
    """Save a block as the file that it names, with the rows that the docs leave out."""
    assert block.file is not None
    path = folder / block.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(add_rows(block.file, block.text), encoding="utf-8")


def add_rows(file: str, text: str) -> str:
    """The text with rows in place of its last line ``…``, until there are as many as the docs say."""
    shown, more, _ = text.partition("\n…\n")
    if not more:
        return text
    lines = shown.split("\n")
    first = 1 if file.endswith(".csv") else 0
    for number in range(len(lines) - first + 1, ROWS[file] + 1):
        cells = [f"{cell} {number}" if place < 2 else cell for place, cell in enumerate(lines[first].split(","))]
        lines.append(",".join(cells))
    return "\n".join([*lines, ""])


def list_commands(text: str) -> Iterator[tuple[str, list[str]]]:
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


def is_shown(expected: list[str], output: str) -> bool:
    """Whether every expected line is printed, in this order; ``…`` stands for anything."""
    patterns = [".*".join(map(re.escape, line.rstrip().split("…"))) for line in expected if line.strip(" …")]
    return re.search("".join(rf"^{pattern}\s*$[\s\S]*" for pattern in patterns), output, re.MULTILINE) is not None


def find_status(command: str) -> int:
    """What a command ends with: 0, or what its comment says (``# exit status 1``)."""
    said = re.search(r"# exit status (\d+)", command)
    return int(said[1]) if said else 0
