"""Loose captions: a text file beside each video, as programs that train models read them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from batchveo.core.sidecar_location import VIDEO_SUFFIX
from batchveo.dataset.columns import Row
from batchveo.storage.file_system import rename_file

CAPTION_SUFFIX = ".txt"


def caption_of(row: Row) -> str:
    """The caption of a clip: what was asked for, without blanks and line ends around it."""
    return str(row["text"] or "").strip()


def write_captions(folder: Path, rows: Iterable[Row]) -> int:
    """Write ``NAME.txt`` beside each ``NAME.mp4``: UTF-8, the caption and nothing else.

    Returns how many files say something else already: somebody has edited them, and they are left alone.
    """
    return sum(not _write(folder, row) for row in rows)


def _write(folder: Path, row: Row) -> bool:
    """Whether the file holds the caption now."""
    path = folder / f"{str(row['file_name']).removesuffix(VIDEO_SUFFIX)}{CAPTION_SUFFIX}"
    content = caption_of(row).encode("utf-8", "replace")
    try:
        there = path.read_bytes()
    except FileNotFoundError:
        there = b""
    if there or (path.is_file() and not content):
        return there == content
    # No fsync a caption: an empty file, all that a power cut can leave, is written anew by the next export.
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    part.write_bytes(content)
    rename_file(part, path)
    return True
