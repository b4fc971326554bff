"""WebDataset shards: tar files of clips, the same bytes for the same clips."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path
from typing import NamedTuple

from batchveo.dataset.columns import Row
from batchveo.dataset.index import ExportIndex, Shard
from batchveo.dataset.tables import format_json_line
from batchveo.storage.file_system import measure_file, replace_file

_NUMBER = re.compile(r"-(\d{6,})\.tar$")
_MODE = 0o644


class ShardClip(NamedTuple):
    """A clip that goes into a shard."""

    id: str
    path: Path
    bytes: int
    row: Row
    temporary: bool = False
    """Whether the file is deleted once it is in the shard."""


class ShardWriter:
    """Packs clips into new shards; existing ones are never touched. Call ``write_rest`` at the end."""

    def __init__(self, folder: Path, index: ExportIndex, *, most_bytes: int, most_clips: int) -> None:
        self.new: list[str] = []
        self._folder = folder
        self._index = index
        self._most_bytes = most_bytes
        self._most_clips = most_clips
        self._waiting: dict[str, list[ShardClip]] = {}
        self._bytes: dict[str, int] = {}

    def add_clip(self, split: str, clip: ShardClip) -> None:
        """Add a clip of a split; a full shard is written first."""
        if self._waiting.get(split) and self._bytes[split] + clip.bytes > self._most_bytes:
            self._write_shard(split)
        self._waiting.setdefault(split, []).append(clip)
        self._bytes[split] = self._bytes.get(split, 0) + clip.bytes
        if len(self._waiting[split]) == self._most_clips:
            self._write_shard(split)

    def write_rest(self) -> None:
        """Write the clips that wait."""
        for split in [split for split, clips in self._waiting.items() if clips]:
            self._write_shard(split)

    def _write_shard(self, split: str) -> None:
        clips = sorted(self._waiting.pop(split))  # by id, so that the same clips make the same bytes
        del self._bytes[split]
        name = f"{split}-{_next_number(self._folder, split):06}.tar"
        with replace_file(self._folder / name) as part:
            with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
                for clip in clips:
                    _add_members(tar, clip)
            # In the index before the rename: a shard that is not in the index would be written twice.
            size, digest = measure_file(part)
            self._index.add_shard(name, Shard(size, [clip.id for clip in clips], digest))
        self.new.append(name)
        for clip in clips:
            if clip.temporary:
                clip.path.unlink(missing_ok=True)


def _add_members(tar: tarfile.TarFile, clip: ShardClip) -> None:
    """Add JSON, video and caption of a clip under its id: a name may hold dots, which end a key."""
    row = {**clip.row, "file_name": f"{clip.id}.mp4"}
    _add_bytes(tar, f"{clip.id}.json", format_json_line(row).encode())
    with clip.path.open("rb") as file:
        tar.addfile(_make_member(f"{clip.id}.mp4", clip.bytes), file)
    _add_bytes(tar, f"{clip.id}.txt", str(clip.row["text"] or "").encode())


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_make_member(name, len(content)), io.BytesIO(content))


def _make_member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)  # time, owner and group stay 0, so that the bytes are the same
    member.size = size
    member.mode = _MODE
    return member


def _next_number(folder: Path, split: str) -> int:
    # From the names in the folder, not from the index: a shard of somebody else keeps its name too.
    numbers = [
        int(found[1])
        for path in folder.glob(f"{split}-*.tar")
        if (found := _NUMBER.search(path.name)) and path.name[: found.start()] == split
    ]
    return max(numbers, default=-1) + 1
