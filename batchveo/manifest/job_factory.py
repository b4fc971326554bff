"""One validated request as a job, with its id and its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from batchveo.core.filenames import safe_stem
from batchveo.core.job_row import JobRow, Row, canonical_json, inputs_json, meta_json, normal_key
from batchveo.core.models import InputFile
from batchveo.manifest.compiled_entry import Plain
from batchveo.manifest.entries import Entry
from batchveo.manifest.entry_files import FileRow
from batchveo.manifest.job_id import first_id
from batchveo.manifest.merged_entry import MergedEntry
from batchveo.manifest.names import Place
from batchveo.manifest.request_template import names_in
from batchveo.manifest.templates import Template, to_text
from batchveo.manifest.uniqueness import JobRegister, Shared
from batchveo.manifest.validation import accept_words


class JobParts(NamedTuple):
    """What one job is made from: ``values`` fill its name's placeholders, ``given`` is its line or row.

    ``meta`` and ``given_id`` are those of the merged entry unless something was filled in.
    """

    merged: MergedEntry
    request: dict[str, object]
    inputs: list[InputFile]
    values: Mapping[str, object]
    place: Place
    repetition: int = 0
    given: FileRow | None = None
    meta: Mapping[str, object] | None = None
    given_id: str | None = None


class JobFactory:
    """Makes the jobs of one file; the register is shared by all files of the call."""

    def __init__(self, manifest: str, register: JobRegister) -> None:
        self._manifest = manifest
        self._register = register
        self._clashed: Entry | None = None

    def make_job(self, parts: JobParts) -> JobRow | None:
        """The job; ``None`` where another manifest of the call has it already. Raises ``Fault`` for its name."""
        merged, place = parts.merged, parts.place
        request = canonical_json(parts.request)
        given = _read_given_name(parts)
        own_id = merged.given_id if isinstance(merged.given_id, str) else parts.given_id
        job_id = self._make_id(request, parts.repetition, own_id, given, place)
        if job_id is None:
            return None
        name = self._make_name(parts, given, job_id)
        stem = safe_stem(name)
        return JobRow(
            id=job_id,
            name=name,
            stem=stem,
            fold=stem,
            model=self._register.count_model(str(parts.request["model"])),
            request=request,
            repeat_index=parts.repetition,
            meta=meta_json(merged.meta if parts.meta is None else parts.meta),
            manifest=self._manifest,
            source=place.file,
            line=place.line,
            inputs=inputs_json(parts.inputs),
            tries=merged.tries,
        )

    def make_compiled_job(self, plain: Plain, line: int) -> Row | None:
        """The same as ``make_job`` for a compiled entry."""
        model, request, prompt, name, meta = plain
        manifest = self._manifest
        job_id = self._make_id(request, 0, None, name, Place(manifest, line))
        if job_id is None:
            return None
        names = self._register.names
        if name is None:
            name = names.take_default(prompt, job_id, manifest, line)
            stem = name if name.isascii() else safe_stem(name)  # letters, digits and an id are always safe
        else:
            if not names.take(name, manifest, line):
                self._register.add_clash("name", name, Place(manifest, line), OWN_NAME)
            stem = safe_stem(name)
        self._register.count_model(model)
        return (job_id, name, stem, stem, model, request, 0, meta, manifest, manifest, line, None, None)

    def _make_id(self, request: str, index: int, given_id: str | None, name: str | None, place: Place) -> str | None:
        """The id of the next job; ``None`` where another manifest of the call has it already."""
        register = self._register
        if register.several:
            first = first_id(request, index, given_id)
            if register.is_shared(first, name, self._manifest):
                register.add_shared(Shared(normal_key(request, index), name, place))
                return None
        job_id, first = register.identities.assign_id(request, index, given_id)
        if job_id != first:
            register.add_repeat(first, place)
        return job_id

    def _make_name(self, parts: JobParts, name: str | None, job_id: str) -> str:
        merged, place = parts.merged, parts.place
        if name is None:
            return self._register.names.take_default(str(parts.request.get("prompt", "")), job_id, *place)
        if not self._register.names.take(name, *place) and self._clashed is not merged.entry:
            self._clashed = merged.entry  # its other jobs clash for the same reason
            self._register.add_clash("name", name, place, _suggest_name(merged))
        return name


def _read_given_name(parts: JobParts) -> str | None:
    """The name that the manifest gives the job; ``None`` where it gives none. Raises ``Fault``."""
    name: object = parts.merged.name
    line = parts.given
    if isinstance(name, Template):
        name = name.value({**parts.values, "prompt": "", **parts.request})
    elif name is None and line is not None:
        name = line.name
    if name is None:
        return None
    text = accept_words(name if isinstance(name, str) else to_text(name))
    return f"{text} ({line.copy})" if line is not None and line.copy > 1 else text


OWN_NAME = "give each job a name of its own"


def _suggest_name(merged: MergedEntry) -> str:
    """What would keep the names of an entry's jobs apart."""
    used = names_in(merged.name)
    if merged.names_file is not None and merged.name is None and merged.is_repeated:
        return "write name: '{name_line}-{index}', or what else differs"
    if merged.prompts_file is not None and not {"prompt", "line", "line_number", "name_line"} & {*used}:
        return "write {prompt} in the name"
    if merged.rows is not None and not used:
        return "write a column that differs in every row in the name"
    varying = [*merged.matrix, *(["index"] if merged.repeat != 1 else [])]
    missing = [variable for variable in varying if variable not in used]
    return f"write {{{missing[0]}}} in the name" if missing else OWN_NAME
