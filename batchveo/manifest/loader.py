"""Manifests as the rest of the program sees them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from types import TracebackType
from typing import BinaryIO, Self

from batchveo.core.errors import ManifestError
from batchveo.core.job_row import JobRow, Row, canonical_json, normal_key
from batchveo.core.models import JobSpec
from batchveo.manifest.local_files import LocalFiles
from batchveo.manifest.read_options import ReadOptions
from batchveo.manifest.reader import ManifestReader
from batchveo.manifest.selection import Selection
from batchveo.manifest.sources import Opener, Source, source_of
from batchveo.manifest.uniqueness import JobRegister, Shared

_SAMPLE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What manifests ask for.

    ``repeated`` counts the jobs whose request stands word for word earlier (each is still a job of its own);
    ``first_repeated`` names the first of them and what it repeats. ``shared`` counts what stands in an earlier
    manifest too, by the same name, and is made once; ``first_shared`` names the first of those, both places.
    ``sample`` has the first few jobs. ``chosen`` counts the jobs that this call is about, ``None`` where nobody
    chose; ``choice_note`` says the same in words. ``budget`` is in US dollars, the sum over all manifests that
    set one.
    """

    by_model: Mapping[str, int]
    repeated: int
    first_repeated: str | None
    sample: tuple[JobSpec, ...]
    budget: float | None
    chosen: int | None = None
    choice_note: str | None = None
    shared: int = 0
    first_shared: str | None = None

    @property
    def jobs(self) -> int:
        """All jobs, chosen or not."""
        return sum(self.by_model.values())

    @property
    def shared_note(self) -> str | None:
        """What a person should know of jobs that stand in several manifests; ``None`` where none does."""
        if not self.shared:
            return None
        stand = "1 job stands" if self.shared == 1 else f"{self.shared:,} jobs stand"
        return (
            f"{stand} in more than one manifest by one name ({self.first_shared}): made once, with the meta of "
            "the first; a name of its own makes it a job of its own"
        )


class Manifests:
    """The manifests of one call, read as often as needed in little memory.

    ``sources`` are paths, or ``-`` for standard input (``stdin``), which is kept in a temporary file until
    ``close``. The same file named twice is read once. With ``strict_provenance`` a job is a problem whose prompt
    may be rewritten, or whose provider floats. ``options`` say how they are read, and which jobs are chosen.
    """

    def __init__(
        self,
        sources: Sequence[str | os.PathLike[str]],
        *,
        allow_unknown_model: bool = False,
        strict_provenance: bool = False,
        stdin: BinaryIO | None = None,
        options: ReadOptions | None = None,
    ) -> None:
        self._options = options or ReadOptions()
        self._options.check(any_parameter=allow_unknown_model)
        named: dict[str, Source] = {}
        for source in map(source_of, sources):
            named.setdefault(source.identity, source)
        self._sources: list[Source] = [*named.values()]
        self._opener = Opener(stdin)
        self._inputs = LocalFiles()
        self._any_model = allow_unknown_model
        self._strict = strict_provenance

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Throw away what was kept of standard input."""
        self._opener.close()

    def read(self, take: Callable[[Iterator[Row]], object]) -> Summary:
        """Read everything once; ``take`` gets the jobs as they come, and has to exhaust them.

        ``take`` gets the chosen ones alone. Raises ``ManifestError`` with all problems at once, the first few of
        each kind in words: what was taken is worth nothing then. Raises ``UsageError`` if a choice names no job.
        """
        reader = self._new_reader()
        selection = Selection(self._options, reader.register)
        jobs = selection.choose_jobs(reader.read_jobs())
        first = list(islice(jobs, _SAMPLE))
        take(chain(first, jobs))
        self._raise_problems(reader)
        selection.check()
        chooses = self._options.chooses
        return Summary(
            by_model=reader.register.by_model,
            repeated=selection.repeated if chooses else reader.register.repeated,
            first_repeated=None if chooses else self._describe_repeated(reader.register),
            sample=tuple(JobRow(*job).to_spec() for job in first),
            budget=sum(reader.budgets) if reader.budgets else None,
            chosen=selection.chosen if chooses else None,
            choice_note=selection.note,
            shared=reader.register.shared,
            first_shared=self._describe_shared(reader.register.first_shared),
        )

    def check(self) -> Summary:
        """Read everything, for its problems alone. Raises ``ManifestError``."""
        return self.read(_exhaust_jobs)

    def specs(self) -> Iterator[JobSpec]:
        """All jobs, chosen or not, streaming, anew at each call.

        Raises ``ManifestError`` at the end if something was wrong: call ``check`` before anything is bought.
        """
        reader = self._new_reader()
        for job in reader.read_jobs():
            yield JobRow(*job).to_spec()
        self._raise_problems(reader)

    def _new_reader(self, wanted: frozenset[str] = frozenset()) -> ManifestReader:
        register = JobRegister(wanted, several=len(self._sources) > 1)
        return ManifestReader(
            self._sources,
            self._opener,
            self._inputs,
            register,
            self._options,
            any_model=self._any_model,
            strict_provenance=self._strict,
        )

    def _raise_problems(self, reader: ManifestReader) -> None:
        """Raise ``ManifestError`` if the reading found problems; who was first is found by another one."""
        if reader.register.clashes:
            second = self._new_reader(reader.register.clashing)
            _exhaust_jobs(second.read_jobs())
            reader.register.report_clashes(reader.problems, second.register)
        if reader.problems.total:
            raise ManifestError(reader.problems.list_problems(), reader.problems.total)

    def _describe_repeated(self, register: JobRegister) -> str | None:
        if register.first_repeat is None:
            return None
        first_id, place = register.first_repeat
        first = next(job for job in self.specs() if job.id == first_id)
        return f"{place} repeats {first.source}:{first.line}"

    def _describe_shared(self, shared: Shared | None) -> str | None:
        if shared is None:
            return None
        first = next(job for job in self.specs() if _is_same(job, shared))
        return f"{shared.place} is the same as {first.source}:{first.line}"


def _is_same(job: JobSpec, shared: Shared) -> bool:
    # a name that was made ends with the id, or its beginning
    named_so = job.name.endswith((job.id, job.id[:8])) if shared.name is None else job.name == shared.name
    return named_so and normal_key(canonical_json(job.request), job.index) == shared.key


def _exhaust_jobs(jobs: Iterable[Row]) -> None:
    deque(jobs, maxlen=0)
