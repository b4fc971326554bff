"""Hints in messages: complete commands that can be pasted into a shell, and words that were probably meant."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

USUAL_STATE = Path("state/batchveo.db")
"""The default of ``--state``."""
REAL_SERVICE = "https://api.aimlapi.com"
PLAY_SERVICE = "sandbox"
"""The names that runs record as their service: copies, since core imports nothing; a test compares them."""

_PLAIN = re.compile(r"[\w.]+(-[\w.]+)*", re.ASCII)


def format_command(command: str, *words: str, state: Path | None = None, service: Sequence[str] = ()) -> str:
    """``batchveo COMMAND WORDS… --state DB``, quoted for a shell.

    ``--state`` is added if the default is another database. ``service``: the options that select the service, from
    ``address_options``. A word in capitals is a placeholder.
    """
    return shlex.join(["batchveo", command, *words, *service, *state_options(state)])


def format_remake(model: str, successor: str | None, *, state: Path | None = None) -> str:
    """The command that makes the jobs of ``model`` under ``successor``; ``None``: whoever reads it chooses one."""
    return format_command("retry", "--model", model, "--to", successor or "NEW", state=state)


def state_options(state: Path | None) -> list[str]:
    """``--state DB``, or nothing if a command in the same shell uses this database by default."""
    if state is None:
        return []
    usual = Path(os.environ.get("BATCHVEO_STATE") or USUAL_STATE)
    return [] if state == usual else ["--state", str(state)]


def address_options(services: Iterable[str]) -> list[str]:
    """The options that select the service of a database, by the names that its runs recorded."""
    names = [name for name in services if name]
    if PLAY_SERVICE in names:
        return ["--sandbox"]
    others = [name for name in names if name != REAL_SERVICE]
    return ["--base-url", others[-1]] if others and REAL_SERVICE not in names else []


def job_argument(name: str, job_id: str) -> str:
    """The argument that selects a job: its name, or its id if a shell might split or expand the name."""
    return name if _PLAIN.fullmatch(name) else job_id


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
    # people write the name of a model without its maker
    by_end = {name.rpartition("/")[2]: full for name, full in whole.items()} | whole
    meant = dict.fromkeys(by_end[match] for match in find_closest(word, by_end))
    return f"did you mean {' or '.join(meant)}?" if meant else None
