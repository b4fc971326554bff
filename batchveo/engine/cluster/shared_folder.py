"""Checks that all workers of a cluster write into the same folder."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchveo.core.errors import DiskTrouble, find_reason
from batchveo.storage.video_file import remove_parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A file and its content."""

    file: Path
    token: str


@contextmanager
def place_marker(folder: Path, name: str) -> Iterator[Marker]:
    """Yield a file in ``folder``, by which a worker knows that it sees the same folder; removed afterwards.

    ``name`` is the same for each run over a database, so that the next run replaces the file of a killed one.
    """
    marker = Marker(file=_find_marker(folder, name), token=secrets.token_hex(16))
    try:
        marker.file.write_text(marker.token)
    except OSError as error:
        raise DiskTrouble(f"videos cannot be written to {folder}: {find_reason(error)}") from None
    try:
        yield marker
    finally:
        with contextlib.suppress(OSError):
            marker.file.unlink()


def remove_leftovers(folder: Path, name: str) -> None:
    """Remove the marker and the parts that a killed run on a cluster left in ``folder``."""
    marker = _find_marker(folder, name)
    if marker.exists():
        remove_parts(folder, f"{name}-")
        with contextlib.suppress(OSError):
            marker.unlink()


def _find_marker(folder: Path, name: str) -> Path:
    return folder / f".batchveo-{name}"


def check_marker(marker: Marker) -> None:
    """Raise ``DiskTrouble`` unless this machine sees ``marker``."""
    with contextlib.suppress(OSError, ValueError):
        if marker.file.read_text() == marker.token:
            return
    raise DiskTrouble(
        f"{socket.gethostname()} does not see the folder {marker.file.parent} where the run was started: "
        "with several machines --output is a folder that all of them share"
    )
