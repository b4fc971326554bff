"""WebDataset shards: tar files of clips, the same bytes for the same clips."""

from __future__ import annotations

import errno
import hashlib
import re
import tarfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from batchveo.core.models import Job
from batchveo.dataset.columns import Row
from batchveo.dataset.index import ExportIndex, Shard
from batchveo.dataset.tables import format_json_line
from batchveo.storage.file_system import replace_file

_NUMBER = re.compile(r"-(\d{6,})\.tar$")
_MODE = 0o644
_PIECE = 1 << 20
_NAME, _SIZE, _SUM = slice(0, 100), slice(124, 136), slice(148, 156)
"""The fields of a header that differ between members: name, size in bytes, and the sum of all bytes."""


class ShardClip(NamedTuple):
    """A clip that goes into a shard, with its row and caption as they are written there: many wait in memory."""

    id: str
    path: Path
    size: int
    json: bytes
    caption: bytes
    temporary: bool
    """Whether the file is deleted once it is in the shard."""

    @classmethod
    def of(cls, job: Job, path: Path, row: Row, *, temporary: bool) -> Self:
        """The clip of ``job`` whose video is at ``path``, under the job's id: a name may hold dots, which end a key."""
        named = format_json_line({**row, "file_name": f"{job.id}.mp4"}).encode()
        return cls(job.id, path, job.bytes or 0, named, str(row["text"] or "").encode(), temporary)


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
        if self._waiting.get(split) and self._bytes[split] + clip.size > self._most_bytes:
            self._write_shard(split)
        self._waiting.setdefault(split, []).append(clip)
        self._bytes[split] = self._bytes.get(split, 0) + clip.size
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
            with part.open("wb", buffering=_PIECE) as out:
                tar = _TarWriter(out)
                for clip in clips:
                    _add_members(tar, clip)
                size, digest = tar.end_file()
            # In the index before the rename: a shard that is not in the index would be written twice.
            self._index.add_shard(name, Shard(size, [clip.id for clip in clips], digest))
        self.new.append(name)
        for clip in clips:
            if clip.temporary:
                clip.path.unlink(missing_ok=True)


class _TarWriter:
    """Writes a tar file as ``tarfile`` does, hashes it meanwhile and keeps no list of its members."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._size = 0
        self._digest = hashlib.sha256()

    def add_member(self, name: str, size: int, pieces: Iterable[bytes]) -> None:
        """Add a file of ``size`` bytes; raises ``OSError`` if ``pieces`` are not so many."""
        self._write(_build_header(name, size))
        end = self._size + size
        for piece in pieces:
            self._write(piece)
        if self._size != end:
            raise OSError(errno.EIO, f"it is no longer {size} bytes long", name)
        self._fill_block(tarfile.BLOCKSIZE)

    def end_file(self) -> tuple[int, str]:
        """Write the end; returns the size in bytes and the SHA-256."""
        self._write(tarfile.NUL * 2 * tarfile.BLOCKSIZE)
        self._fill_block(tarfile.RECORDSIZE)
        return self._size, self._digest.hexdigest()

    def _fill_block(self, length: int) -> None:
        self._write(tarfile.NUL * (-self._size % length))

    def _write(self, piece: bytes) -> None:
        self._out.write(piece)
        self._digest.update(piece)
        self._size += len(piece)


def _build_header(name: str, size: int) -> bytes:
    """The header of a member; raises ``ValueError`` for a name or a size that a tar file cannot hold."""
    encoded = name.encode()
    if len(encoded) >= _NAME.stop or not 0 <= size < 1 << 33:
        raise ValueError(name)
    header = bytearray(_empty_header())
    header[_NAME] = encoded.ljust(_NAME.stop, tarfile.NUL)
    header[_SIZE] = b"%011o\0" % size
    header[_SUM] = b"%06o\0 " % sum(header)
    return bytes(header)


@cache  # tarfile takes 60 microseconds for one
def _empty_header() -> bytes:
    """The header of a file without a name; its sum counts as blanks."""
    member = tarfile.TarInfo()  # time, owner and group stay 0, so that the bytes are the same
    member.mode = _MODE
    header = bytearray(member.tobuf(tarfile.USTAR_FORMAT))
    header[_SUM] = b" " * 8
    return bytes(header)


def _add_members(tar: _TarWriter, clip: ShardClip) -> None:
    """Add JSON, video and caption of a clip under its id."""
    tar.add_member(f"{clip.id}.json", len(clip.json), [clip.json])
    with clip.path.open("rb", buffering=0) as file:
        tar.add_member(f"{clip.id}.mp4", clip.size, iter(lambda: file.read(_PIECE), b""))
    tar.add_member(f"{clip.id}.txt", len(clip.caption), [clip.caption])


def _next_number(folder: Path, split: str) -> int:
    # From the names in the folder, not from the index: a shard of somebody else keeps its name too.
    numbers = [
        int(found[1])
        for path in folder.glob(f"{split}-*.tar")
        if (found := _NUMBER.search(path.name)) and path.name[: found.start()] == split
    ]
    return max(numbers, default=-1) + 1
