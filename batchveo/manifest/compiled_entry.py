"""Entries compiled by their keys and model: the rows of a large file differ only in their values.

The first entry with these keys for this model is expanded in full and then compiled. For each later one only the
values are read, by the same rules. If a value is not plain (a template, a list, a fault), that entry is expanded in
full too; the full expansion also words the problem.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

from batchveo.core.job_row import canonical_json, meta_json
from batchveo.manifest.defaults import EntryMerger
from batchveo.manifest.entries import Entry
from batchveo.manifest.problems import Fault
from batchveo.manifest.request_template import RequestTemplate
from batchveo.manifest.validation import Rule, is_plain

_SHAPES = 1024
_VALUES = 1024
_NEVER_PLAIN = frozenset(
    (
        "id",
        "matrix",
        "repeat",
        "tries",
        "prompts_file",
        "prompts_format",
        "names_file",
        "rows_file",
        "last_image_url",
    )
)
_NO_PLAIN_DEFAULT = _NEVER_PLAIN | {"name", "prompt"}

_NO_META: Mapping[str, object] = {}
_quoted = json.JSONEncoder(ensure_ascii=False).encode
_SIMPLE = (str, int, float, bool)


Plain = tuple[str, str, str, str | None, str]
"""An entry that is one job with nothing to fill in: model, request (canonical JSON), prompt, name, meta (JSON)."""


class _Shape(NamedTuple):
    """What entries with the same keys for the same model have in common.

    ``request`` is a template of canonical JSON, in which each of ``varying`` stands for one ``%s``: a key, with
    what turns the value written there into JSON, or raises ``Fault``.
    """

    model: str
    request: str
    varying: tuple[tuple[str, Callable[[object], str]], ...]


class CompiledEntries:
    """The compiled entries of one file."""

    def __init__(self, merger: EntryMerger) -> None:
        self._merger = merger
        self._known: dict[tuple[object, ...], _Shape] = {}
        self._meta = _Remembered(_meta_json)
        self._flatten_texts = _flatten_cells if merger.cells else _flatten_texts

    def read_compiled(self, entry: Entry) -> Plain | None:
        """The values of a compiled entry; ``None`` if the entry has to be expanded in full."""
        fields = entry.fields
        try:
            model, template, varying = self._known[fields.get("model"), *fields]
            values = [encode(fields[key]) for key, encode in varying]
            meta = self._meta_of(fields)
        except (KeyError, TypeError, Fault):  # TypeError: a model that is a list
            return None
        name = fields.get("name")
        if name is None or is_plain(name):
            prompt = cast("str", fields.get("prompt", ""))  # no rule takes a prompt that is not text
            return model, template % tuple(values), prompt, name, meta
        return None

    def _meta_of(self, fields: Mapping[str, object]) -> str:
        """What is carried along, as JSON. Raises ``Fault`` where it is more than text."""
        default = self._merger.defaults.fields.get("meta")
        if default is None:
            return self._meta[self._flatten_texts(fields["meta"])] if "meta" in fields else "{}"
        own = fields.get("meta", _NO_META)
        if not isinstance(default, dict) or not isinstance(own, dict):
            raise Fault("is not flat")
        return self._meta[_flatten_texts({**default, **own})]

    def compile_entry(self, entry: Entry, template: RequestTemplate) -> None:
        """Compile an entry that is one plain job, if every entry with its keys may be one."""
        fields, defaults = entry.fields, self._merger.defaults.fields
        if len(self._known) >= _SHAPES or template.blanks or None in fields.values():
            return
        if not (_NEVER_PLAIN.isdisjoint(fields) and _NO_PLAIN_DEFAULT.isdisjoint(defaults)):
            return
        if all(type(value) in _SIMPLE for value in template.fixed.values()):
            self._known[fields.get("model"), *fields] = self._compile_shape(fields, template)

    def _compile_shape(self, fields: Mapping[str, object], template: RequestTemplate) -> _Shape:
        members = []
        varying = []
        for key, value in sorted(template.fixed.items()):
            rule = template.rules.get(key) if key in fields and key != "model" else None
            if rule is not None:  # what comes from the defaults does not vary
                varying.append((key, _make_encoder(rule, cells=self._merger.cells)))
            members.append(f"{_write_literal(key)}:{'%s' if rule else _write_literal(value)}")
        return _Shape(template.rules.name, f"{{{','.join(members)}}}", tuple(varying))


class _Remembered(dict[object, str]):
    """The JSON of the first few values written for a parameter; most parameters have few."""

    def __init__(self, encode: Callable[[object], str]) -> None:
        super().__init__()
        self._encode = encode

    def __missing__(self, value: object) -> str:
        encoded = self._encode(value)
        if len(self) < _VALUES:
            self[value] = encoded
        return encoded


def _make_encoder(rule: Rule, *, cells: bool) -> Callable[[object], str]:
    def encode(value: object) -> str:
        setting = rule.read_written(value, in_cell=cells)
        kind = type(setting)
        if kind is str:
            return _quoted(setting)
        if kind is int:
            return repr(setting)
        if kind in _SIMPLE:
            return canonical_json(setting)
        raise Fault("is not plain")

    def encode_text(value: object) -> str:
        return _quoted(value) if is_plain(value) else encode(value)

    if rule.is_text:
        return encode_text
    # not where 1, 1.0 and true may stand, which are one key
    return _Remembered(encode).__getitem__ if cells and not rule.varied else encode


def _flatten_texts(meta: object) -> tuple[object, ...]:
    """What is carried along, key by key; raises ``Fault`` where it is more than text."""
    if isinstance(meta, dict) and all(type(value) is str for value in meta.values()):
        return _flatten_cells(meta)
    raise Fault("is not flat")


def _flatten_cells(meta: object) -> tuple[object, ...]:
    cells = cast("dict[str, str]", meta)
    return (*cells, *cells.values())


def _meta_json(flat: object) -> str:
    items = cast("tuple[str, ...]", flat)
    half = len(items) // 2
    return meta_json(dict(zip(items[:half], items[half:], strict=True)))


def _write_literal(value: object) -> str:
    return canonical_json(value).replace("%", "%%")
