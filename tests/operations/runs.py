"""A manifest of two jobs, and quick settings for its run."""

from __future__ import annotations

from pathlib import Path

import batchveo

MANIFEST = "budget: 9\njobs:\n  - {model: veo2, prompt: A fox, name: 'fox-{index}', repeat: 2}\n"


def settings(folder: Path) -> batchveo.RunSettings:
    return batchveo.RunSettings(output=folder / "videos", poll_interval=0.05)
