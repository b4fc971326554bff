"""The settings of an export, and its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from batchveo.core.errors import UsageError
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
    ``models``, ``manifests`` and ``meta`` choose among the jobs; empty, they choose all.
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "formats", tuple(dict.fromkeys(map(Format, self.formats))))
        if self.captions is not None:
            object.__setattr__(self, "captions", Captions(self.captions))
        if not self.formats:
            raise UsageError("an export needs a format")
        if self.shard_bytes < 1 or self.shard_clips < 1:
            raise UsageError("a shard holds at least one clip: --shard-size and --shard-clips must be above 0")

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
    of all clips together.
    """

    folder: Path
    clips: int
    added: int
    bytes: int
    splits: Mapping[str, int]
    placed: Mapping[str, int] = field(default_factory=dict)
    shards: Sequence[str] = ()
    left_out: int = 0
    troubles: Sequence[Trouble] = ()
    notes: Sequence[str] = ()
    dry_run: bool = False
