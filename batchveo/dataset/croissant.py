"""Croissant metadata: a dataset's files and columns in JSON-LD, for catalogues and for ``mlcroissant``.

Terms by the Croissant format specification 1.0 of MLCommons.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchveo.core.measures import MEASURES
from batchveo.dataset.columns import CHECKED, SCORE_PREFIX, ColumnTypes, Kind
from batchveo.dataset.index import ExportIndex
from batchveo.dataset.pairs import PAIR_COLUMNS, pairs_file
from batchveo.dataset.settings import Format, Metadata
from batchveo.dataset.statistics import Tally
from batchveo.dataset.tables import WrittenMetadata
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
"""The tables, the most exact types first."""

_MEANINGS = {
    "file_name": "The video, from the folder's top; from the split's folder in metadata beside the videos.",
    "text": "The caption: the prompt as it was sent.",
    "negative_prompt": "What was to be kept out of the video.",
    "split": "The part of the dataset.",
    "model": "The model that made the video.",
    "request": "The whole request as JSON, with the defaults of the service.",
    "meta": "What the manifest says about the clip, as JSON.",
    "sha256": "The hash of the video file.",
    "catalogue": "The catalogue of models that the request was validated against, by its digest.",
    "cost_usd": "What making the video cost, in US dollars.",
    "generation_seconds": "How long the service took, in seconds.",
    "seconds": "The length of the video, in seconds.",
    "mismatches": "How many parameters of the request came otherwise than they were asked for.",
    "verdict": "What the gates of the clip say: accepted or rejected; open if that is not decided.",
    "chosen": "The video that people prefer, from the folder's top.",
    "rejected": "The other video of the pair, from the folder's top.",
    "votes_for": "People who prefer the chosen video.",
    "votes_against": "People who prefer the other video.",
    "take": "Which generation of the clip it is, from 1.",
    "picks": "How many people picked the clip.",
    "rejects": "How many people rejected the clip.",
    "rating": "The mean of people's ratings, from 1 to 5.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Croissant:
    """The content of the document; ``metadata`` is the metadata beside the videos, if any.

    ``pairs``: the format of the table of pairs, if there is one.
    """

    folder: Path
    index: ExportIndex
    tally: Tally
    types: ColumnTypes
    metadata: WrittenMetadata | None
    pairs: Metadata | None = None

    def build_text(self) -> str:
        """The whole document. Hashes the tables, and shards whose hash is unknown."""
        days = sorted(self.tally.days)
        node: Node = {
            "@context": _make_context(),
            "@type": "sc:Dataset",
            "conformsTo": _VERSION,
            "name": "Generated videos",
            "description": f"{self.tally.clips} generated clips with the prompts and requests that made them.",
            **({"dateCreated": days[0], "dateModified": days[-1]} if days else {}),
            "keywords": ["video", "synthetic", "text-to-video"],
        }
        tables = [self._describe_table(form) for form in _TABLES if form in self.index.formats]
        metadata = [] if self.metadata is None else [self._describe_metadata(self.metadata)]
        pairs = [] if self.pairs is None else [self._describe_pairs(self.pairs)]
        node["distribution"] = [*tables, *metadata, *pairs, *self._list_shard_files(), *self._list_videos()]
        node["recordSet"] = [*self._record_sets(tables, metadata), *map(_make_pair_records, pairs)]
        return json.dumps(node, ensure_ascii=False, indent=2) + "\n"

    def _record_sets(self, tables: Sequence[Node], metadata: Sequence[Node]) -> list[Node]:
        """The clips, by the most exact file that describes them; plain videos have none."""
        if tables:
            return [_make_clips(self._make_fields(_by_column("fileObject", tables[0]), list(self.types.kinds)))]
        if metadata and self.metadata is not None:
            return [_make_clips(self._make_fields(_by_column("fileSet", metadata[0]), self.metadata.columns))]
        return _make_shard_records() if Format.WEBDATASET in self.index.formats else []

    def _make_fields(self, source: Callable[[str], Node], columns: Sequence[str]) -> list[Node]:
        return [_make_field(name, self.types.kinds[name], source(name)) for name in columns]

    def _describe_table(self, form: Format) -> Node:
        name = f"clips.{form.value}"
        size, digest = measure_file(self.folder / name)
        return _make_file(name, _ENCODINGS[form.value], size, digest, "All clips, a row for each.")

    def _describe_metadata(self, metadata: WrittenMetadata) -> Node:
        name = f"metadata.{metadata.kind.value}"
        paths = [f"{split}/{name}" for split in self.tally.parts]
        return _make_file_set(
            "metadata", "The clips of each split, a row for each.", _ENCODINGS[metadata.kind.value], paths
        )

    def _describe_pairs(self, kind: Metadata) -> Node:
        path = pairs_file(self.folder, kind)
        return _make_file(path.name, _ENCODINGS[kind.value], *measure_file(path), "Pairs of clips of one prompt.")

    def _describe_shard(self, name: str) -> Node:
        shard = self.index.shards[name]
        if shard.sha256 is None:  # an earlier version wrote it
            shard = shard._replace(sha256=measure_file(self.folder / name)[1])
            self.index.add_shard(name, shard)
        return _make_file(name, "application/x-tar", shard.bytes, str(shard.sha256), "A WebDataset shard.")

    def _list_shard_files(self) -> list[Node]:
        """The shards, with their captions and rows: JSON, which readers of Croissant take as text."""
        if Format.WEBDATASET not in self.index.formats:
            return []
        shards = [self._describe_shard(name) for name in self.index.shards]
        where = {"containedIn": [{"@id": shard["@id"]} for shard in shards]}
        captions = _make_file_set("captions", "The caption of each clip.", "text/plain", ["*.txt"])
        rows = _make_file_set("rows", "Everything about each clip.", "application/json", ["*.json"])
        return [*shards, {**captions, **where}, {**rows, **where}]

    def _list_videos(self) -> list[Node]:
        """The video files, if the folder has any."""
        if set(self.index.formats) == {Format.WEBDATASET}:
            return []
        paths = [f"{split}/*.mp4" for split in self.tally.parts]
        if self.tally.has_folders:
            paths += [f"{split}/**/*.mp4" for split in self.tally.parts]
        return [_make_file_set("videos", "The video files.", "video/mp4", paths)]


def _make_clips(fields: Sequence[Node]) -> Node:
    clips = {"@id": "clips", "@type": "cr:RecordSet", "name": "clips", "description": "The clips."}
    return {**clips, "key": {"@id": "clips/job_id"}, "field": fields}


def _make_pair_records(table: Node) -> Node:
    source = _by_column("fileObject", table)
    node: Node = {
        "@id": "pairs",
        "@type": "cr:RecordSet",
        "name": "pairs",
        "description": "Pairs of clips of one prompt of which people preferred one.",
    }
    fields = [_make_field(name, kind, source(name), of="pairs") for name, kind in PAIR_COLUMNS.items()]
    return {**node, "field": fields}


def _make_shard_records() -> list[Node]:
    """Captions and rows by the ids of their jobs, the names of the members of a shard."""
    clips = _make_clips(
        [
            _make_field("job_id", Kind.TEXT, _by_name("captions")),
            _make_field("text", Kind.TEXT, _by_content("captions")),
        ]
    )
    fields = [("job_id", _by_name("rows")), ("row", _by_content("rows"))]
    rows: Node = {
        "@id": "rows-by-clip",
        "@type": "cr:RecordSet",
        "name": "rows",
        "description": "The clips as JSON.",
    }
    nodes = [_make_field(name, Kind.TEXT, source, of="rows-by-clip") for name, source in fields]
    return [clips, {**rows, "key": {"@id": "rows-by-clip/job_id"}, "field": nodes}]


def _by_column(kind: str, node: Node) -> Callable[[str], Node]:
    return lambda column: {kind: {"@id": node["@id"]}, "extract": {"column": column}}


def _by_name(file_set: str) -> Node:
    stem = {"transform": {"regex": r"^(.*)\.[a-z]+$"}}
    return {"fileSet": {"@id": file_set}, "extract": {"fileProperty": "filename"}, **stem}


def _by_content(file_set: str) -> Node:
    return {"fileSet": {"@id": file_set}, "extract": {"fileProperty": "content"}}


def _make_field(name: str, kind: Kind, source: Node, *, of: str = "clips") -> Node:
    meaning = {"description": text} if (text := _find_meaning(name)) else {}
    data_type = "sc:DateTime" if name.endswith(_TIME) and kind is Kind.TEXT else _TYPES[kind]
    node: Node = {"@id": f"{of}/{name}", "@type": "cr:Field", "name": name, **meaning}
    return {**node, "dataType": data_type, "source": source}


def _find_meaning(column: str) -> str:
    if column in CHECKED and column in MEASURES:
        measure = MEASURES[column]
        return f"Measured: {measure.meaning}{f', in {measure.unit}' if measure.unit else ''}."
    return "What another tool gave the clip." if column.startswith(SCORE_PREFIX) else _MEANINGS.get(column, "")


def _make_file_set(name: str, description: str, encoding: str, includes: Sequence[str]) -> Node:
    return {
        "@id": name,
        "@type": "cr:FileSet",
        "name": name,
        "description": description,
        "encodingFormat": encoding,
        "includes": list(includes),
    }


def _make_file(name: str, encoding: str, size: int, digest: str, description: str) -> Node:
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


def _make_context() -> Mapping[str, object]:
    """The meaning of the document's terms."""
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
