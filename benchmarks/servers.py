"""The two services that clients are measured against, each a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.loopback import Seen
from benchmarks.processes import Command, Glance, batchveo, glance, program, started

_ADDRESS = re.compile(rb"https?://127\.0\.0\.1:\d+")
_SECURE_ADDRESS = re.compile(rb"https://127\.0\.0\.1:\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running service; ``files_url``: where its videos are.

    ``notes_requests``: it has a page of what it has seen, as the loopback server has.
    """

    url: str
    files_url: str
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
def loopback(
    *, generation_time: float = 0.0, video_bytes: int = 50_000, sigma: float = 0.0, certificate: Path | None = None
) -> Iterator[Server]:
    """``benchmarks.loopback``; times are seconds, log-normal with this median and ``sigma``.

    ``certificate``, with its key, lets the videos come over TLS.
    """
    options = ["--generation-time", str(generation_time), "--sigma", str(sigma), "--video-bytes", str(video_bytes)]
    options += ["--tls", str(certificate)] if certificate else []
    with serving(program("loopback", *options), notes_requests=True) as server:
        yield server


@contextmanager
def sandbox(*options: str) -> Iterator[Server]:
    """``batchveo sandbox`` with these options."""
    with serving(batchveo("sandbox", "--port", "0", *options), notes_requests=False) as server:
        yield server


@contextmanager
def serving(command: Command, *, notes_requests: bool) -> Iterator[Server]:
    """A server of ``command``, which says its address first."""
    with started(command, stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        with child.stderr:
            said = child.stderr.readline()
            address = _ADDRESS.search(said)
            if address is None:
                raise RuntimeError(f"the server did not start: {(said + child.stderr.read()).decode()}")
            files = _SECURE_ADDRESS.search(said) or address
            url, files_url = address[0].decode(), files[0].decode()
            yield Server(url=url, files_url=files_url, pid=child.pid, notes_requests=notes_requests)
