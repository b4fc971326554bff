"""Whether the output folder is still the one that videos were put into, and not what a lost drive left there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from batchveo.storage.folder_limits import nearest

ANOTHER_DRIVE = "it is on another drive than before; is its own mounted?"


class FolderGone(OSError):
    """The output folder cannot be made, or its drive is gone: no other video would fare better."""


class MountGuard:
    """Compares devices: a drive that was unmounted leaves an empty folder behind, or none."""

    def __init__(self) -> None:
        self._device: int | None = None
        self._last: Path | None = None

    def check(self, folder: Path) -> None:
        """Make ``folder`` if it is not there, unless its drive is gone; raises ``FolderGone``.

        A folder that somebody deleted is made anew. A network folder may come back under another device number:
        then the video that was put there last shows that it is the same.
        """
        try:
            known = self._device in (None, nearest(folder).stat().st_dev) or self._is_same()
            if known:
                folder.mkdir(parents=True, exist_ok=True)
                self._device = folder.stat().st_dev
        except OSError as error:
            raise FolderGone(error.errno, error.strerror, str(folder)) from None
        if not known:
            raise FolderGone(errno.ENODEV, ANOTHER_DRIVE, str(folder))

    def put(self, path: Path) -> None:
        """Remember the video that was put there last."""
        self._last = path

    def _is_same(self) -> bool:
        return self._last is not None and os.path.lexists(self._last)
