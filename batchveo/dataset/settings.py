"""The settings of an export, and its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from batchveo.core.errors import UsageError
from batchveo.core.fields import Condition, read_where
from batchveo.core.models import Job
from batchveo.dataset.splits import Splitting
from batchveo.storage.stored_video import StoredVideo


class Format(StrEnum):
    """The formats of a dataset; all but shards need the video files in the folder.

    A ``folder`` has nothing but videos in the folders of its splits, for benchmarks that list a folder.
    """

    VIDEOFOLDER = "videofolder"
    FOLDER = "folder"
    WEBDATASET = "webdataset"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


class Files(StrEnum):
    """How the videos are placed in the folder."""

    LINK = "link"
    COPY = "copy"


class Metadata(StrEnum):
    """The format of a VideoFolder's metadata."""

    JSONL = "jsonl"
    PARQUET = "parquet"


class Captions(StrEnum):
    """The format of captions beside the videos; the tables have them too."""

    TXT = "txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    """How to export. ``shard_bytes`` and ``shard_clips`` limit a shard; a larger clip gets one of its own.

    ``captions`` adds a text file beside each video file; shards have one for each video anyway.
    ``models``, ``manifests`` and ``meta`` choose among the jobs; empty, they choose all. ``where`` is a condition on
    their fields. ``picked``: only the clips that people picked. ``include_rejected``: also those that
    people or gates rejected, and takes that do not count. ``pairs``: a dataset of pairs, of which people preferred one.
    ``films`` adds the films of chains of which all clips are in the dataset; not from within a running event loop.
    """

    formats: tuple[Format, ...] = (Format.VIDEOFOLDER,)
    files: Files = Files.LINK
    splitting: Splitting = field(default_factory=Splitting)
    metadata: Metadata = Metadata.JSONL
    captions: Captions | None = None
    shard_bytes: int = 1_000_000_000
    shard_clips: int = 10_000
    verify: bool = False
    dry_run: bool = False
    models: tuple[str, ...] = ()
    manifests: tuple[str, ...] = ()
    meta: tuple[tuple[str, str], ...] = ()
    where: str | None = None
    picked: bool = False
    include_rejected: bool = False
    pairs: bool = False
    films: bool = False

    def __post_init__(self) -> None:
        _ = self.condition
        if self.pairs and self.picked:
            raise UsageError("--pairs takes both sides of each pair: leave out --picked")
        object.__setattr__(self, "formats", tuple(dict.fromkeys(map(Format, self.formats))))
        if self.captions is not None:
            object.__setattr__(self, "captions", Captions(self.captions))
        if not self.formats:
            raise UsageError("an export needs a format")
        if self.shard_bytes < 1 or self.shard_clips < 1:
            raise UsageError("a shard holds at least one clip: --shard-size and --shard-clips must be above 0")

    @property
    def condition(self) -> Condition | None:
        """``where``, parsed. Raises ``UsageError``."""
        return read_where(self.where)

    def wants(self, job: Job) -> bool:
        """Whether the filters choose the job."""
        by_model = not self.models or job.model in self.models
        by_manifest = not self.manifests or not {job.manifest, Path(job.manifest).name}.isdisjoint(self.manifests)
        return by_model and by_manifest and all(_as_text(job.meta.get(key)) == value for key, value in self.meta)


def _as_text(value: object) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A video that was not exported, or not as it should be."""

    job: Job
    path: StoredVideo
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The result of an export. ``clips`` and ``splits`` count all that the dataset holds now.

    ``placed`` counts the new files by how they were placed, ``shards`` names the new shards; ``bytes`` is the size
    of all clips together. ``left_out`` videos are not in it, by reason in ``left_out_because``; ``kept`` counts clips
    of earlier exports that would be left out now, by reason. ``pairs``: how many pairs are listed, if any are.
    ``films``: how many films are there, if they were asked for.
    """

    folder: Path
    clips: int
    added: int
    bytes: int
    splits: Mapping[str, int]
    placed: Mapping[str, int] = field(default_factory=dict)
    shards: Sequence[str] = ()
    left_out: int = 0
    left_out_because: Mapping[str, int] = field(default_factory=dict)
    kept: Mapping[str, int] = field(default_factory=dict)
    pairs: int | None = None
    films: int | None = None
    troubles: Sequence[Trouble] = ()
    notes: Sequence[str] = ()
    dry_run: bool = False
