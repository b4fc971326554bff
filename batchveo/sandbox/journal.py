"""The journal: what a killed sandbox must know again after its restart, as JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from batchveo.sandbox.generations import Generation
from batchveo.sandbox.logs import LoggedRequest


class Journal:
    """Appends a line per logged request, handed to the system before its answer leaves."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._drop_torn_line()
        path.touch()

    def opened_at(self, now: float) -> float:
        """When the sandbox that this journal belongs to was first opened; notes it if that is now."""
        with self._path.open(encoding="utf-8") as lines:
            first = lines.readline()
        if first:
            return float(json.loads(first)["opened_at"])
        self._write({"opened_at": now})
        return now

    def requests(self) -> Iterator[LoggedRequest]:
        """Every request noted so far, oldest first."""
        with self._path.open(encoding="utf-8") as lines:
            next(lines, None)
            for line in lines:
                noted = json.loads(line)
                if noted["generation"] is not None:
                    noted["generation"] = Generation(**noted["generation"])
                yield LoggedRequest(**noted)

    def note(self, entry: LoggedRequest) -> None:
        """Write a request down."""
        self._write(asdict(entry))

    def _write(self, content: dict[str, object]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(content, separators=(",", ":")) + "\n")

    def _drop_torn_line(self) -> None:
        # A kill in the middle of a write leaves a line without its end; its answer never left.
        written = self._path.read_bytes() if self._path.exists() else b""
        whole = written.rfind(b"\n") + 1
        if whole < len(written):
            with self._path.open("r+b") as file:
                file.truncate(whole)
