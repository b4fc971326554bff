"""Where manifests come from: files by their extension, standard input by what it begins with."""

from __future__ import annotations

import codecs
import io
import json
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO, BinaryIO, cast

from batchveo.core.errors import find_reason
from batchveo.manifest.problems import Fault
from batchveo.manifest.synonyms import meant_by
from batchveo.manifest.vocabulary import FIXED

STDIN = "-"
STDIN_LABEL = "<stdin>"
"""What messages call standard input."""
SECTIONS = ("defaults", "defaults_where_taken", "jobs", "budget")
"""The keys at the top of a manifest by which it is known as one."""
TOP_KEYS = (*SECTIONS, "filename")
"""All keys at the top of a manifest; tables have columns of the last name."""

_SPOOL_IN_MEMORY = 1024 * 1024
_PEEK = 4096


class Format(Enum):
    """The format of a manifest."""

    YAML = "YAML"
    JSON = "JSON"
    JSON_LINES = "JSON Lines"
    CSV = "CSV"
    TSV = "TSV"
    TEXT = "a list of prompts"


_BY_EXTENSION = {
    ".yaml": Format.YAML,
    ".yml": Format.YAML,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".jsonl": Format.JSON_LINES,
    ".ndjson": Format.JSON_LINES,
    ".json": Format.JSON,
    ".txt": Format.TEXT,
}
JSON_LINES_SUFFIXES = frozenset((".jsonl", ".ndjson"))
_LOOKED_AT = 1024 * 1024
_JSON_START = re.compile(r"\{|\[\s*(?:$|[\[{\"])")
_YAML_START = re.compile(r"---|%YAML|#|- |-$|\[|\{|[&!*]|[\"']?[\w.-]+[\"']?\s*:(?:\s|$)")
_KEYS = FIXED | {"custom_id"}
_CSV_HEADER = re.compile(r'"?[A-Za-z_][\w.]*"?(?:[ ]*[,;\t][ ]*"?[A-Za-z_][\w.]*"?)*')
_CSV_SEPARATOR = re.compile(r'"?sep=.?"?[,;\t ]*', re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One manifest: ``label`` is how it was named, ``folder`` is what paths in it are relative to."""

    label: str
    folder: Path
    path: Path | None

    @property
    def identity(self) -> str:
        """What two names of one manifest have in common."""
        return STDIN if self.path is None else os.path.realpath(self.path)

    def beside(self, path: str) -> str:
        """The label of a file named in this manifest."""
        return str(self.folder / path)


def find_source(given: str | os.PathLike[str]) -> Source:
    """The source that an argument names; ``-`` is standard input."""
    label = os.fspath(given)
    if label == STDIN:
        return Source(label=STDIN_LABEL, folder=Path(), path=None)
    path = Path(label)
    return Source(label=label, folder=path.parent, path=path)


class Opener:
    """Opens sources, again and again; keeps standard input in a temporary file for that."""

    def __init__(self, stdin: BinaryIO | None = None) -> None:
        self._stdin = stdin
        self._spool: IO[bytes] | None = None

    def close(self) -> None:
        """Throw away what was kept of standard input."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    @contextmanager
    def open(self, source: Source) -> Iterator[tuple[BinaryIO, Format]]:
        """The bytes of a source from their beginning, and their format. Raises ``Fault``."""
        if source.path is None:
            yield self._spool_stdin(), _format_by_content(self._spool_stdin())
            return
        form = _format_by_name(source.path)
        with open_text(source.path) as stream:
            if form is Format.JSON and holds_json_lines(stream):
                form = Format.JSON_LINES
            yield stream, form

    @contextmanager
    def reopen(self, source: Source) -> Iterator[BinaryIO]:
        """The bytes of a source once more, while it is open. Raises ``Fault``."""
        if source.path is None:
            yield self._spool_stdin()
        else:
            with open_text(source.path) as stream:
                yield stream

    def _spool_stdin(self) -> BinaryIO:
        if self._spool is None:
            self._spool = tempfile.SpooledTemporaryFile(_SPOOL_IN_MEMORY)  # noqa: SIM115 - closed by close()
            shutil.copyfileobj(self._stdin or sys.stdin.buffer, self._spool)
        self._spool.seek(0)
        return cast("BinaryIO", self._spool)


@contextmanager
def open_text(path: Path) -> Iterator[BinaryIO]:
    """A regular text file, open for reading bytes. Raises ``Fault`` saying why it cannot be read."""
    try:
        stream = _open_regular(path)
    except (OSError, ValueError) as error:
        raise Fault(_describe_error(error)) from error
    with stream:
        _refuse_binary(stream.peek(_PEEK)[:_PEEK])
        yield stream


def _open_regular(path: Path) -> io.BufferedReader:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise Fault("is a folder", "name a manifest file in it")
    # a pipe or a device would be empty, or another one, at the second reading
    if not stat.S_ISREG(mode):
        raise Fault("is not a regular file, and has to be read twice", "pipe it in and write - for it")
    return path.open("rb")


def _describe_error(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return f"cannot be read: {find_reason(error)}"


def _refuse_binary(start: bytes) -> None:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Fault("is UTF-16, not UTF-8 text", "save the file as UTF-8", line=1)
    if b"\0" in start:
        raise Fault("is not a text file", line=1 + start[: start.index(b"\0")].count(b"\n"))


def _format_by_name(path: Path) -> Format:
    try:
        return _BY_EXTENSION[path.suffix.lower()]
    except KeyError:
        if path.is_dir():
            raise Fault("is a folder", "name a manifest file in it") from None
        if path.suffix.lower() == ".parquet":
            raise Fault("is Parquet, which is no manifest", f"name it in YAML: rows_file: {path.name}") from None
        known = " ".join(_BY_EXTENSION)
        raise Fault("the extension names no format", f"one of {known}") from None


def _format_by_content(stream: BinaryIO) -> Format:
    """The format of standard input, by its first line that is not blank.

    ``{`` and ``[`` begin JSON or JSON Lines, column names are the header of a CSV, what no YAML manifest begins
    with is a list of prompts; all else is YAML.
    """
    start = stream.read(_PEEK)
    stream.seek(0)
    _refuse_binary(start)
    line = _first_line(start)
    # the order matters: a line of JSON is YAML too, and a header of one word is a list of prompts
    if holds_json_lines(stream):
        return Format.JSON_LINES
    if _JSON_START.match(line):
        return Format.JSON
    if _is_header(line) or _CSV_SEPARATOR.fullmatch(line):
        return Format.CSV
    return Format.YAML if _YAML_START.match(line) or not line else Format.TEXT


def holds_json_lines(stream: BinaryIO) -> bool:
    """Whether what is called JSON has an object of its own on each line, by the look of the first; rewinds."""
    first, second = (_next_line(stream) for _ in range(2))
    stream.seek(0)
    if not first.startswith(b"{"):
        return False
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return first.endswith(b"}") and second.startswith(b'{"')
    if not isinstance(value, dict) or not value.keys().isdisjoint(SECTIONS):
        return False
    return second.startswith(b"{") or any(key in _KEYS or meant_by(key) == "prompt" for key in value)


def _next_line(stream: BinaryIO) -> bytes:
    """The next line that is not blank, or the beginning of one that is very long."""
    while line := stream.readline(_LOOKED_AT):
        if stripped := line.removeprefix(codecs.BOM_UTF8).strip():
            return stripped
    return b""


def _is_header(line: str) -> bool:
    """Whether a line names columns: all of them plainly, or one of them as a job's field is called."""
    cells = [cell.strip().strip('"').casefold() for cell in re.split("[,;\t]", line)]
    if any(cell in FIXED or cell.startswith("meta.") for cell in cells) and not _YAML_START.match(line):
        return True
    return len(cells) > 1 and _CSV_HEADER.fullmatch(line) is not None


def _first_line(start: bytes) -> str:
    lines = (line.strip() for line in start.removeprefix(codecs.BOM_UTF8).splitlines())
    return next(filter(None, lines), b"").decode(errors="replace")
