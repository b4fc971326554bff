"""The index of an exported folder: JSON Lines, only ever appended to, of all that the export wrote there."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from filelock import FileLock, Timeout

from batchveo.core.errors import UsageError
from batchveo.dataset.columns import CHAIN_COLUMNS, COLUMNS, SCORE_PREFIX, Row
from batchveo.dataset.splits import Splitting, is_split_name
from batchveo.storage.file_system import sync_path

INDEX_FILE = ".batchveo-export.jsonl"
LOCK_FILE = ".batchveo-export.lock"
VERSION = 1


class IndexedClip(NamedTuple):
    """A clip in the index; ``offset`` is the start of its line, in bytes. The rest is in its row: there are many."""

    offset: int
    split: str


class Shard(NamedTuple):
    """A shard in the index: its size, the ids of its clips, its hash if it was ever computed."""

    bytes: int
    clips: list[str]
    sha256: str | None = None


class ExportIndex:
    """The index of one folder, locked while it is open for writing. Later lines replace earlier ones.

    A line is written before the file that it names, so that after a death the export knows every file of its own.
    Memory holds offsets only; a row is read again when it is needed.
    """

    def __init__(self, folder: Path, splitting: Splitting, *, writing: bool = True) -> None:
        self.clips: dict[str, IndexedClip] = {}
        self.shard_of: dict[str, str] = {}
        self.formats: tuple[str, ...] = ()
        self.captions: str | None = None
        self.lists_pairs = False
        """Whether the folder has a table of pairs."""
        self.describes = False
        """Whether the metadata beside the videos are the export's own."""
        self.cards: set[str] = set()
        """Hashes of all descriptions that the export wrote, or died before it did."""
        self.uploaded_cards: set[str] = set()
        """Hashes of edited cards that were uploaded, or were about to be."""
        self.further_columns: set[str] = set()
        """The columns of chains and scores that some clip has."""
        self._lacks_columns = False
        """Whether some row was written by an earlier version, which had fewer columns."""
        self._shards: dict[str, Shard] = {}
        self._path = folder / INDEX_FILE
        self._lock = FileLock(folder / LOCK_FILE)
        # two files: a reader and writer in one would lose its buffer at each change between them
        self._reader: BinaryIO = io.BytesIO()
        self._writer: BinaryIO = io.BytesIO()
        self._end = 0
        _refuse_other_content(folder)
        if not writing and not self._path.exists():
            return
        _refuse_links(folder)
        if writing:
            self._lock_folder(folder)
            self._writer = self._path.open("ab")
        self._reader = self._path.open("rb")
        try:
            self._read_lines(folder, writing=writing)
            self._check_header(splitting, writing=writing)
        except BaseException:  # the lock is held already
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the index and release the folder."""
        self._writer.close()
        self._reader.close()
        self._lock.release()

    def add_clip(self, row: Row) -> None:
        """Add a clip, or replace its row."""
        self._append_line({"clip": row})

    @property
    def shards(self) -> Mapping[str, Shard]:
        """The shards that are in the folder as they were written, by name."""
        return {name: self._shards[name] for name in sorted(set(self.shard_of.values()))}

    def add_shard(self, name: str, shard: Shard) -> None:
        """Add a shard that is about to get its name, or replace what is known of it."""
        self._append_line({"shard": name, **shard._asdict()})
        self._count_shard(name)
        self.sync_file()

    def add_card(self, digest: str) -> None:
        """Add the hash of a description that is about to be written."""
        if digest not in self.cards:
            self._append_line({"card": digest})

    def add_uploaded_card(self, digest: str) -> None:
        """Add the hash of an edited card that is about to be uploaded."""
        if digest not in self.uploaded_cards:
            self._append_line({"uploaded_card": digest})

    def use_formats(self, formats: Sequence[str]) -> None:
        """Add formats of the dataset; those of earlier exports stay."""
        if not set(formats) <= set(self.formats):
            self._append_line({"formats": list(dict.fromkeys((*self.formats, *formats)))})

    def use_captions(self, captions: str | None) -> None:
        """Set the format of captions beside the videos; ``None`` keeps that of earlier exports."""
        if captions is not None and captions != self.captions:
            self._append_line({"captions": captions})

    def use_pairs(self) -> None:
        """Note that the folder has a table of pairs."""
        if not self.lists_pairs:
            self._append_line({"pairs": True})

    def use_metadata(self) -> None:
        """Note that the metadata beside the videos are the export's own."""
        if not self.describes:
            self._append_line({"describes": True})

    def read_row(self, clip: IndexedClip) -> Row:
        """The row of one clip; a column is unknown if an earlier version wrote the row without it."""
        self._reader.seek(clip.offset)
        row: Row = json.loads(self._reader.readline().decode("utf-8", "surrogatepass"))["clip"]
        return {**dict.fromkeys(COLUMNS), **row} if self._lacks_columns else row

    def sync_file(self) -> None:
        """Wait until all lines are on the disk."""
        sync_path(self._path)

    def _lock_folder(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UsageError(f"another export writes to {folder}") from None

    def _read_lines(self, folder: Path, *, writing: bool) -> None:
        """Read the lines; a last one that a death cut short is removed."""
        for number, raw in enumerate(self._reader, 1):
            if not raw.endswith(b"\n"):
                if writing:
                    self._writer.truncate(self._end)
                break
            try:
                self._apply_line(json.loads(raw), self._end)
            except (ValueError, KeyError, TypeError, AttributeError):
                raise UsageError(f"{self._path}:{number} cannot be read; export into another folder") from None
            self._end += len(raw)
        # The clips of a shard that is missing or cut go into a new one.
        for name, shard in self._shards.items():
            if (folder / name).exists() and (folder / name).stat().st_size == shard.bytes:
                self._count_shard(name)

    def _check_header(self, splitting: Splitting, *, writing: bool) -> None:
        header = {"batchveo_export": VERSION, "split": splitting.how, "split_by": splitting.by}
        self._reader.seek(0)
        first = self._reader.readline()
        if not first:
            if writing:
                self._write_line(header)
            return
        was = json.loads(first)
        if was.get("batchveo_export") != VERSION:
            raise UsageError(f"{self._path} is of another version of batchveo; export into another folder")
        if was != header:  # another way of splitting would put one clip into two splits
            now = f"--split {was['split']} --split-by {was['split_by']}"
            raise UsageError(f"the dataset was split by {now}; give the same, or another folder")

    def _apply_line(self, line: Mapping[str, object], offset: int) -> None:
        match line:
            case {"clip": dict(row)}:
                _check_path(str(row["split"]), str(row["file_name"]))
                split = sys.intern(str(row["split"]))  # a text for all of its clips
                _ = row["bytes"], row["sha256"]  # without them it is no row of ours
                self.clips[str(row["job_id"])] = IndexedClip(offset, split)
                if row.keys() != COLUMNS.keys():
                    self._note_columns(row)
            case {"shard": str(name), "bytes": int(size), "clips": [*clips]}:
                digest = line.get("sha256")
                shard = Shard(size, [str(clip) for clip in clips], None if digest is None else str(digest))
                self._shards[name] = shard
            case {"describes": bool(describes)}:
                self.describes = describes
            case {"pairs": bool(lists_pairs)}:
                self.lists_pairs = lists_pairs
            case {"captions": str(captions)}:
                self.captions = captions
            case {"card": str(digest)}:
                self.cards.add(digest)
            case {"uploaded_card": str(digest)}:
                self.uploaded_cards.add(digest)
            case {"formats": [*formats]}:
                self.formats = tuple(map(str, formats))

    def _note_columns(self, row: Row) -> None:
        """Note which columns a row has beside the usual ones, and whether it lacks some of these."""
        others = row.keys() - COLUMNS.keys()
        self.further_columns.update(n for n in others if n in CHAIN_COLUMNS or n.startswith(SCORE_PREFIX))
        self._lacks_columns |= len(row) - len(others) < len(COLUMNS)

    def _count_shard(self, name: str) -> None:
        self.shard_of.update(dict.fromkeys(self._shards[name].clips, name))

    def _append_line(self, line: Mapping[str, object]) -> None:
        self._apply_line(line, self._write_line(line))

    def _write_line(self, line: Mapping[str, object]) -> int:
        """Append a line; returns its offset in bytes."""
        content = json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        self._writer.write(content)
        self._writer.flush()
        offset, self._end = self._end, self._end + len(content)
        return offset


def _check_path(split: str, file_name: str) -> None:
    """Raise ``ValueError`` for a path outside of the folder: the index may come from somebody else."""
    first, *pieces = file_name.split("/")
    if not is_split_name(split) or first != split or not pieces or set("\\:\0") & set(file_name):
        raise ValueError(file_name)
    if not all(piece.strip(".") for piece in pieces):
        raise ValueError(file_name)


def _refuse_links(folder: Path) -> None:
    """Raise ``UsageError`` if links lead out of the folder, which may come from somebody else."""
    folders = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    for name in (INDEX_FILE, LOCK_FILE, *folders):
        if (folder / name).is_symlink():
            raise UsageError(f"{folder / name} is a link; export into another folder")


def _refuse_other_content(folder: Path) -> None:
    """Raise ``UsageError`` for a folder that holds anything but an export."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    if not folder.exists() or (folder / INDEX_FILE).exists():
        return
    if {path.name for path in folder.iterdir()} - {LOCK_FILE}:
        raise UsageError(f"{folder} holds other things; export into a new folder, an empty one, or an earlier export")
