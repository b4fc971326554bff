"""Measuring a clip, taking a frame of it, joining clips: in a process that may hang, crash or be killed."""

from __future__ import annotations

import base64
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import anyio

from batchveo.core.errors import UsageError
from batchveo.core.films import Film, FilmClip
from batchveo.core.measures import CheckLevel, Measures

TIMEOUT_SECONDS = 120.0
"""Time for one clip: a minute in 4K takes less on a slow core."""
JOIN_SECONDS = 900.0
"""Time for each clip of a film: half a minute in 4K takes less to encode on a slow core."""
ATTEMPTS = 2
"""How often a file is read whose process dies: the system kills one for its own reasons, too."""
_VARIABLES = ("PATH", "PYTHONHOME", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""What the process sees of the environment, in which the API key is."""
_PYAV = (18, 1)


@cache
def can_measure() -> bool:
    """Whether PyAV is installed, in a version that shows what filters find; this process does not load it."""
    try:
        version = metadata.version("av")
    except metadata.PackageNotFoundError:
        return False
    return tuple(map(int, re.findall(r"\d+", version)[:2])) >= _PYAV


def check_extra() -> None:
    """Raise ``UsageError`` unless clips can be measured here."""
    if not can_measure():
        wanted = ".".join(map(str, _PYAV))
        raise UsageError(f"reading videos needs PyAV {wanted} or newer: pip install --upgrade 'batchveo[media]'")


async def measure_video(
    path: Path,
    level: CheckLevel,
    *,
    limiter: anyio.CapacityLimiter,
    timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109 - the process has to know it, too
) -> Measures:
    """Measure the file at ``path`` at the level ``basic`` or ``all``; ``limiter`` bounds the processes at work.

    The process is killed if the caller is cancelled, or after ``timeout`` seconds. If it fails in any way, the measures
    have a problem and no numbers. Raises ``OSError`` if the file cannot be opened, ``UsageError`` without PyAV.
    """
    check_extra()
    async with limiter:
        for _ in range(ATTEMPTS):
            with anyio.move_on_after(timeout) as scope:
                answer = await _run_child(path, "measure", level.value, timeout)
            if scope.cancelled_caught:
                return _give_up(level, f"it takes longer than {timeout:g} s to decode")
            if answer is not None:
                return _read_answer(answer, path, level)
    return _give_up(level, "the process that decodes it crashes, or is killed")


async def take_frame(
    path: Path,
    part: str,
    *,
    limiter: anyio.CapacityLimiter,
    timeout: float = TIMEOUT_SECONDS,  # noqa: ASYNC109 - as above
) -> bytes:
    """The frame of the file at ``path`` at ``part`` (see ``media.frames``), as a PNG image; the rest as above.

    Raises ``OSError`` if the file cannot be opened, or no frame of it can be decoded.
    """
    check_extra()
    reason = "the process that decodes it crashes, or is killed"
    async with limiter:
        for _ in range(ATTEMPTS):
            with anyio.move_on_after(timeout) as scope:
                answer = await _run_child(path, "frame", part, timeout)
            if scope.cancelled_caught:
                reason = f"it takes longer than {timeout:g} s to decode"
                break
            if answer is not None and (image := _read_record(answer, path).get("png")):
                return base64.b64decode(image)
    raise OSError(None, reason, str(path))


async def join_film(
    clips: Sequence[FilmClip],
    target: Path,
    *,
    limiter: anyio.CapacityLimiter,
    timeout: float | None = None,  # noqa: ASYNC109 - as above
) -> Film:
    """Join clips to a film, an MP4 file at ``target`` (see ``media.film``); the rest as above.

    ``timeout``: by default enough to encode all of them anew. Raises ``OSError`` with the name of the file, that of a
    clip or of the film, that cannot be read or written.
    """
    check_extra()
    seconds = JOIN_SECONDS * len(clips) if timeout is None else timeout
    told = json.dumps([(str(clip.path), clip.title, clip.part) for clip in clips]).encode()
    reason = "the process that joins it crashes, or is killed"
    async with limiter:
        for _ in range(ATTEMPTS):
            with anyio.move_on_after(seconds) as scope:
                answer = await _run_child(target, "join", "-", seconds, told)
            if scope.cancelled_caught:
                reason = f"it takes longer than {seconds:g} s to join"
                break
            with suppress(ValueError):
                if answer is not None:
                    return Film.from_record(_read_record(answer, target))
    raise OSError(None, reason, str(target))


async def _run_child(
    path: Path,
    task: str,
    what: str,
    timeout: float,  # noqa: ASYNC109 - as above
    told: bytes = b"",
) -> bytes | None:
    """What the process printed; ``None`` if it failed. ``told`` is its standard input."""
    # not anyio.to_process: its workers run the main module again, and a user's script may have no guard against that
    with TemporaryFile() as stdin:  # not a pipe, which breaks if the process dies before it has read all
        stdin.write(told)
        stdin.seek(0)
        done = await anyio.run_process(
            _make_command(task, what, math.ceil(timeout) + 1, path),
            stdin=stdin,
            stderr=subprocess.DEVNULL,
            check=False,
            env=_make_environment(),
            start_new_session=True,  # Ctrl-C is for the run, which decides what becomes of this
        )
    return done.stdout if done.returncode == 0 else None


def _make_command(task: str, what: str, most_seconds: int, path: Path) -> list[str]:
    return [sys.executable, "-P", "-m", "batchveo.media.child", task, what, str(most_seconds), str(path)]


def _give_up(level: CheckLevel, problem: str) -> Measures:
    return Measures(level=level, problems=(problem,), is_conclusive=False)


def _make_environment() -> Mapping[str, str]:
    """The import path of this process, and little else.

    Not the working folder, which a notebook and ``python -m`` have in the path: a ``json.py`` among the videos is no
    module. This package may be there, and then comes last.
    """
    kept = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    path = [entry for entry in sys.path if not _is_working_folder(entry)]
    return {**kept, "PYTHONPATH": os.pathsep.join([*path, str(Path(__file__).parents[2])])}


def _is_working_folder(entry: str) -> bool:
    with suppress(OSError):  # there may be no such folder
        return Path(entry or os.curdir).samefile(os.curdir)
    return False


def _read_answer(answer: bytes, path: Path, level: CheckLevel) -> Measures:
    """The measures; raises the child's ``OSError``."""
    record = _read_record(answer, path)
    with suppress(ValueError):
        if record:
            return Measures.from_record(record)
    return _give_up(level, "the process that decodes it sends no measures")


def _read_record(answer: bytes, path: Path) -> dict[str, Any]:
    """What the child found; empty if it is no such record. Raises the child's ``OSError``."""
    try:
        record = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(record, dict):
        return {}
    if "message" in record:
        raise OSError(record.get("errno"), str(record["message"]), record.get("file") or str(path))
    return record
