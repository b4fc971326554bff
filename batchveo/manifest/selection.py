"""Which of the jobs that manifests name are wanted in this call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

from batchveo.core.errors import UsageError
from batchveo.core.job_row import Row
from batchveo.manifest.job_register import JobRegister
from batchveo.manifest.read_options import ReadOptions

_ID, _NAME = 0, 1


class Selection:
    """Lets the chosen jobs through: the first ``limit`` of those that one of the patterns of ``only`` names.

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
                f"--only {pattern!r}: none of {self.named:,} jobs has this name or id (* stands for anything)"
            )

    @property
    def note(self) -> str | None:
        """What a person should know of the choice; ``None`` where nobody chose."""
        if not self._options.chooses:
            return None
        ways = [
            *(["--only"] if self._options.only else []),
            *(["--limit"] if self._options.limit is not None else []),
        ]
        return f"{self.chosen:,} of {self.named:,} chosen by {' and '.join(ways)}"

    def _is_wanted(self, job: Row) -> bool:
        if not self._options.only:
            return True
        matching = [
            pattern for pattern in self._options.only if _matches_pattern(pattern, str(job[_NAME]), str(job[_ID]))
        ]
        for pattern in matching:
            self._unmatched.pop(pattern, None)
        return bool(matching)


def _matches_pattern(pattern: str, name: str, job_id: str) -> bool:
    return pattern in (name, job_id) or fnmatchcase(name, pattern)
