"""How the manifests of one call are to be read: fields given for all jobs, columns renamed, jobs chosen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from batchveo.core.errors import UsageError
from batchveo.manifest.synonyms import key_hint
from batchveo.manifest.validation import JOB_KEYS, PARAMETERS

META = "meta."
"""What the names of values that are carried along begin with."""

NOT_FOR_ALL = ("id", "matrix", "meta", "names_file", "prompts_file", "rows_file")
"""Keys that differ from job to job, or hold more than one value: nothing gives one of them to every job."""

_FIELDS = (*PARAMETERS, *JOB_KEYS)


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
    ``extra`` decides about columns that are no fields. ``limit`` and ``only`` (names, ids or globs) choose jobs.
    """

    sets: Mapping[str, str] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)
    extra: Extra = Extra.ERROR
    limit: int | None = None
    only: tuple[str, ...] = ()

    @property
    def chooses(self) -> bool:
        """Whether some of the jobs may be left out."""
        return self.limit is not None or bool(self.only)

    @property
    def renames_keys(self) -> bool:
        """Whether columns and keys may be something else than fields of their own name."""
        return bool(self.renames) or self.extra is not Extra.ERROR

    def check(self, *, any_parameter: bool) -> None:
        """Raise ``UsageError`` for fields that no job has, or that not every job can have."""
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"--limit {self.limit}: a whole number from 1")
        for option, fields in (("--set", self.sets), ("--map", self.renames)):
            for name in fields:
                _check_field(option, name, any_parameter=any_parameter)
        for name in self.sets:
            if name in NOT_FOR_ALL:
                raise UsageError(f"--set {name}: cannot be the same for every job{_instead_of(name)}")
        for name, value in self.sets.items():
            if not value.strip():
                raise UsageError(f"--set {name}: has no value; write {name}=VALUE")
        for name in ("matrix", "meta", "rows_file"):
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


def _check_field(option: str, name: str, *, any_parameter: bool) -> None:
    if name.startswith(META) and name != META:
        return
    if name not in _FIELDS and not any_parameter:
        hint = key_hint(name, _FIELDS) or f"{META}{name} is carried along"
        raise UsageError(f"{option} {name}: no model takes such a parameter ({hint})")


def _instead_of(name: str) -> str:
    return " (for what is carried along write meta.KEY)" if name == "meta" else ""
