"""Scores for finished clips from a table that another tool wrote: CSV, TSV, JSON Lines or Parquet."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import anyio

from batchveo.core.errors import UsageError
from batchveo.core.expressions import Value, read_number
from batchveo.core.hints import suggest_closest
from batchveo.core.scores import ScoreError, check_source, read_scores
from batchveo.manifest.formats.row_files import TableRow, open_table
from batchveo.manifest.problems import Fault, Problems, shown
from batchveo.operations.check_clips import Checked, judge_scored
from batchveo.store import Store

KEYS: Mapping[str, Sequence[str]] = {
    "id": ("id",),
    "name": ("name",),
    "file": ("file", "file_name", "filename", "path", "video", "video_path"),
}
"""What a row may name its clip by, and the columns that are looked for."""
NO_SCORES = frozenset((*(column for columns in KEYS.values() for column in columns), "prompt", "model"))
"""Columns that tables repeat from elsewhere; they are scores only if they are asked for."""
_AT_ONCE = 1000
"""Clips whose scores are written in one transaction."""
_MOST_COLUMNS_NAMED = 20


@dataclass(slots=True, kw_only=True)
class Annotated:
    """What a table gave: ``clips`` with scores in it; how many have each score, in ``names``.

    ``skipped``: rows whose clip is not known. ``judged``: the verdicts that followed.
    """

    clips: int = 0
    skipped: int = 0
    names: Counter[str] = field(default_factory=Counter)
    judged: Checked = field(default_factory=Checked)


def annotate_clips(
    store: Store,
    path: Path,
    *,
    on: str,
    source: str | None = None,
    columns: Sequence[str] = (),
    skip_unknown: bool = False,
    seen: Callable[[int], None] = lambda rows: None,  # noqa: ARG005 - nobody looks
) -> Annotated:
    """Join the scores in the table at ``path`` to the finished clips, and judge anew what they decide.

    ``on``: ``id``, ``name`` or ``file``, by which a row names its clip, perhaps with the column: ``file=video_path``.
    ``source``: what the names of the scores begin with, by default the name of the file. ``columns``: the only ones
    that are scores. Raises ``ManifestError`` with all problems, and then nothing is written; ``skip_unknown`` leaves
    out rows whose clip is not in the database.
    """
    table = _Table(store, path, on=on, source=source, columns=columns)
    result = Annotated(skipped=table.check_rows(skip_unknown=skip_unknown))
    clips = table.read_clips()
    while chunk := list(islice(clips, _AT_ONCE)):
        store.facts.record_many_scores(chunk, now=time.time())
        for _, scores in chunk:
            result.names.update(scores.keys())
        result.clips += len(chunk)
        seen(result.clips)
    anyio.run(judge_scored, store, (job.seq for job in store.verdicts.iter_unjudged()), result.judged)
    return result


class _Table:
    """The table, and which clip each of its rows is about."""

    def __init__(self, store: Store, path: Path, *, on: str, source: str | None, columns: Sequence[str]) -> None:
        self._label = str(path)
        self._problems = Problems([self._label])
        self._is_text = path.suffix.lower() in (".csv", ".tsv")
        key, _, column = on.partition("=")
        if key not in KEYS:
            raise UsageError(f"--on {on}: id, name or file, perhaps with the column: file=video_path")
        try:
            self._source = check_source(_clean_name(path.stem) if source is None else source)
        except ScoreError as error:
            raise UsageError(f"{error}; --as NAME gives another one") from None
        try:
            self._rows = open_table(path, self._label)
        except Fault as fault:
            self._problems.add_fault(self._label, fault.line, None, fault)
            self._problems.raise_if_any()
            raise
        self._column = self._find_column(key, column)
        self._scores = self._choose_columns(columns)
        self._clips = _index_clips(store, key)

    def _find_column(self, key: str, named: str) -> str:
        names = self._rows.names
        found = [column for column in ((named,) if named else KEYS[key]) if column in names]
        if found:
            return found[0]
        self._report_broken_rows()
        raise UsageError(f"{self._describe_missing(named or key)}; --on {key}=COLUMN names another one")

    def _describe_missing(self, column: str) -> str:
        names = self._rows.names
        meant = suggest_closest(column, names) or f"it has {', '.join(names[:_MOST_COLUMNS_NAMED])}"
        return f"{self._label} has no column {column} ({meant})"

    def _report_broken_rows(self) -> None:
        """Raise ``ManifestError`` if rows cannot be read: what is missing may be in them."""
        for row in self._rows.rows(()):
            if isinstance(row, Fault):
                self._problems.add_fault(self._label, row.line, None, row)
        self._problems.raise_if_any()

    def _choose_columns(self, columns: Sequence[str]) -> list[str]:
        names = self._rows.names
        for column in columns:
            if column not in names:
                raise UsageError(self._describe_missing(column))
        chosen = list(columns) or [name for name in names if name not in NO_SCORES and name != self._column]
        if not chosen:
            raise UsageError(f"{self._label} has no column of scores beside {self._column}")
        return chosen

    def check_rows(self, *, skip_unknown: bool) -> int:
        """Read everything, for its problems; returns how many rows are skipped. Raises ``ManifestError``."""
        skipped = 0
        lines: dict[int, int] = {}
        for row in self._iter_rows():
            try:
                skipped += self._check_row(row, lines, skip_unknown=skip_unknown)
            except Fault as fault:
                self._problems.add_fault(self._label, row.line, None, fault)
        self._problems.raise_if_any()
        return skipped

    def _check_row(self, row: TableRow, lines: dict[int, int], *, skip_unknown: bool) -> bool:
        """Whether the row is skipped; ``lines`` has those of the clips before it. Raises ``Fault``."""
        seq = self._find_clip(row)
        if seq is None and skip_unknown:
            return True
        if seq is None:
            known = f"no finished clip has the {self._column} {shown(row.values.get(self._column))}"
            raise Fault(known, "--skip-unknown leaves such rows out")
        if seq in lines:
            raise Fault(f"the clip of line {lines[seq]} again", "keep one row for each clip")
        lines[seq] = row.line
        self._read_scores(row)
        return False

    def read_clips(self) -> Iterator[tuple[int, dict[str, Value]]]:
        """The job, by number, and the scores of each row, after ``check_rows`` has found no problem."""
        for row in self._iter_rows():
            seq = self._find_clip(row)
            if seq is not None and (scores := self._read_scores(row)):
                yield seq, scores

    def _iter_rows(self) -> Iterator[TableRow]:
        names = (self._column, *self._scores)
        try:
            self._rows.check(names)
        except Fault as fault:
            self._problems.add_fault(self._label, fault.line, None, fault)
            return
        for row in self._rows.rows(names):
            if isinstance(row, Fault):
                self._problems.add_fault(self._label, row.line, None, row)
            else:
                yield row

    def _find_clip(self, row: TableRow) -> int | None:
        """The number of the clip; ``None`` if it is not known. Raises ``Fault`` if several are meant."""
        value = row.values.get(self._column)
        if value is None or not isinstance(value, str | int) or isinstance(value, bool):
            raise Fault(f"{self._column} is empty, or no text", "each row names its clip")
        return self._clips.find(str(value))

    def _read_scores(self, row: TableRow) -> dict[str, Value]:
        values = {name: self._read_cell(row.values.get(name)) for name in self._scores}
        try:
            return read_scores(values, self._source)
        except ScoreError as error:
            raise Fault(str(error)) from None

    def _read_cell(self, value: object) -> object:
        """A value as it is meant: a file without types has numbers and truth as text."""
        if isinstance(value, dict):
            return None  # what is in it has columns of its own
        if not self._is_text or not isinstance(value, str):
            return value
        text = value.strip()
        if text.lower() in _WORDS:
            return _WORDS[text.lower()]
        number = read_number(text)
        return text if number is None else int(text) if _WHOLE.fullmatch(text) else number


_WORDS: Mapping[str, Value] = {"true": True, "false": False, "nan": None, "null": None, "none": None}
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")


def _clean_name(stem: str) -> str:
    return re.sub(r"[^\w-]", "_", stem)


class _ClipIndex:
    """Finds clips by one kind of key. Of files the last part of the path is enough, if only one clip has it."""

    def __init__(self, *, is_file: bool) -> None:
        self._is_file = is_file
        self._clips: dict[str, list[tuple[int, str]]] = {}

    def add(self, key: str, seq: int) -> None:
        """Note a clip: its key, of a file the whole path."""
        self._clips.setdefault(self._shorten(key), []).append((seq, key))

    def find(self, key: str) -> int | None:
        """The number of the clip; ``None`` if there is none. Raises ``Fault`` if there are several."""
        found = self._clips.get(self._shorten(key), [])
        if self._is_file and len(found) > 1:
            wanted = key.removeprefix("./")
            found = [each for each in found if each[1] == wanted or each[1].endswith(f"/{wanted}")] or found
        if len(found) > 1:
            raise Fault(
                f"{shown(key)} is the {'file' if self._is_file else 'name'} of {len(found)} clips", "use --on id"
            )
        return found[0][0] if found else None

    def _shorten(self, key: str) -> str:
        return key.rpartition("/")[2] if self._is_file else key


def _index_clips(store: Store, key: str) -> _ClipIndex:
    index = _ClipIndex(is_file=key == "file")
    for row in store.facts.list_clip_keys():
        index.add(f"{row['folder']}/{row['file']}" if key == "file" else row[key], row["seq"])
    return index
