"""The jobs of one call: each gets its id and its name here, no two alike."""

from __future__ import annotations

import json
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from batchveo.core.filenames import safe_stem
from batchveo.core.job_row import Row, chain_json, fields_json, input_files
from batchveo.core.links import LINK_PREFIX, ChainPlace
from batchveo.core.models import INPUT_PREFIX
from batchveo.manifest.chain_register import ChainRegister, Member, UnknownParent, describe_circle, find_circles
from batchveo.manifest.filename_template import FilenameTemplate
from batchveo.manifest.job_ids import FirstPlaces, JobIds, Place, find_id, hash_word, split_identity
from batchveo.manifest.links import UNNAMED, LinkTo, open_reference
from batchveo.manifest.problems import Fault, Problems, fault_without_field, shown

SLUG_LIMIT = 48
"""The most characters that a name made from a prompt takes from it."""

OWN_NAME = "give each job a name of its own"

_CHECKED = 10_000
"""Of how many links of jobs that are wrong anyway it is checked whether their parents exist."""
_TAKEN = "is taken already"
LIKE_A_REFERENCE = f"holds a text that begins with {INPUT_PREFIX}, which stands for a local file"
LIKE_A_LINK = f"holds a text that begins with {LINK_PREFIX}, which stands for another job"
BEGIN_OTHERWISE = "begin it with something else"

_REFERENCE = f'"{INPUT_PREFIX}'
_LINK = f'"{LINK_PREFIX}'
_ID_SHOWN = 8
_ASCII_WORDS = bytes(byte if chr(byte).isalnum() and byte < 128 else 32 for byte in bytes(range(256)).lower())
"""What each byte of a prompt becomes in a name: letters and digits in lower case, a space for all others."""


ReportLink = Callable[[str, Fault], None]


class JobParts(NamedTuple):
    """What one job is made of: ``request`` is canonical JSON, ``meta`` and ``inputs`` are JSON as in a ``JobRow``.

    ``name`` and ``own_id`` are ``None`` if the manifest gives none. ``unchecked``: the fields of the request that the
    manifest leaves unchecked. ``policy``: what is checked of its clip, as ``CheckPolicy.to_json`` writes it. ``links``:
    the jobs that its request names, in the order of their numbers there; ``member``: by what others name this one. A
    tuple because a million of them pass.
    """

    model: str
    request: str
    prompt: str
    name: str | None
    meta: str
    repetition: int = 0
    inputs: str | None = None
    tries: int | None = None
    own_id: str | None = None
    unchecked: tuple[str, ...] = ()
    policy: str | None = None
    priority: int = 0
    links: tuple[LinkTo, ...] = ()
    member: Member | None = None


def find_combination(parts: JobParts) -> tuple[object, ...]:
    """Which of the jobs of its entry a job is; empty if the entry makes one."""
    return parts.member.combination if parts.member else ()


class _Counted(NamedTuple):
    """How many jobs of one request and name earlier manifests made, and how many ``manifest`` asked for so far."""

    manifest: str
    first: Place
    before: int = 0
    asked: int = 0


class _Deferred(NamedTuple):
    """A job that names one that is not made yet, with what makes it then."""

    parts: JobParts
    manifest: str
    place: Place
    suggest_name: Callable[[], str | None]
    report_link: ReportLink
    filename: FilenameTemplate | None

    @property
    def combination(self) -> tuple[object, ...]:
        return find_combination(self.parts)


class JobRegister:
    """The jobs of one reading of all manifests: makes each with its id and name, reports clashes, counts.

    ``by_model`` counts the jobs of each model, ``unchecked`` those that leave a field unchecked, by field, and
    ``repeated`` those whose request an earlier job has too. With ``several`` manifests, a request that two of them have
    by one name is one job (``shared`` counts those), and by two names two jobs. ``first_repeated`` and ``first_shared``
    name both places of the first of them.
    """

    def __init__(self, problems: Problems, *, several: bool = False) -> None:
        self.several = several
        self.by_model: dict[str, int] = {}
        self.unchecked: dict[str, int] = {}
        self.repeated = 0
        self.first_repeated: str | None = None
        self.shared = 0
        self.first_shared: str | None = None
        self._problems = problems
        self._ids = JobIds()
        self._names = FirstPlaces()
        self._own_ids = FirstPlaces()
        self._counted: dict[int, _Counted] = {}
        self._chains = ChainRegister()
        self._deferred: list[_Deferred] = []
        self._named: list[tuple[LinkTo, ReportLink]] = []
        self._broken_chains: set[str] = set()
        self._filename: FilenameTemplate | None = None

    def set_filename(self, template: FilenameTemplate | None) -> None:
        """Name the files of the jobs that follow by this template; ``None``: by their names."""
        self._filename = template

    def make_job(
        self,
        parts: JobParts,
        manifest: str,
        place: Place,
        suggest_name: Callable[[], str | None] = lambda: OWN_NAME,
        report_link: ReportLink | None = None,
    ) -> Row | None:
        """The row of a job; ``None`` if another manifest of the call has it already.

        Also if a job that it names is not made yet: then it is among ``make_deferred``. ``suggest_name`` words what
        would keep its name apart; it returns ``None`` if that was reported already. ``report_link`` gets what is wrong
        with a link of the job, and its field.
        """
        if _REFERENCE in parts.request or _LINK in parts.request:
            self._check_references(parts, place)
        chain = None
        if parts.links:
            report = report_link or partial(self._problems.add_fault, place.file, place.line)
            try:
                request, chain = self._chains.place_job(parts.request, parts.links, find_combination(parts))
            except UnknownParent:
                self._deferred.append(_Deferred(parts, manifest, place, suggest_name, report, self._filename))
                return None
            except Fault as fault:
                report(fault.field or "", fault_without_field(fault))
                return None
            parts = parts._replace(request=request)
        return self._make_row(parts, chain, manifest, place, suggest_name)

    def check_parents(self, links: Sequence[LinkTo], report: ReportLink) -> None:
        """Report at the end of the reading which parents do not exist, for a job that something else is wrong with."""
        if len(self._named) < _CHECKED:
            self._named += [(link, report) for link in links]

    def note_broken_chain(self, own_id: str) -> None:
        """A chain with this id has links that are not made: what is wrong with it is reported already."""
        self._broken_chains.add(own_id)

    def make_deferred(self) -> Iterator[Row]:
        """The jobs whose parents come after them, at the end of the reading. Those without one are reported."""
        ready, self._deferred = deque(self._deferred), []
        # each waits for one job at a time, by its name and, if that is several, by the combination that they share
        waiting: dict[str, dict[tuple[object, ...], list[_Deferred]]] = {}
        while ready:
            job = ready.popleft()
            missing = self._chains.list_missing(job.parts.links, job.combination)
            if missing:
                waiting.setdefault(missing[0].of, {}).setdefault(job.combination, []).append(job)
                continue
            self.set_filename(job.filename)
            row = self.make_job(*job[:5])
            if row is not None:
                yield row
            if job.parts.member is not None:
                name, combination = job.parts.member
                others = waiting.get(name, {}) if combination else waiting.pop(name, {})
                for jobs in [others.pop(combination, [])] if combination else others.values():
                    ready.extend(jobs)
        for link, report in self._named:
            if not (
                link.of.startswith(UNNAMED) or self._own_ids.has_key(hash_word(link.of)) or self._is_broken(link.of)
            ):
                report(link.field, self._chains.describe_unknown(link.of))
        self._report_waiting([job for others in waiting.values() for jobs in others.values() for job in jobs])

    def _report_waiting(self, jobs: Sequence[_Deferred]) -> None:
        """Report why jobs have no parent: no job has that id, or they wait for each other."""
        named = {job.parts.member.name: job for job in jobs if job.parts.member is not None}
        missing = {name: self._chains.list_missing(job.parts.links, job.combination) for name, job in named.items()}
        for job in jobs:
            for link in self._chains.list_missing(job.parts.links, job.combination):
                # the parent may wait itself, or something is wrong with it, which is reported there
                if link.of not in named and not link.of.startswith(UNNAMED) and not self._has_own_id(link.of):
                    job.report_link(link.field, self._chains.describe_unknown(link.of))
        for names in find_circles({name: [link.of for link in links] for name, links in missing.items()}):
            circle = [named[name] for name in names]
            link = next(link for link in missing[names[0]] if link.of == [*names, names[0]][1])
            circle[0].report_link(link.field, describe_circle(names, [job.place for job in circle], link.field))

    def _has_own_id(self, name: str) -> bool:
        is_taken = self._own_ids.has_key(hash_word(name)) and not self._chains.is_family(name)
        return is_taken or self._is_broken(name)

    def _is_broken(self, name: str) -> bool:
        """Whether a name is that of a chain with links that are not made, or of one of its links."""
        return not self._broken_chains.isdisjoint((name, name.rpartition(".")[0]))

    def _make_row(
        self,
        parts: JobParts,
        chain: ChainPlace | None,
        manifest: str,
        place: Place,
        suggest_name: Callable[[], str | None],
    ) -> Row | None:
        model, request, prompt, name, meta, index, inputs, tries, own_id, unchecked, policy, priority, _, member = parts
        occurrence = self._find_shared(parts, manifest, place) if self.several else None
        if occurrence is not None:
            if member is not None:
                self._chains.add_job(member, find_id(request, index, own_id, occurrence), chain, request)
            return None
        job_id, first = self._ids.assign_id(request, index, own_id, place)
        if member is not None:
            self._chains.add_job(member, job_id, chain, request)
        if first is not None:
            self.repeated += 1
            self.first_repeated = self.first_repeated or f"{place} repeats {first}"
        if name is None:
            name = self._take_default(prompt, job_id, place)
            stem = name if name.isascii() else safe_stem(name)  # letters, digits and an id are always safe
        else:
            self.take_name(name, place, suggest_name)
            stem = safe_stem(name)
        if self._filename is not None:
            stem = self._fill_filename(self._filename, parts, job_id, name, place)
        self.by_model[model] = self.by_model.get(model, 0) + 1
        for field in unchecked:
            self.unchecked[field] = self.unchecked.get(field, 0) + 1
        left = fields_json(unchecked)
        checked = (inputs, tries, left, policy, priority, chain_json(chain))
        return (job_id, name, stem, stem, model, request, index, meta, manifest, *place, *checked)

    def _fill_filename(self, template: FilenameTemplate, parts: JobParts, job_id: str, name: str, place: Place) -> str:
        """The stem of a job by the template; what is missing for it is reported."""
        own = {"id": job_id, "name": name, "model": parts.model, "prompt": parts.prompt, "repeat": parts.repetition}
        try:
            return template.fill(request=parts.request, meta=parts.meta, own=own)
        except Fault as fault:
            self._problems.add_fault(place.file, place.line, "filename", fault)
            return safe_stem(name)

    def take_name(self, name: str, place: Place, suggest: Callable[[], str | None] = lambda: OWN_NAME) -> None:
        """Take a name that is given; reports a clash if it is taken and ``suggest`` has a suggestion."""
        first = self._names.take_key(hash_word(name), place)
        if first is not None and (suggestion := suggest()):
            self._report_clash("name", name, place, first, suggestion)

    def take_own_id(self, own_id: str, place: Place, suggestion: str) -> None:
        """Take an id that the manifest gives; reports a clash if it is taken."""
        first = self._own_ids.take_key(hash_word(own_id), place)
        if first is not None:
            self._report_clash("id", own_id, place, first, suggestion)

    def _check_references(self, parts: JobParts, place: Place) -> None:
        """Report texts of a manifest that would be taken for references to input files or other jobs."""
        request = parts.request
        for reference in (
            *(item.reference for item in input_files(parts.inputs)),
            *(open_reference(link.part, number) for number, link in enumerate(parts.links)),
        ):
            request = request.replace(f'"{reference}"', "0")
        for beginning, message in ((_REFERENCE, LIKE_A_REFERENCE), (_LINK, LIKE_A_LINK)):
            if beginning in request:
                values = json.loads(request).items()
                field = next((key for key, value in values if beginning in json.dumps(value)), None)
                self._problems.add(place.file, place.line, field, message, BEGIN_OTHERWISE)

    def _report_clash(self, field: str, text: str, place: Place, first: Place, suggestion: str) -> None:
        message = f"{shown(text)} {_TAKEN}, by {first}"
        self._problems.add(place.file, place.line, field, message, suggestion, kind=_TAKEN)

    def _take_default(self, prompt: str, job_id: str, place: Place) -> str:
        """A name made from the prompt and the id, with more of the id if that is taken."""
        start = f"{make_slug(prompt)}-".removeprefix("-")
        name = start + job_id[:_ID_SHOWN]
        if self._names.take_key(hash_word(name), place) is None:
            return name
        name = start + job_id  # unique because ids are
        self._names.take_key(hash_word(name), place)
        return name

    def _find_shared(self, parts: JobParts, manifest: str, place: Place) -> int | None:
        """Which of the equal jobs of an earlier manifest this one is, from 0; ``None`` if of none.

        To be asked once a job.
        """
        own, request = split_identity(parts.request, parts.own_id)
        key = hash((own, request, parts.repetition, parts.name))
        # pairs the nth job of this manifest with the nth of an earlier one; what is left over is a job of its own
        counted = self._counted.get(key) or _Counted(manifest, place)
        if counted.manifest != manifest:
            counted = _Counted(manifest, counted.first, max(counted.before, counted.asked))
        self._counted[key] = counted._replace(asked=counted.asked + 1)
        if counted.asked >= counted.before:
            return None
        self.shared += 1
        self.first_shared = self.first_shared or f"{place} is the same as {counted.first}"
        return counted.asked


def make_slug(prompt: str) -> str:
    """The first words of a prompt, joined by ``-``; every script keeps its letters and marks."""
    text = _join_words(prompt[: 2 * SLUG_LIMIT])
    if len(text) <= SLUG_LIMIT < len(prompt):  # most prompts say enough in their first characters
        text = _join_words(prompt[: 4 * SLUG_LIMIT])
    if len(text) > SLUG_LIMIT:
        text = text[: SLUG_LIMIT + 1].rpartition("-")[0] or text[:SLUG_LIMIT]
    return text.lower()


def _join_words(beginning: str) -> str:
    if beginning.isascii():
        return b"-".join(beginning.encode().translate(_ASCII_WORDS).split()).decode()
    kept = (char if unicodedata.category(char)[0] in "LMN" else " " for char in beginning)
    return "-".join("".join(kept).split())
