"""Commands that a person is advised to run: complete, so that they can be pasted as they are."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

USUAL_STATE = Path("state/batchveo.db")
"""What ``--state`` is where nobody says otherwise."""
REAL_SERVICE = "https://api.aimlapi.com"
PLAY_SERVICE = "sandbox"
"""What runs record as their service; the rooms that make these are above this one, and a test compares them."""

_PLAIN = re.compile(r"[\w.]+(-[\w.]+)*", re.ASCII)


def pasteable(command: str, *words: str, state: Path | None = None, service: Sequence[str] = ()) -> str:
    """``batchveo COMMAND WORDS… --state DB``, quoted for a shell.

    The state is named where another one would be meant without it, ``service`` are the options that name the
    service (``address_options``). A word of capitals stands for what the person is to fill in.
    """
    return shlex.join(["batchveo", command, *words, *service, *state_options(state)])


def state_options(state: Path | None) -> list[str]:
    """``--state DB``, where that is not what a command in the same shell would take by itself."""
    if state is None:
        return []
    usual = Path(os.environ.get("BATCHVEO_STATE") or USUAL_STATE)
    return [] if state == usual else ["--state", str(state)]


def address_options(services: Iterable[str]) -> list[str]:
    """The options that lead to where a state's jobs were bought, by the names of its runs' services."""
    names = [name for name in services if name]
    if PLAY_SERVICE in names:
        return ["--sandbox"]
    others = [name for name in names if name != REAL_SERVICE]
    return ["--base-url", others[-1]] if others and REAL_SERVICE not in names else []


def key_of(name: str, job_id: str) -> str:
    """What names a job on any command line: its name, or its id where a shell or a terminal might mistake that."""
    return name if _PLAIN.fullmatch(name) else job_id
