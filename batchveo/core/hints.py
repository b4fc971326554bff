"""Complete commands for messages, which can be pasted into a shell."""

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
"""The names that runs record as their service. Copies, since core imports nothing; a test compares them."""

_PLAIN = re.compile(r"[\w.]+(-[\w.]+)*", re.ASCII)


def pasteable(command: str, *words: str, state: Path | None = None, service: Sequence[str] = ()) -> str:
    """``batchveo COMMAND WORDS… --state DB``, quoted for a shell.

    ``--state`` is added if the default is another database. ``service``: options that name the service, from
    ``address_options``. A word in capitals is a placeholder.
    """
    return shlex.join(["batchveo", command, *words, *service, *state_options(state)])


def state_options(state: Path | None) -> list[str]:
    """``--state DB``, or nothing if a command in the same shell uses this database by default."""
    if state is None:
        return []
    usual = Path(os.environ.get("BATCHVEO_STATE") or USUAL_STATE)
    return [] if state == usual else ["--state", str(state)]


def address_options(services: Iterable[str]) -> list[str]:
    """The options that select the service of a database, from the names that its runs recorded."""
    names = [name for name in services if name]
    if PLAY_SERVICE in names:
        return ["--sandbox"]
    others = [name for name in names if name != REAL_SERVICE]
    return ["--base-url", others[-1]] if others and REAL_SERVICE not in names else []


def key_of(name: str, job_id: str) -> str:
    """What names a job on any command line: its name, or its id if a shell might split or expand the name."""
    return name if _PLAIN.fullmatch(name) else job_id
