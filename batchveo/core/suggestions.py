"""Suggestions for words that are close to known ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST = 400
"""Characters of a word that are compared."""


def suggest_closest(word: str, known: Iterable[str]) -> str | None:
    """``did you mean …`` for a word that is close to known ones; ``None`` if none is."""
    by_fold = {name.casefold(): name for name in known}
    # a model is easily called without its maker
    by_fold = {name.rpartition("/")[2]: whole for name, whole in by_fold.items()} | by_fold
    matches = difflib.get_close_matches(word.casefold()[:_LONGEST], by_fold, n=3, cutoff=0.6)
    if not matches:
        return None
    meant = dict.fromkeys(by_fold[match] for match in matches)
    return "did you mean " + " or ".join(meant) + "?"
