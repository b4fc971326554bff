"""The lines of a prompts file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, NamedTuple

from batchveo.manifest.formats import prompt_checks, text
from batchveo.manifest.problems import Fault


class PromptLine(NamedTuple):
    """One prompt of a file; ``copy`` is 1, and n for the nth time that the same line stands there."""

    number: int
    text: str
    copy: int


def read_prompts(opening: AbstractContextManager[BinaryIO], *, raw: bool = False) -> Iterator[PromptLine | Fault]:
    """The lines that are not blank; a ``Fault`` stands for one that is hardly meant as a prompt.

    ``raw`` lines are prompts whatever they look like. Raises ``Fault`` where the file cannot be read, with the
    line if that is known. Keeps a hash of each line, to count the copies.
    """
    seen: set[int] = set()
    copies: dict[str, int] = {}
    with opening as stream:
        for number, prompt in number_lines(stream):
            if not raw:
                if not seen:
                    prompt_checks.check_first(prompt)
                if fault := prompt_checks.find_doubt(prompt):
                    fault.line = number
                    yield fault
                    continue
            key = hash(prompt)
            if key in seen:
                copies[prompt] = copies.get(prompt, 1) + 1
            seen.add(key)
            yield PromptLine(number, prompt, copies.get(prompt, 1))


def number_lines(stream: BinaryIO) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, without their ends, each with its number from 1."""
    for number, line in enumerate(text.read_lines(stream), 1):
        prompt = line.removesuffix("\n")
        if prompt and not prompt.isspace():
            yield number, prompt
