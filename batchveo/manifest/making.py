"""One validated request as a job, with its id and its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from batchveo.manifest.drafts import Draft
from batchveo.manifest.identity import Identities
from batchveo.manifest.names import Place
from batchveo.manifest.raw import Entry
from batchveo.manifest.recipes import names_in
from batchveo.manifest.register import Register
from batchveo.manifest.rules import text
from batchveo.models import InputFile, JobSpec
from batchveo.paths import safe_stem


class Making(NamedTuple):
    """What one job is made from: ``values`` fill its name's placeholders, ``copy`` counts equal lines."""

    draft: Draft
    request: dict[str, object]
    inputs: list[InputFile]
    values: Mapping[str, object]
    place: Place
    repetition: int = 0
    copy: int = 1


class JobMaker:
    """Makes the jobs of one file; the register is shared by all files of the call."""

    def __init__(self, manifest: str, register: Register) -> None:
        self._manifest = manifest
        self._register = register
        self._identities = Identities()
        self._clashed: Entry | None = None

    def job(self, making: Making) -> JobSpec | None:
        """The job; ``None`` where another manifest of the call has it already. Raises ``Fault`` for its name."""
        draft, request, inputs, _, place, index, _ = making
        job_id, first_id = self._identities.next(request, index, draft.given_id)
        if not self._register.is_new(job_id):
            return None
        if job_id != first_id:
            self._register.repeat(first_id, place)
        name = self._name(making, job_id)
        return JobSpec(
            id=job_id,
            name=name,
            stem=safe_stem(name),
            model=str(request["model"]),
            request=request,
            index=index,
            meta=draft.meta,
            inputs=tuple(inputs),
            manifest=self._manifest,
            source=place.file,
            line=place.line,
        )

    def _name(self, making: Making, job_id: str) -> str:
        draft, place = making.draft, making.place
        if draft.name is None:
            return self._register.names.take_default(str(making.request.get("prompt", "")), job_id, place)
        name = draft.name
        if not isinstance(name, str):
            name = text(name.filled({**making.values, "prompt": "", **making.request}))
        if making.copy > 1:
            name = f"{name} ({making.copy})"
        if not self._register.names.take(name, place) and self._clashed is not draft.entry:
            self._clashed = draft.entry  # its other jobs clash for the same reason
            self._register.clash("name", name, place, _way_out(draft))
        return name


def _way_out(draft: Draft) -> str:
    """What would keep the names of an entry's jobs apart."""
    used = names_in(draft.name)
    if draft.prompts_file is not None and not {"prompt", "line"} & {*used}:
        return "write {prompt} in the name"
    varying = [*draft.matrix, *(["index"] if draft.repeat > 1 else [])]
    missing = [variable for variable in varying if variable not in used]
    return f"write {{{missing[0]}}} in the name" if missing else "give each job a name of its own"
