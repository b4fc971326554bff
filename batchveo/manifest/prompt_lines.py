"""The lines of a prompts file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from batchveo.manifest import text
from batchveo.manifest.sources import opened


class PromptLine(NamedTuple):
    """One prompt of a file; ``copy`` is 1, and n for the nth time that the same line stands there."""

    number: int
    text: str
    copy: int


def read(path: Path) -> Iterator[PromptLine]:
    """The lines that are not blank. Raises ``Fault`` with the line where the file cannot be read.

    Keeps a hash of each line, to count the copies.
    """
    seen: set[int] = set()
    copies: dict[str, int] = {}
    with opened(path) as stream:
        for number, line in enumerate(text.lines(stream), 1):
            prompt = line.removesuffix("\n")
            if not prompt or prompt.isspace():
                continue
            key = hash(prompt)
            if key in seen:
                copies[prompt] = copies.get(prompt, 1) + 1
            seen.add(key)
            yield PromptLine(number, prompt, copies.get(prompt, 1))
