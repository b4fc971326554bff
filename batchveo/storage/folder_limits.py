"""What the file system of a folder can do for videos, looked at without changing anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from batchveo.storage.local_files import LONGEST_NAME, longest_name, sync


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderLimits:
    """``name_bytes``: the longest name. ``sync_note``: why the folder cannot be synced; or empty."""

    name_bytes: int
    sync_note: str = ""

    @classmethod
    def of(cls, folder: Path) -> FolderLimits:
        """Of a folder that exists; raises ``OSError`` if its disk fails."""
        return cls(name_bytes=longest_name(folder), sync_note=sync(folder))

    @property
    def notes(self) -> list[str]:
        """What a person should know, in words; empty for a usual disk."""
        shorter = self.name_bytes < LONGEST_NAME
        names = [f"names end at {self.name_bytes} bytes, so that long ones are cut"] if shorter else []
        return [*names, *([self.sync_note] if self.sync_note else [])]


def nearest(folder: Path) -> Path:
    """``folder``, or the first of its parents that exists."""
    return next((path for path in (folder, *folder.parents) if path.exists()), folder)
