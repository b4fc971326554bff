"""Entries compiled by their keys and model: the rows of a large file differ only in their values.

The first entry with these keys for this model is merged and checked, and then compiled. For each later one only the
values are read, by the same rules. If a value is not plain (a template, a list, a fault), that entry is merged and
checked by itself, which words the problem too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

from batchveo.core.job_row import canonical_json, inputs_json, meta_json
from batchveo.manifest.chain_register import Member
from batchveo.manifest.entries import Entry
from batchveo.manifest.entry_merger import EntryMerger
from batchveo.manifest.job_register import JobParts
from batchveo.manifest.merged_entry import MergedEntry
from batchveo.manifest.problems import Fault
from batchveo.manifest.request_template import RequestTemplate
from batchveo.manifest.rules import Rule, is_plain
from batchveo.manifest.vocabulary import CHAIN_KEYS, CHECK_KEYS

_SHAPES = 1024
_VALUES = 1024
_DIGITS = 16
"""The most digits of a number that every service reads exactly."""
_NEVER_PLAIN = frozenset(
    ["id", "matrix", "repeat", "prompts_file", "prompts_format", "names_file", "rows_file", *CHAIN_KEYS]
)
_NO_PLAIN_DEFAULT = _NEVER_PLAIN | {"name", "prompt"}
_BY_ITSELF = _NEVER_PLAIN | {"tries", "per_model", "unchecked", *CHECK_KEYS}

_quoted = json.JSONEncoder(ensure_ascii=False).encode
_SIMPLE = (str, int, float, bool)
_NO_META: dict[str, object] = {}


class _Shape(NamedTuple):
    """What entries with the same keys for the same model have in common.

    ``request`` is a template of canonical JSON, with one ``%s`` for each of ``varying``: a key, with the
    function that turns its value into JSON, or raises ``Fault``. The last ones, from ``inputs``
    on, are those of the defaults.
    """

    model: str
    request: str
    varying: tuple[tuple[str, Callable[[object], str]], ...]
    inputs: str | None
    tries: int | None
    unchecked: tuple[str, ...]
    policy: str | None
    priority: int


class CompiledEntries:
    """The compiled entries of one file."""

    def __init__(self, merger: EntryMerger) -> None:
        self._merger = merger
        self._known: dict[tuple[object, ...], _Shape] = {}
        self._meta: dict[tuple[object, ...], str] = {}

    def read_entry(self, entry: Entry) -> JobParts | None:
        """The one job of an entry whose shape is compiled; ``None`` if the entry has to be merged by itself."""
        fields = entry.fields
        try:
            shape = self._known[fields.get("model"), *fields]
            model, template, varying, inputs, tries, unchecked, policy, priority = shape
            values = [encode(fields[key]) for key, encode in varying]
            meta = self._write_meta(fields)
        except (KeyError, TypeError, Fault):  # TypeError: a model that is a list
            return None
        name = fields.get("name")
        if name is not None and not is_plain(name):
            return None
        prompt = cast("str", fields.get("prompt", ""))  # no rule takes a prompt that is not text
        request = template % tuple(values)
        member = None if entry.chain is None else Member(entry.chain.name)
        checked = (inputs, tries, None, unchecked, policy, priority)
        return JobParts(model, request, prompt, name, meta, 0, *checked, member=member)

    def _write_meta(self, fields: Mapping[str, object]) -> str:
        """What is carried along, as JSON; that of the first few texts is kept. Raises ``Fault``."""
        own = fields.get("meta", _NO_META)
        # numbers are not kept: 1, 1.0 and true are one key
        if not isinstance(own, dict) or not (self._merger.cells or all(type(value) is str for value in own.values())):
            return meta_json(self._merger.merge_meta(fields))
        key = (*own, *own.values())
        meta = self._meta.get(key)
        if meta is None:
            meta = meta_json(self._merger.merge_meta(fields))
            if len(self._meta) < _VALUES:
                self._meta[key] = meta
        return meta

    def compile_entry(self, merged: MergedEntry, template: RequestTemplate) -> None:
        """Compile an entry that is one plain job, if every entry with its keys may be one."""
        fields, defaults = merged.entry.fields, self._merger.defaults.fields
        if len(self._known) >= _SHAPES or template.blanks or None in fields.values():
            return
        if template.references.links:
            return
        if not (_BY_ITSELF.isdisjoint(fields) and _NO_PLAIN_DEFAULT.isdisjoint(defaults)):
            return
        # a condition on which fields there are holds for all entries of a shape, one on their values does not
        if template.rules.depends_on_values(template.fixed):
            return
        if all(type(value) in _SIMPLE for value in template.fixed.values()):
            self._known[fields.get("model"), *fields] = self._compile_shape(merged, template)

    def _compile_shape(self, merged: MergedEntry, template: RequestTemplate) -> _Shape:
        fields = merged.entry.fields
        members = []
        varying = []
        shared = {value for key, value in template.fixed.items() if key not in fields}
        for key, value in sorted(template.fixed.items()):
            rule = template.rules.get(key) if key in fields and key != "model" else None
            if rule is not None:  # what comes from the defaults does not vary
                varying.append((key, _make_encoder(rule, cells=self._merger.cells)))
            members.append(f"{_write_literal(key)}:{'%s' if rule else _write_literal(value)}")
        return _Shape(
            model=template.rules.name,
            request=f"{{{','.join(members)}}}",
            varying=tuple(varying),
            inputs=inputs_json([item for item in template.references.files if item.reference in shared]),
            tries=merged.tries,
            unchecked=tuple(sorted(template.rules.unchecked)),
            policy=template.policy,
            priority=template.priority,
        )


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

    shortest, longest = rule.lengths

    def encode_text(value: object) -> str:
        return _quoted(value) if is_plain(value) and shortest <= len(value) <= longest else encode(value)

    def encode_whole(value: object) -> str:
        # digits of such a number are its JSON already, but for zeros before it and digits of other scripts
        if type(value) is str and value.isdigit() and value.isascii() and value[0] != "0" and len(value) <= _DIGITS:
            return value if int(value) in rule.whole else encode(value)
        return encode(value)

    if rule.is_text:
        return encode_text
    if cells and rule.varied and rule.whole:
        return encode_whole
    # not if 1, 1.0 and true are possible, which are one key of a dict
    return _Remembered(encode).__getitem__ if cells and not rule.varied else encode


def _write_literal(value: object) -> str:
    return canonical_json(value).replace("%", "%%")
