"""The two services that clients are measured against, each a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.loopback import Seen
from benchmarks.processes import Command, Glance, batchveo, glance, program, started

_ADDRESS = re.compile(rb"(http://127\.0\.0\.1:\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running service; ``notes_requests``: it has a page of what it has seen, as the loopback server has."""

    url: str
    pid: int
    notes_requests: bool

    def glance(self) -> Glance:
        """What it has used so far."""
        return glance(self.pid)

    def seen(self) -> Seen:
        """What the loopback server has seen; the sandbox has no such page."""
        with urllib.request.urlopen(f"{self.url}/benchmark", timeout=10) as answer:
            said: dict[str, Any] = json.load(answer)
        return Seen(**said)


@contextmanager
def loopback(*, generation_time: float = 0.0, video_bytes: int = 50_000, requests: int = 0) -> Iterator[Server]:
    """``benchmarks.loopback``; times are seconds, ``requests`` the rows of its usage log."""
    options = ["--generation-time", str(generation_time), "--video-bytes", str(video_bytes)]
    options += ["--requests", str(requests)]
    with _serving(program("loopback", *options), notes_requests=True) as server:
        yield server


@contextmanager
def sandbox(*options: str) -> Iterator[Server]:
    """``batchveo sandbox`` with these options."""
    with _serving(batchveo("sandbox", "--port", "0", *options), notes_requests=False) as server:
        yield server


@contextmanager
def _serving(command: Command, *, notes_requests: bool) -> Iterator[Server]:
    with started(command, stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        said = child.stderr.readline()
        address = _ADDRESS.search(said)
        if address is None:
            raise RuntimeError(f"the server did not start: {(said + child.stderr.read()).decode()}")
        yield Server(url=address[1].decode(), pid=child.pid, notes_requests=notes_requests)
