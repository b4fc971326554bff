"""The program of ``--exec``: one process for each finished video, with the job as JSON on its standard input."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

import anyio
from anyio.abc import Process

from batchveo.core.errors import UsageError, find_reason
from batchveo.core.formatting import shorten_text
from batchveo.provider.api_key import VARIABLES

PROGRAM_SECONDS = 600.0
"""Time limit of one process."""
_LAST_BYTES = 4096
"""Bytes of standard error that are kept, for its last line."""
_DRAIN_SECONDS = 0.5
"""Seconds for the last words of a process that has ended; one that it started may keep the pipe open."""


class ProgramError(Exception):
    """The program cannot be started, fails or takes too long."""


def split_command(command: str) -> tuple[str, ...]:
    """The words of a command, as a shell splits them; raises ``UsageError`` if its program cannot be found."""
    try:
        words = shlex.split(command, posix=sys.platform != "win32")
    except ValueError as error:
        raise UsageError(f"--exec {command!r}: {error}") from None
    if not words:
        raise UsageError("--exec names no program")
    found = shutil.which(words[0])
    if found is None:
        raise UsageError(
            f"--exec: there is no program {words[0]!r}; no shell runs it, so for a pipe write --exec \"sh -c '...'\""
        )
    return (str(Path(found).absolute()), *words[1:])


async def run_program(
    arguments: Sequence[str], content: bytes, *, folder: Path | None, hidden: Collection[str] = ()
) -> None:
    """Run a program with ``content`` on its standard input; raises ``ProgramError`` if it fails.

    ``folder`` is where it runs, by default where this process does.
    It and what it started is killed if it takes too long, or if this call is cancelled. It never sees API keys:
    neither in their usual environment variables nor in those that are ``hidden``.
    """
    try:
        process = await anyio.open_process(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # what it prints would tear the live view
            stderr=subprocess.PIPE,
            cwd=folder,
            env={name: value for name, value in os.environ.items() if name not in {*VARIABLES, *hidden}},
            start_new_session=True,  # Ctrl-C is for the run, which ends this process
        )
    except OSError as error:
        raise ProgramError(f"{arguments[0]} cannot be started: {find_reason(error)}") from None
    last = bytearray()
    async with process:
        with anyio.move_on_after(PROGRAM_SECONDS) as limit:
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_write_input, process, content)
                    tasks.start_soon(_keep_last, process, last)
                    await process.wait()
                    tasks.cancel_scope.deadline = anyio.current_time() + _DRAIN_SECONDS
            finally:
                _kill(process)
    _check_end(process, bytes(last), is_late=limit.cancelled_caught)


def _check_end(process: Process, last: bytes, *, is_late: bool) -> None:
    lines = [line for line in last.decode(errors="replace").splitlines() if line.strip()]
    words = f": {shorten_text(lines[-1], 200)}" if lines else ""
    code = process.returncode
    if is_late:
        raise ProgramError(f"took longer than {PROGRAM_SECONDS:g} s{words}")
    if code:
        how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        raise ProgramError(f"{how}{words}")


async def _write_input(process: Process, content: bytes) -> None:
    stream = process.stdin
    assert stream is not None  # noqa: S101 - it is a pipe
    # a program need not read its input
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, BrokenPipeError, ConnectionResetError):
        async with stream:
            await stream.send(content)


async def _keep_last(process: Process, last: bytearray) -> None:
    stream = process.stderr
    assert stream is not None  # noqa: S101 - it is a pipe
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async for piece in stream:
            last += piece
            del last[:-_LAST_BYTES]


def _kill(process: Process) -> None:
    """End a process that has not ended, and those that it has started; what a finished one left runs on."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
