"""Whether all workers write into the one folder that is meant."""

from __future__ import annotations

import contextlib
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchveo.errors import DiskTrouble


@contextmanager
def marked(folder: Path) -> Iterator[Path]:
    """A file in ``folder``, which whoever sees the same folder sees too; gone afterwards."""
    marker = folder / f".batchveo-{secrets.token_hex(8)}"
    try:
        marker.touch(exist_ok=False)
    except OSError as error:
        raise DiskTrouble(f"videos cannot be written to {folder}: {error.strerror}") from None
    try:
        yield marker
    finally:
        with contextlib.suppress(OSError):
            marker.unlink()


def check_marked(marker: Path) -> None:
    """Raise ``DiskTrouble`` unless this machine sees ``marker``."""
    try:
        marker.lstat()
    except OSError:
        raise DiskTrouble(
            f"{socket.gethostname()} does not see the folder {marker.parent} of the machine that started the run: "
            "with several machines --output is a folder that all of them share"
        ) from None
