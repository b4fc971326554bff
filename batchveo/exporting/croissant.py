"""Croissant metadata: a dataset's files and columns in JSON-LD, for catalogues and for ``mlcroissant``.

Terms by the Croissant format specification 1.0 of MLCommons.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchveo.exporting.column_types import ColumnTypes
from batchveo.exporting.columns import COLUMNS, Kind
from batchveo.exporting.record import Record
from batchveo.exporting.settings import Format
from batchveo.exporting.tally import Tally
from batchveo.exporting.videofolder import Described
from batchveo.files import measure

CROISSANT = "croissant.json"

Node = dict[str, object]
"""An object of the document."""

_VERSION = "http://mlcommons.org/croissant/1.0"
_TERMS = (
    "citeAs column conformsTo data dataType equivalentProperty examples extract field fileObject fileProperty "
    "fileSet format includes isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace "
    "samplingRate separator source subField transform"
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
class _Source:
    """Where the rows are: ``kind`` is the property that names it, ``id`` its node; JSON files go by paths."""

    kind: str
    id: str
    is_json: bool = False

    def of(self, column: str) -> Node:
        extract = {"jsonPath": f"$.{column}"} if self.is_json else {"column": column}
        return {self.kind: {"@id": self.id}, "extract": extract}


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
        source, rows = self._rows()
        node["distribution"] = [*rows, *self._videos()]
        node["recordSet"] = [] if source is None else [self._record_set(source)]
        return json.dumps(node, ensure_ascii=False, indent=2) + "\n"

    def _rows(self) -> tuple[_Source | None, list[Node]]:
        """The best description of the clips that is in the folder, if there is one, with the nodes it needs."""
        formats = self.record.formats
        tables = [self._table(form) for form in _TABLES if form in formats]
        if tables:
            return _Source(kind="fileObject", id=str(tables[0]["@id"])), tables
        if self.described is not None:
            return _Source(kind="fileSet", id="metadata"), [self._metadata(self.described)]
        if Format.WEBDATASET in formats:
            shards = [self._shard(name) for name in self.record.shards]
            inside = {"@id": "rows", "@type": "cr:FileSet", "name": "rows", "description": "A row for each clip."}
            where = {"containedIn": [{"@id": shard["@id"]} for shard in shards]}
            rows: Node = {**inside, **where, "encodingFormat": "application/json", "includes": "*.json"}
            return _Source(kind="fileSet", id="rows", is_json=True), [*shards, rows]
        return None, []

    def _table(self, form: Format) -> Node:
        name = f"clips.{form.value}"
        size, digest = measure(self.folder / name)
        return _file(name, _ENCODINGS[form.value], size, digest, "All clips, a row for each.")

    def _metadata(self, described: Described) -> Node:
        return {
            "@id": "metadata",
            "@type": "cr:FileSet",
            "name": "metadata",
            "description": "The clips of each split, a row for each.",
            "encodingFormat": _ENCODINGS[described.kind.value],
            "includes": [f"{split}/metadata.{described.kind.value}" for split in self.tally.parts],
        }

    def _shard(self, name: str) -> Node:
        shard = self.record.shards[name]
        if shard.sha256 is None:  # an earlier version wrote it
            shard = shard._replace(sha256=measure(self.folder / name)[1])
            self.record.add_shard(name, shard)
        return _file(name, "application/x-tar", shard.bytes, str(shard.sha256), "A WebDataset shard.")

    def _videos(self) -> list[Node]:
        """The video files, where the folder has some."""
        if set(self.record.formats) == {Format.WEBDATASET}:
            return []
        return [
            {
                "@id": "videos",
                "@type": "cr:FileSet",
                "name": "videos",
                "description": "The video files.",
                "encodingFormat": "video/mp4",
                "includes": [f"{split}/*.mp4" for split in self.tally.parts],
            }
        ]

    def _record_set(self, source: _Source) -> Node:
        beside = source.id == "metadata" and self.described is not None
        columns: Sequence[str] = self.described.columns if beside and self.described else list(COLUMNS)
        return {
            "@id": "clips",
            "@type": "cr:RecordSet",
            "name": "clips",
            "description": "The clips.",
            "key": {"@id": "clips/job_id"},
            "field": [_field(name, self.types.kinds[name], source) for name in columns],
        }


def _field(name: str, kind: Kind, source: _Source) -> Node:
    meaning = {"description": _MEANINGS[name]} if name in _MEANINGS else {}
    data_type = "sc:DateTime" if name.endswith(_TIME) and kind is Kind.TEXT else _TYPES[kind]
    node: Node = {"@id": f"clips/{name}", "@type": "cr:Field", "name": name, **meaning}
    return {**node, "dataType": data_type, "source": source.of(name)}


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
