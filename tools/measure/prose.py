"""Figures of the text that people read: how often "where" stands for "if"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tools.measure.figure import Figure
from tools.measure.sources import Project

_FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")
_WHERE = re.compile(r"\b[Ww]here\b")

_PLACE_BEFORE = re.compile(
    r"\b(says?|said|tells?|told|knows?|known|see|shows?|decides?|matter|exactly|of|from|to|is|are|and|at|near|no"
    r"|folders?|places?|files?|page|column|line|path|address|machine|host|table|bucket|directory|database|position"
    r"|section)$",
    re.IGNORECASE,
)
"""Words after which "where" names a place: ``says where the video is``, ``the folder where they are``."""

_CONDITION_AFTER = re.compile(
    r"\s+(there (is|are|was|were)|nobody|nothing|none|no\b|not\b|it (is|was) (none|no|not)"
    r"|(it|they|that) (can|cannot)|that (is|was)|one (is|was|cannot))"
)
"""What follows a "where" that is an "if": ``None where there is none``, ``0 where nobody knows``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prose:
    """A piece of text with the place it is from, for example ``docs/manifest.md``."""

    place: str
    text: str

    @property
    def words(self) -> int:
        """The number of words."""
        return len(_WORD.findall(self.text))

    def find_conditions(self) -> Iterator[str]:
        """Yield the surroundings of each "where" that could be an "if"."""
        flat = " ".join(self.text.split())
        for found in _WHERE.finditer(flat):
            before, after = flat[: found.start()], flat[found.end() :]
            if is_condition(before, after):
                yield f"{self.place}: …{before[-40:]}{found[0]}{after[:40]}…"


def is_condition(before: str, after: str) -> bool:
    """Whether "where", between these two texts, means "if".

    A heuristic. It does not after words that ask for a place or name one. It does at the beginning of a sentence
    if a comma follows, after a comma if the next words are a condition's, and everywhere else.
    """
    before = before.rstrip()
    if _PLACE_BEFORE.search(before):
        return False
    if not before or before[-1] in ".:;|!?(-":
        is_opening = not before or before[-1] not in ":;("
        sentence = re.split(r"[.|;]\s", after, maxsplit=1)[0]
        return bool(_CONDITION_AFTER.match(after)) or (is_opening and "," in sentence)
    if before[-1] == ",":
        return bool(_CONDITION_AFTER.match(after))
    return True


def read_markdown(place: str, text: str) -> Prose:
    """The prose of a Markdown page: without its blocks of code."""
    return Prose(place=place, text=_FENCED.sub("", text))


def measure_prose(project: Project) -> Iterator[Figure]:
    """Yield the figures of the pages and of the docstrings."""
    pages = [*sorted(project.folder.glob("*.md")), *sorted((project.folder / "docs").rglob("*.md"))]
    markdown = [read_markdown(page.relative_to(project.folder).as_posix(), page.read_text("utf-8")) for page in pages]
    docstrings = [
        Prose(place=f"{source.path.as_posix()}:{node.lineno}", text=str(node.value))
        for source in project.sources
        for node in source.docstrings
    ]
    how = "A heuristic by the words before and after, described in `tools/measure/prose.py`."
    for key, name, pieces in (("pages", "docs", markdown), ("docstrings", "docstrings", docstrings)):
        found = tuple(surroundings for piece in pieces for surroundings in piece.find_conditions())
        words = sum(piece.words for piece in pieces)
        yield Figure(
            key=f"where_in_{key}",
            name=f'"where" for "if", per 1,000 words of {name}',
            value=1000 * len(found) / words if words else 0.0,
            goal="0.1",
            how=how,
            found=found,
        )
