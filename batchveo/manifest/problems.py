"""What is wrong in the manifests, gathered until everything has been read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from batchveo.errors import Problem

KEPT = 100
"""How many problems are kept to be shown; the others are counted."""

_REMEMBERED = 10_000


class Fault(Exception):
    """One thing wrong with one value, raised where the place in the file is not known.

    ``line`` and ``field`` are set where the raiser knows them better than the catcher.
    """

    def __init__(
        self,
        message: str,
        suggestion: str | None = None,
        *,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        self.message = message
        self.suggestion = suggestion
        self.line = line
        self.field = field
        super().__init__(message)


class FatalFault(Fault):
    """A fault of a stream, after which nothing more can be read from it."""


class Problems:
    """Collects problems; ``noticed`` counts every report, repeated ones too."""

    def __init__(self) -> None:
        self.kept: list[Problem] = []
        self.total = 0
        self.noticed = 0
        self._said: set[tuple[str, int | None, str | None, str]] = set()

    def add(
        self,
        file: str,
        line: int | None,
        field: str | None,
        message: str,
        suggestion: str | None = None,
        *,
        once: bool = False,
    ) -> None:
        """Report one problem. With ``once`` it is dropped if the same was reported so before."""
        self.noticed += 1
        if once:
            said = (file, line, field, message)
            if said in self._said:
                return
            if len(self._said) < _REMEMBERED:
                self._said.add(said)
        self.total += 1
        if len(self.kept) < KEPT:
            self.kept.append(Problem(file=file, line=line, field=field, message=message, suggestion=suggestion))

    def fault(self, file: str, line: int | None, field: str | None, fault: Fault, *, once: bool = False) -> None:
        """Report a fault at this place, or at the line and field it knows itself."""
        line, field = fault.line or line, fault.field or field
        self.add(file, line, field, fault.message, fault.suggestion, once=once)


def closest(word: str, known: Iterable[str]) -> str | None:
    """``did you mean …`` for a word that is close to known ones; ``None`` where none is."""
    by_fold = {name.casefold(): name for name in known}
    # a model is easily called without its maker
    by_fold = {name.rpartition("/")[2]: whole for name, whole in by_fold.items()} | by_fold
    matches = difflib.get_close_matches(word.casefold(), by_fold, n=3, cutoff=0.6)
    if not matches:
        return None
    meant = dict.fromkeys(by_fold[match] for match in matches)
    return "did you mean " + " or ".join(meant) + "?"


def shown(value: object, limit: int = 60) -> str:
    """A value as it is quoted in a message: short, on one line."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."
