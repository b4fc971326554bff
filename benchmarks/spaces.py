"""Folders that go away, and one that stays."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.machine import ROOT

CACHE = ROOT / "benchmarks" / ".cache"
"""What takes long to build and never changes; ``make clean`` removes it."""


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for one measurement, on the file system of ``TMPDIR``."""
    with tempfile.TemporaryDirectory(prefix="batchveo-benchmark-") as folder:
        yield Path(folder)
