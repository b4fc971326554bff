"""How the manifests of one call are read: fields given for all jobs, columns renamed, jobs chosen."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase

from batchveo.core.errors import UsageError
from batchveo.core.expressions import ExpressionError, Value, evaluate, point_at, split_name
from batchveo.core.fields import META as META_PART
from batchveo.core.fields import REQUEST, Condition, check_known_beforehand, find_in
from batchveo.core.job_row import JobRow, Row
from batchveo.core.measures import CheckLevel
from batchveo.core.models import find_prompt
from batchveo.manifest.filename_template import FilenameTemplate
from batchveo.manifest.job_register import JobRegister
from batchveo.manifest.problems import Fault
from batchveo.manifest.synonyms import key_hint
from batchveo.manifest.vocabulary import FIXED, JOB_KEYS, Vocabulary
from batchveo.provider.catalog import MODELS, Catalog

META = "meta."
"""What the names of values that are carried along begin with."""

NOT_FOR_ALL = ("id", "matrix", "meta", "names_file", "per_model", "prompts_file", "rows_file")
"""Keys that differ from job to job, or hold more than one value: nothing gives one of them to every job."""

_ID, _NAME = 0, 1


class Extra(Enum):
    """What becomes of columns and keys that are no fields of a job."""

    META = "meta"
    IGNORE = "ignore"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How manifests are read.

    ``sets`` gives every job a field that it does not have itself; the values are text as in a cell of CSV, and
    win over the ``defaults`` of a file. ``renames`` has the column (or key) that fills each of these fields.
    ``extra`` decides about columns that are no fields. ``limit``, ``only`` (names, ids or globs) and ``where`` choose
    jobs.
    ``filename``: the template of the files' names, in place of those of the manifests.
    ``checks``: the least that is measured of the clip of every job, whatever the manifests say.
    """

    sets: Mapping[str, str] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    extra: Extra = Extra.ERROR
    limit: int | None = None
    only: tuple[str, ...] = ()
    where: Condition | None = None
    checks: CheckLevel = CheckLevel.NONE
    filename: str | None = None

    @property
    def chooses(self) -> bool:
        """Whether some of the jobs may be left out."""
        return self.limit is not None or bool(self.only) or self.where is not None

    @property
    def renames_keys(self) -> bool:
        """Whether columns and keys may be something else than fields of their own name."""
        return bool(self.renames) or self.extra is not Extra.ERROR

    def _check_filename(self, vocabulary: Vocabulary) -> None:
        try:
            if self.filename is not None:
                FilenameTemplate(self.filename, vocabulary)
        except Fault as fault:
            hint = f" ({fault.suggestion})" if fault.suggestion else ""
            raise UsageError(f"--filename: {fault.message}{hint}") from None

    def check(self, *, any_parameter: bool, catalog: Catalog = MODELS) -> None:
        """Raise ``UsageError`` for fields that no job has, or that not every job can have."""
        vocabulary = Vocabulary(catalog, any_model=any_parameter)
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"--limit {self.limit}: a whole number from 1")
        _check_where(self.where)
        self._check_filename(vocabulary)
        for option, fields in (("--set", self.sets), ("--map", self.renames)):
            for name in fields:
                _check_field(option, name, vocabulary)
        for name in self.sets:
            if name in NOT_FOR_ALL:
                raise UsageError(f"--set {name}: cannot be the same for every job{_instead_of(name)}")
        for name, value in self.sets.items():
            if not value.strip():
                raise UsageError(f"--set {name}: has no value; write {name}=VALUE")
        for name in ("matrix", "meta", "per_model", "rows_file"):
            if name in self.renames:
                raise UsageError(f"--map {name}: a column cannot be that{_instead_of(name)}")


def pairs_of(option: str, texts: Iterable[str], shape: str) -> dict[str, str]:
    """``FIELD=VALUE`` texts as a mapping; ``shape`` is how they are written. Raises ``UsageError``."""
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise UsageError(f"{option} {text!r}: write it as {option} {shape}")
        if name in pairs:
            raise UsageError(f"{option} {name}: is given twice")
        pairs[name] = value
    return pairs


def _check_where(where: Condition | None) -> None:
    if where is None:
        return
    try:
        check_known_beforehand(where)
    except ExpressionError as error:
        raise UsageError(f"--where: {point_at(where.text, error)}") from None


def _check_field(option: str, name: str, vocabulary: Vocabulary) -> None:
    if name.startswith(META) and name != META:
        return
    if name in FIXED or vocabulary.any_model:
        return
    if name not in vocabulary.parameters:
        hint = key_hint(name, (*vocabulary.parameters, *JOB_KEYS)) or f"{META}{name} is carried along"
        raise UsageError(f"{option} {name}: no model takes such a parameter ({hint})")


def _instead_of(name: str) -> str:
    return " (for what is carried along write meta.KEY)" if name == "meta" else ""


class Selection:
    """Lets the chosen jobs through: the first ``limit`` of those that ``only`` names and ``where`` is true for.

    A pattern is a name, an id, or a glob over names. ``named`` counts what was there to choose from,
    ``repeated`` the chosen jobs that repeat an earlier request.
    """

    def __init__(self, options: ReadOptions, register: JobRegister) -> None:
        self.repeated = 0
        self.named = 0
        self.chosen = 0
        self._options = options
        self._register = register
        self._unmatched = dict.fromkeys(options.only)

    def choose_jobs(self, jobs: Iterable[Row]) -> Iterator[Row]:
        """The chosen jobs in their order; all are read, whatever the limit."""
        if not self._options.chooses:
            yield from jobs  # a million of them are not counted one by one
            return
        limit, repeated = self._options.limit, 0
        for job in jobs:
            self.named += 1
            if self._is_wanted(job) and (limit is None or self.chosen < limit):
                self.chosen += 1
                self.repeated += self._register.repeated > repeated
                yield job
            repeated = self._register.repeated

    def check(self) -> None:
        """Raise ``UsageError`` for a pattern that names no job; to be asked at the end."""
        if self._unmatched:
            pattern = next(iter(self._unmatched))
            raise UsageError(
                f"--only {pattern!r}: none of {self.named:,} jobs has this name or id (* matches anything)"
            )
        if self._options.where is not None and not self.chosen:
            raise UsageError(f"--where {self._options.where}: true for none of {self.named:,} jobs")

    @property
    def note(self) -> str | None:
        """The choice in words; ``None`` if nobody chose."""
        if not self._options.chooses:
            return None
        options = self._options
        given = {"--only": options.only or None, "--where": options.where, "--limit": options.limit}
        ways = " and ".join(name for name, value in given.items() if value is not None)
        return f"{self.chosen:,} of {self.named:,} chosen by {ways}"

    def _is_wanted(self, job: Row) -> bool:
        return self._is_named(job) and (self._options.where is None or _is_true(self._options.where, JobRow(*job)))

    def _is_named(self, job: Row) -> bool:
        if not self._options.only:
            return True
        matching = [
            pattern for pattern in self._options.only if _matches_pattern(pattern, str(job[_NAME]), str(job[_ID]))
        ]
        for pattern in matching:
            self._unmatched.pop(pattern, None)
        return bool(matching)


def _is_true(where: Condition, job: JobRow) -> bool:
    request, meta = json.loads(job.request), json.loads(job.meta)
    plain: dict[str, Value] = {
        "id": job.id,
        "name": job.name,
        "model": job.model,
        "prompt": find_prompt(request),
        "manifest": job.manifest,
        "repeat": job.repeat_index,
        "priority": job.priority,
    }

    def get(name: str) -> Value:
        if name in plain:
            return plain[name]
        first, *others = split_name(name)
        if first == META_PART:
            return find_in(meta, tuple(others))
        return find_in(request, tuple(others) if first == REQUEST else (first,))

    return evaluate(where.expression, get) is True


def _matches_pattern(pattern: str, name: str, job_id: str) -> bool:
    return pattern in (name, job_id) or fnmatchcase(name, pattern)
