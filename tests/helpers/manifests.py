"""Small manifests for tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchveo.core.errors import ManifestError, Problem
from batchveo.core.models import JobSpec
from batchveo.manifest import Manifests, ReadOptions
from batchveo.manifest.media import NO_BUCKET, InputWays

T2V = "google/veo-3.1-t2v"
I2V = "google/veo-3.1-i2v"
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 8


def jobs(
    folder: Path,
    content: str | bytes,
    name: str = "a.yaml",
    *,
    any_model: bool = False,
    ways: InputWays = NO_BUCKET,
) -> list[JobSpec]:
    """The jobs of one manifest with this content."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with Manifests([path], allow_unknown_model=any_model, ways=ways) as manifests:
        summary = manifests.check()
        specs = list(manifests.specs())
    assert summary.jobs == len(specs)
    return specs


def problems(*paths: Path, ways: InputWays = NO_BUCKET) -> tuple[Problem, ...]:
    """What is wrong in these manifests."""
    with Manifests(paths, ways=ways) as manifests, pytest.raises(ManifestError) as raised:
        manifests.check()
    return raised.value.problems


def read(path: Path, options: ReadOptions, *, any_model: bool = False) -> list[JobSpec]:
    """The jobs of a manifest that is read with these options."""
    with Manifests([path], options=options, allow_unknown_model=any_model) as manifests:
        manifests.check()
        return list(manifests.specs())


def told(path: Path, options: ReadOptions | None = None) -> list[Problem]:
    """What is wrong in a manifest that is read with these options."""
    with Manifests([path], options=options) as manifests, pytest.raises(ManifestError) as raised:
        manifests.check()
    return list(raised.value.problems)
