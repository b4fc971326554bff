"""One validated request as a job, with its id and its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from batchveo.core.filenames import safe_stem
from batchveo.core.job_row import JobRow, Row, canonical_json, inputs_json, meta_json
from batchveo.core.models import InputFile
from batchveo.core.normalization import normal_key
from batchveo.manifest.compiled_entry import Plain
from batchveo.manifest.entries import Entry
from batchveo.manifest.entry_files import Given
from batchveo.manifest.job_id import first_id
from batchveo.manifest.merged_entry import Draft
from batchveo.manifest.names import Place
from batchveo.manifest.request_template import names_in
from batchveo.manifest.templates import Template, as_text
from batchveo.manifest.uniqueness import Register, Shared
from batchveo.manifest.validation import words


class Making(NamedTuple):
    """What one job is made from: ``values`` fill its name's placeholders, ``given`` is its line or row.

    ``meta`` and ``given_id`` are those of the draft unless something was filled in.
    """

    draft: Draft
    request: dict[str, object]
    inputs: list[InputFile]
    values: Mapping[str, object]
    place: Place
    repetition: int = 0
    given: Given | None = None
    meta: Mapping[str, object] | None = None
    given_id: str | None = None


class JobMaker:
    """Makes the jobs of one file; the register is shared by all files of the call."""

    def __init__(self, manifest: str, register: Register) -> None:
        self._manifest = manifest
        self._register = register
        self._clashed: Entry | None = None

    def job(self, making: Making) -> JobRow | None:
        """The job; ``None`` where another manifest of the call has it already. Raises ``Fault`` for its name."""
        draft, place = making.draft, making.place
        request = canonical_json(making.request)
        given = _given_name(making)
        own_id = draft.given_id if isinstance(draft.given_id, str) else making.given_id
        job_id = self._new_id(request, making.repetition, own_id, given, place)
        if job_id is None:
            return None
        name = self._name(making, given, job_id)
        stem = safe_stem(name)
        return JobRow(
            id=job_id,
            name=name,
            stem=stem,
            fold=stem,
            model=self._register.count(str(making.request["model"])),
            request=request,
            repeat_index=making.repetition,
            meta=meta_json(draft.meta if making.meta is None else making.meta),
            manifest=self._manifest,
            source=place.file,
            line=place.line,
            inputs=inputs_json(making.inputs),
            tries=draft.tries,
        )

    def plain_job(self, plain: Plain, line: int) -> Row | None:
        """The same as ``job`` for what came the short way."""
        model, request, prompt, name, meta = plain
        manifest = self._manifest
        job_id = self._new_id(request, 0, None, name, Place(manifest, line))
        if job_id is None:
            return None
        names = self._register.names
        if name is None:
            name = names.take_default(prompt, job_id, manifest, line)
            stem = name if name.isascii() else safe_stem(name)  # letters, digits and an id are always safe
        else:
            if not names.take(name, manifest, line):
                self._register.clash("name", name, Place(manifest, line), OWN_NAME)
            stem = safe_stem(name)
        self._register.count(model)
        return (job_id, name, stem, stem, model, request, 0, meta, manifest, manifest, line, None, None)

    def _new_id(self, request: str, index: int, given_id: str | None, name: str | None, place: Place) -> str | None:
        """The id of the next job; ``None`` where another manifest of the call has it already."""
        register = self._register
        if register.several:
            first = first_id(request, index, given_id)
            if register.is_shared(first, name, self._manifest):
                register.share(Shared(normal_key(request, index), name, place))
                return None
        job_id, first = register.identities.next(request, index, given_id)
        if job_id != first:
            register.repeat(first, place)
        return job_id

    def _name(self, making: Making, name: str | None, job_id: str) -> str:
        draft, place = making.draft, making.place
        if name is None:
            return self._register.names.take_default(str(making.request.get("prompt", "")), job_id, *place)
        if not self._register.names.take(name, *place) and self._clashed is not draft.entry:
            self._clashed = draft.entry  # its other jobs clash for the same reason
            self._register.clash("name", name, place, _way_out(draft))
        return name


def _given_name(making: Making) -> str | None:
    """The name that the manifest gives the job; ``None`` where it gives none. Raises ``Fault``."""
    name: object = making.draft.name
    line = making.given
    if isinstance(name, Template):
        name = name.value({**making.values, "prompt": "", **making.request})
    elif name is None and line is not None:
        name = line.name
    if name is None:
        return None
    text = words(name if isinstance(name, str) else as_text(name))
    return f"{text} ({line.copy})" if line is not None and line.copy > 1 else text


OWN_NAME = "give each job a name of its own"


def _way_out(draft: Draft) -> str:
    """What would keep the names of an entry's jobs apart."""
    used = names_in(draft.name)
    if draft.names_file is not None and draft.name is None and draft.is_repeated:
        return "write name: '{name_line}-{index}', or what else differs"
    if draft.prompts_file is not None and not {"prompt", "line", "line_number", "name_line"} & {*used}:
        return "write {prompt} in the name"
    if draft.rows is not None and not used:
        return "write a column that differs in every row in the name"
    varying = [*draft.matrix, *(["index"] if draft.repeat != 1 else [])]
    missing = [variable for variable in varying if variable not in used]
    return f"write {{{missing[0]}}} in the name" if missing else OWN_NAME
