"""What the jobs of an entry take from another file: the lines of a prompts file, or the rows of a table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from batchveo.manifest.entry_merger import EntryMerger
from batchveo.manifest.formats import prompts
from batchveo.manifest.formats.prompts import PromptLine, check_format
from batchveo.manifest.formats.row_files import TableRow
from batchveo.manifest.job_ids import Place
from batchveo.manifest.merged_entry import MergedEntry
from batchveo.manifest.problems import Fault
from batchveo.manifest.request_template import RequestTemplate, names_in, names_used
from batchveo.manifest.sources import open_text
from batchveo.manifest.templates import check_names

_NOWHERE = "the path is relative to the manifest's folder"


class FileRow(NamedTuple):
    """One line or row: its place, and the values for placeholders.

    ``prompt`` is the accepted prompt or template of a line, ``None`` if ``prompt:`` uses the line. ``name`` is its
    line of a names file. ``copy`` counts equal lines without names of their own.
    """

    place: Place
    values: Mapping[str, object]
    prompt: object = None
    name: str | None = None
    copy: int = 1


class EntryFiles:
    """Reads the files that the entries of one manifest name; what is wrong in them is reported and left out.

    ``own`` opens the manifest itself if it is a list of prompts.
    """

    def __init__(
        self,
        merger: EntryMerger,
        own: Callable[[], AbstractContextManager[BinaryIO]] | None = None,
    ) -> None:
        self._source = merger.source
        self._merger = merger
        self._problems = merger.problems
        self._own = own

    def read_for(self, merged: MergedEntry, template: RequestTemplate | None) -> Iterator[FileRow | None]:
        """What each line or row gives to its jobs; ``None``, once, for an entry that names no file.

        ``template`` is one of the entry's, by which lines are checked.
        """
        if merged.rows is not None:
            return self._read_rows(merged)
        if merged.prompts_file is not None:
            return self._read_lines(merged, template)
        return iter((None,))

    def _read_rows(self, merged: MergedEntry) -> Iterator[FileRow]:
        rows = merged.rows
        assert rows is not None  # noqa: S101 - for mypy
        used = names_used(merged)
        if self._misses_columns(merged, used):
            return
        found = False
        for row in rows.rows(used):
            found = True
            if isinstance(row, TableRow):
                yield FileRow(Place(rows.label, row.line), row.values)
            else:
                self._problems.add_fault(rows.label, None, None, row)
        if not found:
            self._merger.report(merged.entry, "rows_file", Fault(f"{rows.label} holds no rows"))

    def _misses_columns(self, merged: MergedEntry, used: Collection[str]) -> bool:
        """Report what is wrong with the placeholders of an entry with rows; whether there is anything."""
        rows = merged.rows
        assert rows is not None  # noqa: S101 - for mypy
        columns = [name for name in used if name in rows.columns]
        some = next(iter(rows.names), "column")
        try:
            rows.check(columns)
            if not columns:
                raise Fault(f"no template uses a column of {rows.label}", f"write {{{some}}} in the prompt")  # noqa: TRY301
            if "index" in columns and merged.repeat == 1:
                right = "{row.index} is the column, {index} counts repeats"
                raise Fault("{index} may be the column or the count of repeats", right)  # noqa: TRY301
            for name in merged.matrix.keys() & {*columns}:
                right = f"{{row.{name}}} is the column; rename the variable"
                raise Fault(f"{{{name}}} may be the column or the variable of the matrix", right)  # noqa: TRY301
        except Fault as fault:
            self._merger.report(merged.entry, "rows_file", fault)
            return True
        return False

    def _read_lines(self, merged: MergedEntry, template: RequestTemplate | None) -> Iterator[FileRow]:
        file = str(merged.prompts_file)
        label = self._source.label if self._own else self._source.beside(file)
        names = None if merged.names_file is None else _read_names(self._source.folder / merged.names_file)
        found = named = 0
        try:
            for line in self._open_lines(merged, file):
                found += 1
                name = next(names, None) if names else None
                named += name is not None
                if given := self._fill_row(merged, template, line, label, name):
                    yield given
            if names and (named := named + sum(1 for _ in names)) != found:
                message = f"{self._source.folder / str(merged.names_file)} holds {named:,} names for {found:,} prompts"
                raise _NamesFault(message, "one name a line, in the order of the prompts")  # noqa: TRY301
        except _NamesFault as fault:
            self._merger.report(merged.entry, "names_file", fault)
        except Fault as fault:
            # with a line it is of the file that is read, without one of the key that names the file
            if fault.line is not None:
                self._problems.add_fault(label, fault.line, None, fault)
                return
            reason = fault if self._own else Fault(f"{label}: {fault.message}", fault.suggestion or _NOWHERE)
            self._merger.report(merged.entry, "prompts_file", reason)
            return
        if not found:
            self._merger.report(merged.entry, "prompts_file", Fault(f"{label} holds no prompts"))

    def _open_lines(self, merged: MergedEntry, file: str) -> Iterator[PromptLine | Fault]:
        if self._own:
            return prompts.read_prompts(self._own(), raw=merged.raw)
        path = self._source.folder / file
        # a table or a document read as lines would become prompts that are paid for
        if not merged.raw:
            check_format(path)
        return prompts.read_prompts(open_text(path), raw=merged.raw)

    def _fill_row(
        self,
        merged: MergedEntry,
        template: RequestTemplate | None,
        line: PromptLine | Fault,
        label: str,
        name: str | None,
    ) -> FileRow | None:
        try:
            if isinstance(line, Fault):
                raise self._hint_raw(line)
            prompt = None if "prompt" in merged.params else _read_prompt(merged, template, line)
        except Fault as fault:
            number = fault.line if isinstance(line, Fault) else line.number
            self._problems.add_fault(label, number, "prompt", fault)
            return None
        values = {"line": line.text, "line_number": line.number, "name_line": name}
        return FileRow(Place(label, line.number), values, prompt, name, line.copy if name is None else 1)

    def _hint_raw(self, fault: Fault) -> Fault:
        option = "--set prompts_format=raw" if self._own else "prompts_format: raw"
        fault.suggestion = f"take it out; or with {option} every line is a prompt as it is"
        return fault


class _NamesFault(Fault):
    """Something is wrong with the list of names."""


def _read_names(path: Path) -> Iterator[str]:
    """The lines of a names file. Raises ``_NamesFault`` if it cannot be read."""
    try:
        with open_text(path) as stream:
            for _, name in prompts.number_lines(stream):
                yield name.strip()
    except Fault as fault:
        place = path if fault.line is None else f"{path}:{fault.line}"
        raise _NamesFault(f"{place}: {fault.message}", fault.suggestion or _NOWHERE) from None


def _read_prompt(merged: MergedEntry, template: RequestTemplate | None, line: PromptLine) -> object:
    """What a line comes to as a prompt: an accepted text, or a template. Raises ``Fault``."""
    rule = template.rules.get("prompt") if template is not None else None
    if rule is None:
        return line.text
    if merged.raw:
        return rule.accept(line.text)
    prompt = rule.read_written(line.text, in_cell=False)
    check_names(names_in(prompt), merged.variables())
    return prompt
