"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]


def facts() -> dict[str, object]:
    """What to know when reading a figure; file system and sync are those of the temporary folder."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "file system": file_system(Path(tempfile.gettempdir())),
        "sync of 4 KiB, median": f"{1e3 * sync_seconds():.2f} ms",
        "load average before": round(os.getloadavg()[0], 2),
    }


def commit() -> str:
    """The commit measured, with a plus sign where files differ from it."""
    described = _git("describe", "--always", "--abbrev=10", "--exclude=*")
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return f"{described or 'unknown'}{'+' if changed else ''}"


def file_system(folder: Path) -> str:
    """The kind of file system that ``folder`` is on."""
    best, kind = "", "unknown"
    for line in _lines(Path("/proc/mounts")):
        _, mount, found, *_ = line.split()
        if folder.resolve().is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, found
    return kind


def sync_seconds(times: int = 50) -> float:
    """How long the disk takes to promise that it has a few bytes: every commit waits for that."""
    each = []
    with tempfile.TemporaryFile() as file:
        for _ in range(times):
            began = time.perf_counter()
            os.pwrite(file.fileno(), bytes(4096), 0)
            os.fsync(file.fileno())
            each.append(time.perf_counter() - began)
    return median(each)


def _processor() -> str:
    models = (line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if "model name" in line)
    return next(models, platform.processor() or platform.machine())


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()
