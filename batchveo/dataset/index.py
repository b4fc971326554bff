"""What an export wrote into its folder: a file of JSON Lines that is only ever appended to."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from filelock import FileLock, Timeout

from batchveo.core.errors import UsageError
from batchveo.dataset.columns import Row
from batchveo.dataset.splits import Splitting, is_name
from batchveo.storage.file_system import sync_path

RECORD = ".batchveo-export.jsonl"
LOCK = ".batchveo-export.lock"
VERSION = 1


class Entry(NamedTuple):
    """A clip that the record knows. ``origin`` is where its video came from, where it was to be moved."""

    offset: int
    split: str
    file_name: str
    bytes: int
    sha256: str
    origin: str | None


class Shard(NamedTuple):
    """A shard that the record knows: its size, the ids of its clips, its hash if it was ever taken."""

    bytes: int
    clips: list[str]
    sha256: str | None = None


class Record:
    """The record of one folder, held alone while it is open. Later lines take the place of earlier ones.

    A line says what is about to be written, before it is: whatever dies, nothing in the folder is a stranger.
    Only places are kept in memory, rows are read again where they are needed.
    """

    def __init__(self, folder: Path, splitting: Splitting, *, writing: bool = True) -> None:
        self.entries: dict[str, Entry] = {}
        self.shard_of: dict[str, str] = {}
        self.formats: tuple[str, ...] = ()
        self.captions: str | None = None
        self.describes = False
        """Whether the metadata beside the videos are the export's own, or about to be."""
        self.cards: set[str] = set()
        """Hashes of all descriptions that were written, or about to be: a death may have come between."""
        self._shards: dict[str, Shard] = {}
        self._path = folder / RECORD
        self._lock = FileLock(folder / LOCK)
        self._file: BinaryIO = io.BytesIO()
        _refuse_strangers(folder)
        if not writing and not self._path.exists():
            return
        _refuse_links(folder)
        if writing:
            self._take(folder)
        self._file = self._path.open("a+b" if writing else "rb")
        try:
            self._load(folder, writing=writing)
            self._agree(splitting, writing=writing)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the folder."""
        self._file.close()
        self._lock.release()

    def add(self, row: Row, *, origin: str | None = None) -> None:
        """Note a clip, or what is new about it."""
        line: dict[str, object] = {"clip": row}
        if origin is not None:
            line["from"] = origin
        self._know(line, self._append(line))

    @property
    def shards(self) -> Mapping[str, Shard]:
        """The shards that are there as they were written, by name."""
        return {name: self._shards[name] for name in sorted(set(self.shard_of.values()))}

    def add_shard(self, name: str, shard: Shard) -> None:
        """Note a shard that is about to get its name, or what is new about it."""
        line: dict[str, object] = {"shard": name, **shard._asdict()}
        self._know(line, self._append(line))
        self._count_shard(name)
        self.sync()

    def add_card(self, digest: str) -> None:
        """Note the hash of a description that is about to be written."""
        if digest not in self.cards:
            self._know({"card": digest}, self._append({"card": digest}))

    def use(self, formats: Sequence[str]) -> None:
        """Note the formats of the dataset; those of earlier exports stay."""
        if not set(formats) <= set(self.formats):
            line = {"formats": list(dict.fromkeys((*self.formats, *formats)))}
            self._know(line, self._append(line))

    def use_captions(self, captions: str | None) -> None:
        """Note how captions stand beside the videos; an export that asks for none keeps those of earlier ones."""
        if captions is not None and captions != self.captions:
            line = {"captions": captions}
            self._know(line, self._append(line))

    def use_metadata(self) -> None:
        """Note that metadata are about to be written beside the videos."""
        if not self.describes:
            self._know({"describes": True}, self._append({"describes": True}))

    def rows(self) -> Iterator[Row]:
        """The row of every clip, in the order in which they came."""
        for entry in list(self.entries.values()):
            yield self.row(entry)

    def row(self, entry: Entry) -> Row:
        """The row of one clip."""
        self._file.flush()
        self._file.seek(entry.offset)
        row: Row = json.loads(self._file.readline())["clip"]
        return row

    def sync(self) -> None:
        """Wait until the disk has all of it."""
        self._file.flush()
        sync_path(self._path)

    def _take(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UsageError(f"another export writes to {folder}") from None

    def _load(self, folder: Path, *, writing: bool) -> None:
        """Read the lines; the last one may be torn by a death, and is taken back."""
        offset = 0
        self._file.seek(0)
        for number, raw in enumerate(self._file, 1):
            if not raw.endswith(b"\n"):
                if writing:
                    self._file.truncate(offset)
                break
            try:
                self._know(json.loads(raw), offset)
            except (ValueError, KeyError, TypeError, AttributeError):
                raise UsageError(f"{self._path}:{number} cannot be read; export into another folder") from None
            offset += len(raw)
        for name, shard in self._shards.items():
            if (folder / name).exists() and (folder / name).stat().st_size == shard.bytes:
                self._count_shard(name)

    def _agree(self, splitting: Splitting, *, writing: bool) -> None:
        header = {"batchveo_export": VERSION, "split": splitting.how, "split_by": splitting.by}
        self._file.seek(0)
        first = self._file.readline()
        if not first:
            if writing:
                self._append(header)
            return
        was = json.loads(first)
        if was.get("batchveo_export") != VERSION:
            raise UsageError(f"{self._path} is of another version of batchveo; export into another folder")
        if was != header:
            now = f"--split {was['split']} --split-by {was['split_by']}"
            raise UsageError(f"the dataset was split by {now}; give the same, or another folder")

    def _know(self, line: Mapping[str, object], offset: int) -> None:
        match line:
            case {"clip": {**row}}:
                origin = line.get("from")
                _check_place(str(row["split"]), str(row["file_name"]))
                entry = (row["split"], row["file_name"], row["bytes"], row["sha256"], origin)
                self.entries[str(row["job_id"])] = Entry(offset, *entry)  # type: ignore[arg-type]
            case {"shard": str(name), "bytes": int(size), "clips": [*clips]}:
                digest = line.get("sha256")
                shard = Shard(size, [str(clip) for clip in clips], None if digest is None else str(digest))
                self._shards[name] = shard
            case {"describes": bool(describes)}:
                self.describes = describes
            case {"captions": str(captions)}:
                self.captions = captions
            case {"card": str(digest)}:
                self.cards.add(digest)
            case {"formats": [*formats]}:
                self.formats = tuple(map(str, formats))

    def _count_shard(self, name: str) -> None:
        self.shard_of.update(dict.fromkeys(self._shards[name].clips, name))

    def _append(self, line: Mapping[str, object]) -> int:
        self._file.seek(0, os.SEEK_END)
        offset = self._file.tell()
        self._file.write(json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
        self._file.flush()
        return offset


def _check_place(split: str, file_name: str) -> None:
    """Raise ``ValueError`` for a place outside of the folder: the record may be somebody else's work."""
    name = file_name.removeprefix(f"{split}/")
    if not is_name(split) or f"{split}/{name}" != file_name or set("/\\:\0") & set(name) or not name.strip("."):
        raise ValueError(file_name)


def _refuse_links(folder: Path) -> None:
    """Raise ``UsageError`` where links lead out of a folder that may be somebody else's work."""
    names = [RECORD, LOCK] + ([path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else [])
    for name in names:
        if (folder / name).is_symlink():
            raise UsageError(f"{folder / name} is a link; export into another folder")


def _refuse_strangers(folder: Path) -> None:
    """Raise ``UsageError`` for a folder that holds anything but an export."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    if not folder.exists() or (folder / RECORD).exists():
        return
    if {path.name for path in folder.iterdir()} - {LOCK}:
        raise UsageError(f"{folder} holds other things; an export wants a new folder, an empty one, or its own")
