"""What is wrong in the manifests, gathered until everything has been read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from batchveo.core.errors import ManifestError, Problem
from batchveo.provider.catalog.parameters import format_below

KEPT = 100
"""How many problems are kept to be shown; the others are counted."""

FEW = 5
"""How many problems of one kind are shown; of the others the first lines are named."""

_REMEMBERED = 10_000
_FIELD_LIMIT = 80
_TEXT_LIMIT = 400
_LINES_NAMED = 5
_INDEX = re.compile(r"\[[0-9]+\]")
# what differs between two problems of one kind: quoted values, placeholders and numbers
_VALUES = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\{[^{}]*\}|[0-9]+")


class Fault(Exception):
    """One thing wrong with one value, raised by code that does not know the place in the file.

    ``line`` and ``field`` are set if the raiser knows them better than the catcher; ``path`` leads to the part of the
    value that is wrong. ``also`` has the other faults of the same value. ``model`` is set if the place leaves open
    for which model the value is wrong.
    """

    def __init__(
        self,
        message: str,
        suggestion: str | None = None,
        *,
        line: int | None = None,
        field: str | None = None,
        path: tuple[str | int, ...] = (),
    ) -> None:
        self.message = message
        self.suggestion = suggestion
        self.line = line
        self.field = field
        self.path = path
        self.also: tuple[Fault, ...] = ()
        self.model: str | None = None
        super().__init__(message)


def fault_without_field(fault: Fault) -> Fault:
    """The fault, to be reported at the field that its catcher names."""
    fault.field = None
    return fault


def join_faults(faults: Sequence[Fault]) -> Fault:
    """The faults of one value as one, which is the first of them."""
    first, *others = (each for fault in faults for each in split_fault(fault))
    first.also = tuple(others)
    return first


def split_fault(fault: Fault) -> list[Fault]:
    """The faults of one value, each by itself."""
    also, fault.also = fault.also, ()
    return [fault, *also]


class FatalFault(Fault):
    """A fault of a stream, after which nothing more can be read from it."""


@dataclass(slots=True)
class _Kind:
    """The problems of one kind in one file: the first few, how many more, and the lines of some of those.

    ``listed`` has each with its number in the order of reports, and with the links of a chain that have it.
    """

    listed: list[tuple[int, Problem, list[int]]] = field(default_factory=list)
    more: int = 0
    more_lines: list[int] = field(default_factory=list)

    def count(self, line: int | None) -> None:
        self.more += 1
        if line is not None and len(self.more_lines) < _LINES_NAMED and line not in self.more_lines:
            self.more_lines.append(line)

    def problems(self) -> Iterable[tuple[int, Problem]]:
        """Those that are listed; the last of them counts the others."""
        found = [
            (number, replace(problem, links=tuple(sorted(set(links)))) if len(links) > 1 else problem)
            for number, problem, links in self.listed
        ]
        if not self.more:
            return found
        *first, (number, last) = found
        return [*first, (number, replace(last, more=self.more, more_lines=tuple(self.more_lines)))]


class Problems:
    """Collects problems; ``noticed`` counts every report, repeated ones too.

    Of one kind a few are kept, so that a thousand of it hide nothing else. They are listed in the order of ``files``.
    """

    def __init__(self, files: Iterable[str] = ()) -> None:
        self.total = 0
        self.noticed = 0
        self._kinds: dict[tuple[str, str | None, str], _Kind] = {}
        self._kept = 0
        self._files = {file: number for number, file in enumerate(files)}
        self._said: set[tuple[str, int | None, str | None, str]] = set()
        self._links: dict[tuple[str, str, str | None, str, str | None], list[int]] = {}

    def add(
        self,
        file: str,
        line: int | None,
        field: str | None,
        message: str,
        suggestion: str | None = None,
        *,
        once: bool = False,
        kind: str | None = None,
        model: str | None = None,
        link: tuple[str, int] | None = None,
    ) -> None:
        """Report one problem. With ``once`` it is dropped if the same was reported so before, for whichever model.

        Problems of a file are of one ``kind`` if it, or else their message without its values, is the same. ``link``:
        the chain, and the number of its link that has the problem; what several links of a chain have is one problem.
        """
        # dropped problems count too: callers compare it to know whether an entry is good
        self.noticed += 1
        if once:
            said = (file, line, field, message)
            if said in self._said:
                return
            if len(self._said) < _REMEMBERED:
                self._said.add(said)
        self._files.setdefault(file, len(self._files))
        place = field and _INDEX.sub("[]", field)  # the items of a list have one kind of problem
        links: list[int] = []
        if link is not None:
            chain, number = link
            # the number in chain[3] is that of the link
            named = place if field and field.startswith("chain[") else field
            same = (file, chain, named, message, model)
            links = self._links.get(same, links)
            links.append(number)
            if len(self._links) < _REMEMBERED:
                self._links[same] = links
            if len(links) > 1:
                return
        self.total += 1
        key = (file, place, kind or _VALUES.sub("…", message))
        like_it = self._kinds.get(key)
        if model is not None:
            message += f" (for {model})"
        if like_it is not None and (len(like_it.listed) >= FEW or self._kept >= KEPT):
            like_it.count(line)
        elif self._kept < KEPT:
            like_it = self._kinds.setdefault(key, _Kind())
            like_it.listed.append((self.total, _make_problem(file, line, field, message, suggestion), links))
            self._kept += 1

    def add_fault(
        self,
        file: str,
        line: int | None,
        field: str | None,
        fault: Fault,
        *,
        once: bool = False,
        link: tuple[str, int] | None = None,
    ) -> None:
        """Report a fault at this place, or at the line and field it knows itself, and those with it."""
        for each in split_fault(fault):
            place = each.field or field
            below = None if place is None else place + format_below(each.path)
            at = each.line or line
            self.add(file, at, below, each.message, each.suggestion, once=once, model=each.model, link=link)

    def raise_if_any(self) -> None:
        """Raise ``ManifestError`` with those that are kept, if there is one."""
        if self.total:
            raise ManifestError(self.list_problems(), self.total)

    def list_problems(self) -> list[Problem]:
        """Those that are kept, by file and line; those of one line in the order of their reports."""
        kept = [numbered for kind in self._kinds.values() for numbered in kind.problems()]
        kept.sort(key=lambda numbered: (self._files[numbered[1].file], numbered[1].line or 0, numbered[0]))
        return [problem for _, problem in kept]


def shown(value: object, limit: int = 60) -> str:
    """A value as it is quoted in a message: on one line, and cut in its middle if it is long."""
    return cut(repr(value), limit)


def shown_bare(text: str, limit: int = 120) -> str:
    """The same without quotes, for what is to be copied."""
    return cut("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text), limit)


def cut(text: str, limit: int) -> str:
    """The text, or its beginning and its end: texts of one manifest often begin alike."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return f"{text[:head]}…{text[head + 1 - limit :]}"


def _make_problem(file: str, line: int | None, field: str | None, message: str, suggestion: str | None) -> Problem:
    return Problem(
        file=file,
        line=line,
        field=field and shown_bare(field, _FIELD_LIMIT),
        message=cut(message, _TEXT_LIMIT),
        suggestion=suggestion and cut(suggestion, _TEXT_LIMIT),
    )
