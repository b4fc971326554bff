"""Folders that go away, and one that stays."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import ROOT

CACHE = ROOT / "benchmarks" / ".cache"
"""What takes long to build and never changes; ``make clean`` removes it."""


RAM_DISK = Path("/dev/shm")
"""A file system in memory, where a sync costs nothing; Linux has it."""


@contextmanager
def workspace(parent: Path | None = None) -> Iterator[Path]:
    """A folder for one measurement in ``parent``, else on the file system of ``TMPDIR``."""
    with tempfile.TemporaryDirectory(prefix="batchveo-benchmark-", dir=parent) as folder:
        yield Path(folder)
