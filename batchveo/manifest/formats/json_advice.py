"""What to add for JSON that is not written as a manifest: told once for a file, by its first rows."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from itertools import chain
from typing import BinaryIO

from batchveo.manifest.entries import Entry, Item
from batchveo.manifest.formats import json_rows
from batchveo.manifest.formats.json_rows import KEY, VALUE
from batchveo.manifest.problems import Fault, shown_bare
from batchveo.manifest.sources import SECTIONS
from batchveo.manifest.synonyms import key_hint, meant_by
from batchveo.manifest.validation import JOB_KEYS, PARAMETERS
from batchveo.provider.catalog import MODELS

_KNOWN = PARAMETERS | frozenset(JOB_KEYS)
_PROMPTS = frozenset(("prompt", "prompts_file", "rows_file", "matrix"))
_MODEL = next(name for name in MODELS if name.endswith("t2v-fast"))
_NESTED = ("prompt", "input", "text", "content", "caption")
_NAMED = 8
_ADVISED = frozenset(("prompt", "negative_prompt", "name", "id", "image_url", "last_image_url"))


def is_manifest(stream: BinaryIO) -> bool:
    """Whether a JSON document is a list of objects, or has the sections of a manifest; rewinds."""
    start = stream.read(_PEEK).lstrip(b"\xef\xbb\xbf \t\r\n")
    stream.seek(0)
    if start.startswith(b"["):
        return start[1:].lstrip()[:1] in {b"{", b"]", b""}
    if not start.startswith(b"{"):
        return True  # neither list nor mapping: the parser says what is wrong
    key = start[1:].lstrip()
    return key[:1] != b'"' or any(key.startswith(f'"{section}"'.encode()) for section in SECTIONS)


_PEEK = 64 * 1024


def advise(stream: BinaryIO, given: Collection[str]) -> Fault:
    """What to add so that a JSON document of another shape can be read; ``given`` has a field already."""
    first, second = (next(rows, None) for rows in [json_rows.read_json_rows(stream)] for _ in range(2))
    stream.seek(0)
    if first is None or isinstance(first, Fault):
        return first or Fault("holds no jobs")
    if isinstance(second, Fault):
        return second
    row = first.fields
    keyed = KEY in row
    if keyed and isinstance(second, Entry) and second.fields.get(KEY) == row[KEY]:
        return _advise_list(row, given, first.line)
    if VALUE in row:
        if keyed:
            maps = f"--map name={KEY} --map prompt={VALUE}, or --map prompt={KEY} --map name={VALUE}"
            return _make_advice("holds texts under keys, no jobs", maps, given, first.line)
        return _make_advice("is a list of texts, not of jobs", f"--map prompt={VALUE}", given, first.line)
    if "1" in row:
        return _make_advice(
            "is a list of lists, not of jobs", f"--map prompt=1{_other_columns(row)}", given, first.line
        )
    names = "" if {"name", "id"} & row.keys() else f"--map name={KEY}"
    maps, extra = _find_maps({key: value for key, value in row.items() if key != KEY})
    return _make_advice("holds objects under keys, no jobs", f"{names} {maps}{extra}".strip(), given, first.line)


def _advise_list(row: Mapping[str, object], given: Collection[str], line: int) -> Fault:
    """What to add where many rows stand in a list under one key: that key names none of them."""
    where = f"holds a list under {shown_bare(str(row[KEY]), 30)}, no jobs"
    if VALUE in row:
        return _make_advice(where, f"--map prompt={VALUE} --extra meta", given, line)
    if "1" in row:
        return _make_advice(where, "--map prompt=1 --extra meta", given, line)
    maps, _ = _find_maps({key: value for key, value in row.items() if key != KEY})
    return _make_advice(where, f"{maps or f'--map meta.{KEY}={KEY}'} --extra meta", given, line)


def check_first_entry(entries: Iterator[Item | Fault], given: Collection[str]) -> Iterator[Item | Fault]:
    """The entries; or one fault in their place if the first shows that its keys are to be renamed."""
    first = next(entries, None)
    if first is None:
        return
    if isinstance(first, Entry) and (fault := _advice_for(first, given)):
        yield fault
        return
    yield from chain([first], entries)


def _advice_for(entry: Entry, given: Collection[str]) -> Fault | None:
    fields = entry.fields
    unknown = [key for key in fields if key not in _KNOWN]
    if not unknown or "model" in fields or _PROMPTS & {*fields, *given}:  # a model makes it a job, with mistakes
        return None
    if any(key_hint(key, ("prompt",)) and meant_by(key) is None for key in unknown):
        return None  # mistyped
    maps, extra = _find_maps(fields)
    if {"custom_id", "body"} <= fields.keys():
        return _make_advice("are the lines of an OpenAI batch, not jobs", f"{maps}{extra}", given, entry.line, fields)
    keys = ", ".join(shown_bare(key, 30) for key in [*fields][:_NAMED])
    return _make_advice(f"no prompt in objects with the keys {keys}", f"{maps}{extra}", given, entry.line, fields)


def _find_maps(fields: Mapping[str, object]) -> tuple[str, str]:
    """The options that would make an object a job, as far as can be told: ``--map``, and ``--extra``."""
    found: dict[str, str] = {}
    for key, value in fields.items():
        meant = meant_by(key)
        if isinstance(value, dict):
            found |= {name: path for name, path in _find_nested(key, value) if name not in found}
        elif meant in _ADVISED and meant not in fields and meant not in found and _fits_field(meant, value):
            found[meant] = key
    if "prompt" not in fields:
        found.setdefault("prompt", "KEY")
    if "name" not in fields and "name" not in found and found.get("id") is not None:
        found["name"] = found.pop("id")
    taken = {path.split(".")[0] for path in found.values()}
    extra = any(key not in _KNOWN and key not in taken for key in fields) or any("." in path for path in found.values())
    maps = " ".join(f"--map {name}={shlex.quote(path)}" for name, path in sorted(found.items()))
    return maps, " --extra meta" if extra else ""


def _find_nested(key: str, value: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What fields an object within the object holds, by their paths."""
    for inner in _NESTED:
        if isinstance(value.get(inner), str):
            yield "prompt", f"{key}.{inner}"
            break
    else:
        messages = value.get("messages")
        if isinstance(messages, list) and messages:
            yield "prompt", f"{key}.messages.{len(messages) - 1}.content"
    if value.get("model") in MODELS:
        yield "model", f"{key}.model"


def _fits_field(field: str, value: object) -> bool:
    """Whether a value may be what its key says in other words."""
    return isinstance(value, str) or (field in {"name", "id"} and isinstance(value, int))


def _other_columns(row: Mapping[str, object]) -> str:
    columns = [key for key in row if key != KEY]
    if len(columns) == 1:
        return ""
    return f" --extra meta (the columns are counted: {', '.join(columns[:_NAMED])})"


def _make_advice(
    what: str, maps: str, given: Collection[str], line: int, fields: Mapping[str, object] | None = None
) -> Fault:
    model = "" if "model" in given or "model" in (fields or ()) or "--map model=" in maps else f" --set model={_MODEL}"
    return Fault(what, f"add {maps}{model}", line=line)
