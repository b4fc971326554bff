"""Clips whose measures a test decides, on virtual time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from batchveo.core.errors import UsageError
from batchveo.core.measures import CheckLevel, Measures
from batchveo.core.models import Job, JobState


def is_good(job: Job) -> bool:
    """Every clip is."""
    return True


@dataclass
class FakeClips:
    """Measures a clip as black or not, after ``seconds``; ``judge`` decides by the job."""

    judge: Callable[[Job], bool] = is_good
    seconds: float = 1.0
    at_once: int = 2
    unreadable: bool = False
    unready: bool = False
    measured: list[str] = field(default_factory=list)
    frames: list[tuple[str, str]] = field(default_factory=list)
    noted: dict[str, Mapping[str, object]] = field(default_factory=dict)

    def check_ready(self) -> None:
        if self.unready:
            raise UsageError("no PyAV here")

    async def measure_clip(self, job: Job, level: CheckLevel) -> Measures:
        await anyio.sleep(self.seconds)
        if self.unreadable:
            raise OSError(5, "Input/output error")
        # a verdict follows from a file that is there, whole
        assert job.file is not None
        assert job.bytes == (Path(str(job.folder)) / job.file).stat().st_size
        self.measured.append(job.name)
        black = 0.0 if self.judge(job) else 3.0
        return Measures(level=level, frames=48, black_seconds=black, has_sound=True, hashes=(job.seq,))

    async def take_frame(self, job: Job, part: str) -> bytes:
        await anyio.sleep(self.seconds)
        if self.unreadable:
            raise OSError(5, "Input/output error")
        assert job.state is JobState.SUCCEEDED
        assert job.file is not None
        assert job.bytes == (Path(str(job.folder)) / job.file).stat().st_size
        self.frames.append((job.name, part))
        return f"{part} of {job.sha256}".encode()

    async def read_clip(self, job: Job) -> bytes:
        return (Path(str(job.folder)) / str(job.file)).read_bytes()

    async def add_to_sidecar(self, job: Job, content: Mapping[str, object]) -> None:
        self.noted[job.name] = content
