"""Croissant metadata: a dataset's files and columns in JSON-LD, for catalogues and for ``mlcroissant``.

Terms by the Croissant format specification 1.0 of MLCommons.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchveo.dataset.column_types import ColumnTypes
from batchveo.dataset.columns import COLUMNS, Kind
from batchveo.dataset.index import Record
from batchveo.dataset.settings import Format
from batchveo.dataset.statistics import Tally
from batchveo.dataset.videofolder import Described
from batchveo.storage.file_system import measure_file

CROISSANT = "croissant.json"

Node = dict[str, object]
"""An object of the document."""

_VERSION = "http://mlcommons.org/croissant/1.0"
_TERMS = (
    "citeAs column equivalentProperty examples extract field fileObject fileProperty fileSet"
    " format includes isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace"
    " samplingRate separator source subField transform"
)
_JSON_TERMS = ("data", "examples")

_TYPES = {Kind.TEXT: "sc:Text", Kind.INTEGER: "sc:Integer", Kind.NUMBER: "sc:Float", Kind.FLAG: "sc:Boolean"}
_TIME = "_at"
_JSONL = "application/jsonlines"
_PARQUET = "application/x-parquet"
_ENCODINGS = {"jsonl": _JSONL, "csv": "text/csv", "parquet": _PARQUET}
_TABLES = (Format.PARQUET, Format.JSONL, Format.CSV)
"""The tables, those with the most exact types first."""

_MEANINGS = {
    "file_name": "The video, from the folder's top; from the split's folder in metadata beside the videos.",
    "text": "The caption: the prompt as it was sent.",
    "negative_prompt": "What was to be kept out of the video.",
    "split": "The part of the dataset.",
    "model": "The model that made the video.",
    "request": "The whole request as JSON, with the defaults of the service.",
    "meta": "What the manifest says about the clip, as JSON.",
    "sha256": "The hash of the video file.",
    "cost_usd": "What making the video cost, in US dollars.",
    "generation_seconds": "How long the service took, in seconds.",
    "seconds": "The length of the video, in seconds.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Croissant:
    """What the document is made from; ``described`` is the metadata beside the videos, where there are some."""

    folder: Path
    record: Record
    tally: Tally
    types: ColumnTypes
    described: Described | None

    def text(self) -> str:
        """The whole document. Hashes the tables, and shards whose hash is not known."""
        days = sorted(self.tally.days)
        node: Node = {
            "@context": _context(),
            "@type": "sc:Dataset",
            "conformsTo": _VERSION,
            "name": "Generated videos",
            "description": f"{self.tally.clips} generated clips with the prompts and requests that made them.",
            **({"dateCreated": days[0], "dateModified": days[-1]} if days else {}),
            "keywords": ["video", "synthetic", "text-to-video"],
        }
        tables = [self._table(form) for form in _TABLES if form in self.record.formats]
        metadata = [] if self.described is None else [self._metadata(self.described)]
        node["distribution"] = [*tables, *metadata, *self._shard_files(), *self._videos()]
        node["recordSet"] = self._record_sets(tables, metadata)
        return json.dumps(node, ensure_ascii=False, indent=2) + "\n"

    def _record_sets(self, tables: Sequence[Node], metadata: Sequence[Node]) -> list[Node]:
        """The clips as the best of what is in the folder describes them. Plain videos are described by nothing."""
        if tables:
            return [_clips(self._fields(_by_column("fileObject", tables[0]), list(COLUMNS)))]
        if metadata and self.described is not None:
            return [_clips(self._fields(_by_column("fileSet", metadata[0]), self.described.columns))]
        return _inside_shards() if Format.WEBDATASET in self.record.formats else []

    def _fields(self, source: Callable[[str], Node], columns: Sequence[str]) -> list[Node]:
        return [_field(name, self.types.kinds[name], source(name)) for name in columns]

    def _table(self, form: Format) -> Node:
        name = f"clips.{form.value}"
        size, digest = measure_file(self.folder / name)
        return _file(name, _ENCODINGS[form.value], size, digest, "All clips, a row for each.")

    def _metadata(self, described: Described) -> Node:
        name = f"metadata.{described.kind.value}"
        paths = [f"{split}/{name}" for split in self.tally.parts]
        return _file_set(
            "metadata", "The clips of each split, a row for each.", _ENCODINGS[described.kind.value], paths
        )

    def _shard(self, name: str) -> Node:
        shard = self.record.shards[name]
        if shard.sha256 is None:  # an earlier version wrote it
            shard = shard._replace(sha256=measure_file(self.folder / name)[1])
            self.record.add_shard(name, shard)
        return _file(name, "application/x-tar", shard.bytes, str(shard.sha256), "A WebDataset shard.")

    def _shard_files(self) -> list[Node]:
        """The shards, with the captions and the rows in them: JSON, which readers of Croissant take as text."""
        if Format.WEBDATASET not in self.record.formats:
            return []
        shards = [self._shard(name) for name in self.record.shards]
        where = {"containedIn": [{"@id": shard["@id"]} for shard in shards]}
        captions = _file_set("captions", "The caption of each clip.", "text/plain", ["*.txt"])
        rows = _file_set("rows", "Everything about each clip.", "application/json", ["*.json"])
        return [*shards, {**captions, **where}, {**rows, **where}]

    def _videos(self) -> list[Node]:
        """The video files, where the folder has some."""
        if set(self.record.formats) == {Format.WEBDATASET}:
            return []
        paths = [f"{split}/*.mp4" for split in self.tally.parts]
        return [_file_set("videos", "The video files.", "video/mp4", paths)]


def _clips(fields: Sequence[Node]) -> Node:
    clips = {"@id": "clips", "@type": "cr:RecordSet", "name": "clips", "description": "The clips."}
    return {**clips, "key": {"@id": "clips/job_id"}, "field": fields}


def _inside_shards() -> list[Node]:
    """Captions and rows by the ids of their jobs, which name the members of a shard."""
    clips = _clips([_field("job_id", Kind.TEXT, _by_name("captions")), _field("text", Kind.TEXT, _content("captions"))])
    fields = [("job_id", _by_name("rows")), ("row", _content("rows"))]
    rows: Node = {
        "@id": "rows-by-clip",
        "@type": "cr:RecordSet",
        "name": "rows",
        "description": "The clips as JSON.",
    }
    nodes = [_field(name, Kind.TEXT, source, of="rows-by-clip") for name, source in fields]
    return [clips, {**rows, "key": {"@id": "rows-by-clip/job_id"}, "field": nodes}]


def _by_column(kind: str, node: Node) -> Callable[[str], Node]:
    return lambda column: {kind: {"@id": node["@id"]}, "extract": {"column": column}}


def _by_name(file_set: str) -> Node:
    stem = {"transform": {"regex": r"^(.*)\.[a-z]+$"}}
    return {"fileSet": {"@id": file_set}, "extract": {"fileProperty": "filename"}, **stem}


def _content(file_set: str) -> Node:
    return {"fileSet": {"@id": file_set}, "extract": {"fileProperty": "content"}}


def _field(name: str, kind: Kind, source: Node, *, of: str = "clips") -> Node:
    meaning = {"description": _MEANINGS[name]} if name in _MEANINGS else {}
    data_type = "sc:DateTime" if name.endswith(_TIME) and kind is Kind.TEXT else _TYPES[kind]
    node: Node = {"@id": f"{of}/{name}", "@type": "cr:Field", "name": name, **meaning}
    return {**node, "dataType": data_type, "source": source}


def _file_set(name: str, description: str, encoding: str, includes: Sequence[str]) -> Node:
    return {
        "@id": name,
        "@type": "cr:FileSet",
        "name": name,
        "description": description,
        "encodingFormat": encoding,
        "includes": list(includes),
    }


def _file(name: str, encoding: str, size: int, digest: str, description: str) -> Node:
    return {
        "@id": name,
        "@type": "cr:FileObject",
        "name": name,
        "description": description,
        "contentUrl": name,
        "contentSize": f"{size} B",
        "encodingFormat": encoding,
        "sha256": digest,
    }


def _context() -> Mapping[str, object]:
    """What the terms of the document mean."""
    context: Node = {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "sc": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "dct": "http://purl.org/dc/terms/",
    }
    context.update({term: f"cr:{term}" for term in _TERMS.split()})
    context.update({term: {"@id": f"cr:{term}", "@type": "@json"} for term in _JSON_TERMS})
    return {**context, "conformsTo": "dct:conformsTo", "dataType": {"@id": "cr:dataType", "@type": "@vocab"}}
