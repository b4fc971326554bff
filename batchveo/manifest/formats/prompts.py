"""The lines of a list of prompts, and what in them is hardly meant to be one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from batchveo.manifest.formats import text
from batchveo.manifest.problems import Fault, shown
from batchveo.manifest.synonyms import fold_key, means_any
from batchveo.manifest.vocabulary import FIXED

_TABLES = frozenset((".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet"))
_MANIFESTS = frozenset((".yaml", ".yml"))
_OTHERS = re.compile(
    r"\.(?:docx?|odt|rtf|pdf|pages|xlsx?|ods|numbers|html?|xml|srt|vtt|ass|sub|py|js|sh|ipynb|toml|ini|cfg|conf|log"
    r"|tex|png|jpe?g|webp|gif|mp4|zip|gz)"
)
"""Files that no editor of plain lists writes."""
_FIELDS = frozenset(fold_key(name) for name in FIXED)

_JSON = re.compile(r"^\s*(?:[\[{]\s*$|\{\s*\"|\[\s*[\[{\"])")
_FILES = (
    (re.compile(r"%PDF-"), "PDF"),
    (re.compile(r"\{\\rtf", re.IGNORECASE), "RTF"),
    (re.compile(r"\s*<(?:!doctype|html|head|body)\b", re.IGNORECASE), "HTML"),
    (re.compile(r"\s*<\?xml\b", re.IGNORECASE), "XML"),
    (re.compile(r"WEBVTT\b"), "subtitles"),
)
"""What the first line of other formats looks like."""
_LOOKS = (
    (
        re.compile(
            r"^\s*</?(?:p|br|hr|div|span|[uo]l|li|h[1-6]|a|b|i|em|strong|t[rdh]|table|pre|title)\b[^<>]*>",
            re.IGNORECASE,
        ),
        "begins like HTML",
    ),
    (re.compile(r"[0-9]:[0-9]{2}[.,]?[0-9]*\s*-->"), "holds the times of a subtitle"),
    (re.compile(r"^\s*[0-9]+(?:[.,][0-9]+)?\s*$"), "is only a number"),
    (re.compile(r"^[\s\-_=*~#.+–—─•]{2,}$"), "only divides"),
    (re.compile(r"^\s*(?:#|//|/\*|<!--|;)"), "begins like a comment"),
    (
        re.compile(r"^\s*(?:[(\[]?[0-9]{1,5}[.):\]]|[(]?[A-Za-z][)])\s"),
        "begins with a number or a letter, as in a list",
    ),
    (re.compile(r"^\s*[-*•‣◦·–—+>]\s"), "begins like an item of a list"),
    (re.compile(r"\S.*\t.*\S"), "holds a tab, as the rows of a table do"),
    (_JSON, "looks like JSON"),
    (re.compile(r",\s*$"), "ends with a comma"),
    (re.compile(r"(?:^|\s)--[a-z]+(?:[\s=]|$)", re.IGNORECASE), "holds an option of another program"),
)
"""What lines look like that are seldom prompts, the surest sign first."""
_LABEL = re.compile(r"\s*[\"']?(?P<key>[^\W\d][\w -]{0,30}?)[\"']?\s*[:=]\s")
_QUOTES = (('"', '"'), ("'", "'"), ("“", "”"), ("„", "“"), ("«", "»"), ("「", "」"), ("『", "』"))


def check_format(path: Path) -> None:
    """Raise ``Fault`` for a file whose name says that it is something else than a list of prompts."""
    suffix = path.suffix.lower()
    if suffix in _TABLES:
        raise Fault(f"is {suffix}, not a list of prompts", "name it as the manifest, or as rows_file")
    if suffix in _MANIFESTS:
        raise Fault(f"is {suffix}, not a list of prompts", "name it as a manifest of its own")
    if _OTHERS.fullmatch(suffix):
        raise Fault(f"is {suffix}, not a list of prompts", "save it as plain text, a prompt a line")


def check_first(line: str) -> None:
    """Raise ``Fault`` if the first line shows that the file is something else than a list of prompts."""
    if _JSON.match(line):
        raise Fault(
            "looks like JSON, not like a list of prompts", "call it .json or .jsonl, and name it as the manifest"
        )
    for pattern, name in _FILES:
        if pattern.match(line):
            raise Fault(f"looks like {name}, not like a list of prompts", "save it as plain text, a prompt a line")
    cells = [fold_key(cell.strip('"')) for cell in re.split("[,;\t|]", line)]
    is_sure = any(map(_is_column, cells)) or sum(map(_is_field, cells)) > 1
    if is_sure and len(cells) > 1 and all(re.fullmatch(r"[\w .]{1,40}", cell) for cell in cells):
        raise Fault(
            f"looks like a table with the columns {', '.join(cells[:6])}, not like a list of prompts",
            "call it .csv, and name it as the manifest, or as rows_file",
        )


def find_doubt(line: str) -> Fault | None:
    """What makes it doubtful that a line is meant as a prompt; ``None`` for all others."""
    reason = next(_find_reasons(line), None)
    return None if reason is None else Fault(f"{shown(line.strip())} {reason}: is it a prompt?")


def _find_reasons(line: str) -> Iterator[str]:
    for pattern, reason in _LOOKS:
        if pattern.search(line):
            yield reason
    if (label := _LABEL.match(line)) and _is_field(label["key"]):
        yield "begins like a field with its value"
    if _is_column(fold_key(line)):
        yield "is only the name of a column"
    text = line.strip()
    if any(_is_within(text, *quotes) for quotes in _QUOTES):
        yield "is in quotes"


def _is_within(text: str, left: str, right: str) -> bool:
    inside = text[1:-1]
    return text[:1] == left and text[1:][-1:] == right and left not in inside and right not in inside


def _is_column(word: str) -> bool:
    """Whether a folded word is the name of a column, and hardly anything else."""
    return word in _FIELDS or (means_any(word) and any(part in word for part in ("prompt", "caption", "text")))


def _is_field(key: str) -> bool:
    word = fold_key(key)
    return word in _FIELDS or means_any(word)


class PromptLine(NamedTuple):
    """One prompt of a file; ``copy`` is 1, and n for the nth line of the same text."""

    number: int
    text: str
    copy: int


def read_prompts(opening: AbstractContextManager[BinaryIO], *, raw: bool = False) -> Iterator[PromptLine | Fault]:
    """The lines that are not blank; a ``Fault`` for one that is hardly meant as a prompt.

    ``raw`` lines are prompts whatever they look like. Raises ``Fault`` if the file cannot be read, with the
    line if that is known. Keeps a hash of each line, to count the copies.
    """
    seen: set[int] = set()
    copies: dict[str, int] = {}
    with opening as stream:
        for number, prompt in number_lines(stream):
            if not raw:
                if not seen:
                    check_first(prompt)
                if fault := find_doubt(prompt):
                    fault.line = number
                    yield fault
                    continue
            # texts are kept only of lines that repeat
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
