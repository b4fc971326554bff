"""A program of the user that scores clips: JSON Lines of clips in, JSON Lines of scores out, one process a batch."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream, Process

from batchveo.core.errors import BatchveoError, UsageError, find_reason
from batchveo.core.formatting import format_count, shorten_text
from batchveo.core.scores import ScoreError, check_source
from batchveo.provider.api_key import VARIABLES

LONGEST_LINE = 1 << 20
"""Bytes of an answer; the rest of a longer one is thrown away."""
LINES_KEPT = 5
"""Lines of standard error that are repeated if the program fails."""
_LONGEST_ERROR = 64 << 10
Take = Callable[[Sequence[tuple[int, bytes]]], None]
"""Gets lines with their numbers, from 1; one that is longer than ``LONGEST_LINE`` is cut one byte later."""
_INTERPRETERS = ("python", "node", "ruby", "perl", "bash", "sh", "uv", "env", "conda", "Rscript")
_SCRIPTS = (".py", ".js", ".mjs", ".rb", ".pl", ".sh", ".R")


class ProgramFailed(BatchveoError):
    """The program cannot be started, fails, or does not end; ``str()`` has its last words."""


class ScoringProgram:
    """A command, split as a shell does; no shell runs it. ``source``: what the names of its scores begin with.

    Raises ``UsageError`` if it is no command, or its name no source.
    """

    def __init__(self, command: str, *, source: str | None = None, timeout: float = 600.0) -> None:
        try:
            self.arguments = shlex.split(command, posix=sys.platform != "win32")
        except ValueError as error:
            raise UsageError(f"--with {command!r}: {error}") from None
        if not self.arguments:
            raise UsageError("--with names no program")
        try:
            self.source = check_source(_name_program(self.arguments) if source is None else source)
        except ScoreError as error:
            raise UsageError(f"{error}; --as NAME gives another one") from None
        self._timeout = timeout

    async def score_batch(self, clips: Sequence[Mapping[str, object]], take: Take) -> None:
        """Hand ``clips`` to a new process; ``take`` gets the lines of its answer as they come.

        Raises ``ProgramFailed``; the process is killed if it has not ended.
        """
        errors: deque[bytes] = deque(maxlen=LINES_KEPT)
        async with await self._start() as process:
            with anyio.move_on_after(self._timeout) as scope:
                try:
                    async with anyio.create_task_group() as tasks:
                        tasks.start_soon(_write_clips, process, clips)
                        tasks.start_soon(_keep_errors, process, errors)
                        await _read_answers(process, take)
                        await process.wait()
                finally:
                    _kill(process)
        self._check_end(process, errors, len(clips), is_late=scope.cancelled_caught)

    async def _start(self) -> Process:
        try:
            return await anyio.open_process(
                self.arguments,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={name: value for name, value in os.environ.items() if name not in VARIABLES},
                start_new_session=True,  # Ctrl-C is for the command, which ends this process and its children
            )
        except OSError as error:
            raise UsageError(f"--with: {self.arguments[0]} cannot be started: {find_reason(error)}") from None

    def _check_end(self, process: Process, errors: Sequence[bytes], clips: int, *, is_late: bool) -> None:
        words = "\n".join(f"  {shorten_text(line.decode(errors='replace'), 300)}" for line in errors)
        last = f"; its last lines of standard error:\n{words}" if words else ""
        name = self.arguments[0]
        if is_late:
            raise ProgramFailed(
                f"{name} takes longer than {self._timeout:g} s for {format_count(clips, 'clip')}: give a larger "
                f"--timeout or a smaller --batch{last}"
            )
        code = process.returncode
        if code:
            how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed with exit status {code}"
            raise ProgramFailed(f"{name} {how}{last}")


def _name_program(arguments: Sequence[str]) -> str:
    """The name of a program without folders and ending; of an interpreter that of its script."""
    first, *others = arguments
    name = Path(first).stem
    if name.startswith(_INTERPRETERS):
        words = [Path(word) for word in others if not word.startswith("-")]
        scripts = [word for word in words if word.suffix in _SCRIPTS] or words
        name = scripts[0].stem if scripts else name
    return "".join(char if char.isalnum() or char in "_-" else "_" for char in name)


async def _write_clips(process: Process, clips: Sequence[Mapping[str, object]]) -> None:
    stream = process.stdin
    assert stream is not None  # noqa: S101 - it is a pipe
    # a program need not read to the end
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, BrokenPipeError, ConnectionResetError):
        async with stream:
            for clip in clips:
                text = json.dumps(clip, ensure_ascii=False)
                await stream.send(f"{text}\n".encode(errors="replace"))


async def _keep_errors(process: Process, kept: deque[bytes]) -> None:
    stream = process.stderr
    assert stream is not None  # noqa: S101 - it is a pipe
    async for lines in _split_lines(stream, most=_LONGEST_ERROR):
        kept.extend(line for _, line in lines if line.strip())


async def _read_answers(process: Process, take: Take) -> None:
    stream = process.stdout
    assert stream is not None  # noqa: S101 - it is a pipe
    async for lines in _split_lines(stream, most=LONGEST_LINE):
        take(lines)


async def _split_lines(stream: ByteReceiveStream, *, most: int) -> AsyncIterator[list[tuple[int, bytes]]]:
    """The lines of a stream with their numbers, those of each piece together; of each at most ``most + 1`` bytes."""
    number, rest = 1, b""
    async for piece in stream:
        first, *others = piece.split(b"\n")
        rest += first[: most + 1 - len(rest)]
        lines: list[tuple[int, bytes]] = []
        for following in others:
            lines.append((number, rest))
            number, rest = number + 1, following[: most + 1]
        if lines:
            yield lines
    if rest:
        yield [(number, rest)]


def _kill(process: Process) -> None:
    """End a process, if it has not ended, and those that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        elif process.returncode is None:
            process.kill()
