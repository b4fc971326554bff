"""What Datasette needs to know to show a state sensibly."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import yaml


def datasette_metadata(state: Path) -> dict[str, object]:
    """Datasette's metadata for the state at ``state``: it knows a database by its file name without the end."""
    text = (files("batchveo.store") / "datasette.yaml").read_text(encoding="utf-8")
    content: dict[str, object] = yaml.safe_load(text)
    content["databases"] = {state.stem: content.pop("database")}
    return content
