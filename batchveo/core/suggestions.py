"""Suggestions for words that are close to known ones."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 400
"""Characters of a word that are compared."""


def find_closest(word: str, known: Iterable[str], *, most: int = 3, cutoff: float = 0.6) -> list[str]:
    """The ``known`` words that ``word`` may be a slip of, the closest first; ``cutoff`` is the least ratio, 0 to 1."""
    import difflib  # only a slip needs it, and each start of the program would pay for it

    by_fold = {name.casefold(): name for name in known}
    matches = difflib.get_close_matches(word.casefold()[:_LONGEST], by_fold, n=most, cutoff=cutoff)
    return [by_fold[match] for match in matches]


def suggest_closest(word: str, known: Iterable[str]) -> str | None:
    """``did you mean …`` for a word that is close to known ones; ``None`` if none is."""
    whole = {name.casefold(): name for name in known}
    # a model is easily called without its maker
    by_end = {name.rpartition("/")[2]: full for name, full in whole.items()} | whole
    meant = dict.fromkeys(by_end[match] for match in find_closest(word, by_end))
    return f"did you mean {' or '.join(meant)}?" if meant else None
