"""What a user's shell does: run commands in a folder, watch them, send signals."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.contract.inside import PROGRAM, find_root_command
from tests.helpers.process_server import ServedProcess, start_process

ROOT = Path(__file__).parents[2]
SECONDS = 300.0
"""After which a command that hangs is killed."""

Event = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Standard output as JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def events(self) -> list[Event]:
        """Standard error as JSON Lines."""
        return [json.loads(line) for line in self.err.splitlines()]


@dataclass(slots=True)
class Watched:
    """A command that runs with ``--log-json``; ``events`` are those read so far."""

    process: ServedProcess
    events: list[Event] = field(default_factory=list)

    def wait_for(self, *conditions: Callable[[Event], bool]) -> None:
        """Read events until each condition has accepted one; fail if the command ends before."""
        left = list(conditions)
        for line in self.process.stderr:
            event = json.loads(line)
            self.events.append(event)
            left = [is_it for is_it in left if not is_it(event)]
            if not left:
                return
        raise AssertionError(f"the command has ended: {self.events}")

    def end(self, number: signal.Signals) -> int:
        """Send the signal, read the rest of the events; returns the exit status."""
        self.process.send_signal(number)
        _, rest = self.process.communicate()
        self.events += map(json.loads, rest.splitlines())
        return self.process.wait()


class Shell:
    """A shell in ``folder``, in which nothing is set that a test did not set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not _is_ours(name)}
        own = {"HOME": str(folder), "PYTHONPATH": str(ROOT), "AIMLAPI_API_KEY": "sk-contract", "NO_PROXY": "*"}
        self._environment = {**kept, **own}

    def read(self, *arguments: str) -> Finished:
        """Run a command to its end within this process: several times as fast, but an error is not worded."""
        with contextlib.chdir(self.folder):
            result = CliRunner(env=self._environment).invoke(find_root_command(), arguments, standalone_mode=False)
        assert result.exception is None, result.exception
        return Finished(status=result.return_value, out=result.stdout, err=result.stderr)

    def run(self, *arguments: str) -> Finished:
        """Run a command of batchveo to its end, in a process of its own as a shell does."""
        with self._started(arguments) as process:
            out, err = process.communicate()
            return Finished(status=process.wait(), out=out, err=err)

    @contextlib.contextmanager
    def watch(self, *arguments: str, program: str = PROGRAM) -> Iterator[Watched]:
        """Start a command that writes events; it is killed at the end if it runs still."""
        with self._started((*arguments, "--log-json"), program) as process:
            yield Watched(process)

    @contextlib.contextmanager
    def sandbox(self, *options: str) -> Iterator[tuple[str, ...]]:
        """Serve the look-alike; yields the options that lead a command there."""
        with self._started(("sandbox", "--port", "0", *options)) as process:
            address = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
            assert address is not None
            yield "--base-url", address[0]

    @contextlib.contextmanager
    def _started(self, arguments: Sequence[str], program: str = PROGRAM) -> Iterator[ServedProcess]:
        process = start_process(program, *arguments, folder=self.folder, environment=self._environment, seconds=SECONDS)
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def _is_ours(name: str) -> bool:
    return name.startswith(("BATCHVEO_", "AIML", "XDG_")) or name.upper().endswith("_PROXY")
