"""Whether all workers write into the one folder that is meant."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchveo.core.errors import DiskTrouble
from batchveo.storage.video_file import remove_parts


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A file and what stands in it."""

    file: Path
    token: str


@contextmanager
def marked(folder: Path, name: str) -> Iterator[Marker]:
    """A file in ``folder``, which whoever sees the same folder sees too; gone afterwards.

    ``name`` is the same for each run over a state: what a killed one leaves is the next one's.
    """
    marker = Marker(file=_marker(folder, name), token=secrets.token_hex(16))
    try:
        marker.file.write_text(marker.token)
    except OSError as error:
        raise DiskTrouble(f"videos cannot be written to {folder}: {error.strerror}") from None
    try:
        yield marker
    finally:
        with contextlib.suppress(OSError):
            marker.file.unlink()


def clear(folder: Path, name: str) -> None:
    """Take away what a run on a cluster left in ``folder`` when it was killed, where one was."""
    marker = _marker(folder, name)
    if marker.exists():
        remove_parts(folder, f"{name}-")
        with contextlib.suppress(OSError):
            marker.unlink()


def _marker(folder: Path, name: str) -> Path:
    return folder / f".batchveo-{name}"


def check_marked(marker: Marker) -> None:
    """Raise ``DiskTrouble`` unless this machine sees ``marker``."""
    with contextlib.suppress(OSError, ValueError):
        if marker.file.read_text() == marker.token:
            return
    raise DiskTrouble(
        f"{socket.gethostname()} does not see the folder {marker.file.parent} where the run was started: "
        "with several machines --output is a folder that all of them share"
    )
