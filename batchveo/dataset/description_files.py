"""Files that describe a dataset, and that its publisher may edit."""

from __future__ import annotations

import hashlib
from pathlib import Path

from batchveo.dataset.index import Record
from batchveo.dataset.place_file import written


def write_description(folder: Path, record: Record, name: str, text: str) -> str | None:
    """Write a description, unless somebody has changed it: then beside it, as ``NAME.new.SUFFIX``.

    Returns what is to be said about that.
    """
    path = folder / name
    content = text.encode("utf-8", "replace")
    if not _is_edited(path, record):
        record.add_card(hashlib.sha256(content).hexdigest())
        _write(path, content)
        return None
    new = path.with_suffix(f".new{path.suffix}")
    _write(new, content)
    return f"{name} was edited and is left alone; {new.name} has what it would say now"


def _is_edited(path: Path, record: Record) -> bool:
    return path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() not in record.cards


def _write(path: Path, content: bytes) -> None:
    with written(path) as part:
        part.write_bytes(content)
