"""The exceptions that batchveo raises, each with the exit status of the command that it ends.

::

    BatchveoError                 1
    ├── UsageError                2   the command line or the environment is wrong
    │   ├── ManifestError         2   one or more problems in the manifests, reported together
    │   ├── KnownElsewhere        2   another database has the jobs that are about to be bought
    │   ├── VideosMissing         2   the finished videos are not in their folder: is its drive mounted?
    │   └── StateUnusable         2   corrupt, newer than this program, or not our database
    ├── StoppedEarly              3   the run cannot continue; no job is marked failed
    │   ├── KeyRejected               401, or no key at all
    │   ├── OutOfCredits              402 or 403, and the account is empty
    │   ├── ServiceMisplaced          a submit is answered by another server's page
    │   ├── NoVideos                  many generations in a row end without a video
    │   ├── BudgetReached             the next video would cost more than is left
    │   ├── PricesUnknown             a budget is set, and no prices are known
    │   ├── DiskTrouble               the output folder or the database cannot be written
    │   ├── InputsBlocked             an input cannot be put where the service fetches it
    │   ├── UploadFailed              a dataset cannot be uploaded; its folder is complete
    │   └── ClusterTrouble            the processes of a run on a cluster cannot be started, or were lost
    ├── Declined                130   a person declined to buy
    └── StateLocked               4   another run uses the database
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_RANGES_NAMED = 5


class BatchveoError(Exception):
    """The base class of all errors with a message for a person, which ``str()`` returns."""

    exit_status = 1


class UsageError(BatchveoError):
    """The command line, an option or the environment is wrong."""

    exit_status = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error in a manifest: its place, the message, and a suggestion.

    ``more`` counts further problems of the same kind in the same file, which are not listed; ``more_lines`` has the
    lines of the first of them. ``links``: the links of a chain that have this problem, each in a line of its own.
    """

    file: str
    line: int | None
    field: str | None
    message: str
    suggestion: str | None = None
    more: int = 0
    more_lines: tuple[int, ...] = ()
    links: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"

    @property
    def place(self) -> str:
        """``file:line``, or the file."""
        return self.file if self.line is None else f"{self.file}:{self.line}"

    @property
    def text(self) -> str:
        """Field, message and suggestion."""
        field = f"{self.field}: " if self.field else ""
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return f"{field}{self.message}{hint}"

    @property
    def others(self) -> str | None:
        """A sentence on the problems that are like this one; ``None`` if there are none."""
        said = []
        if self.links:
            said.append(f"in links {_describe_numbers(self.links)} of this chain")
        if self.more:
            said.append(self._count_more())
        return "; ".join(said) or None

    def _count_more(self) -> str:
        lines = ", ".join(map(str, self.more_lines))
        noun = "line" if self.more == 1 else "lines"
        place = f" ({noun} {lines}{', …' if self.more > len(self.more_lines) else ''})" if lines else ""
        return f"and {self.more:,} more like this{place}"


def _describe_numbers(numbers: Sequence[int]) -> str:
    """``2 to 5, 7`` for rising numbers: those that follow each other as one, and no more than a few."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    said = [" to ".join(map(str, each)) for each in ranges[:_RANGES_NAMED]]
    return ", ".join(said + ["…"] * (len(ranges) > _RANGES_NAMED))


class ManifestError(UsageError):
    """All errors in the manifests; ``problems`` has the first few of each kind, ``total`` counts all."""

    def __init__(self, problems: Sequence[Problem], total: int | None = None) -> None:
        self.problems = tuple(problems)
        self.total = len(self.problems) if total is None else total
        lines = [line for problem in self.problems for line in _list_lines(problem)]
        super().__init__("\n".join([*lines, *self.totals]))

    @property
    def totals(self) -> list[str]:
        """The lines after the last problem: how many are not listed, and how many there are."""
        listed = sum(1 + problem.more for problem in self.problems)
        more = [f"... and {self.total - listed:,} more"] if self.total > listed else []
        noun = "problem" if self.total == 1 else "problems"
        return [*more, f"{self.total} {noun}; nothing was written or bought"]


def _list_lines(problem: Problem) -> list[str]:
    return [str(problem), f"  {problem.others}"] if problem.others else [str(problem)]


class KnownElsewhere(UsageError):
    """These jobs are not in the database, but in another one beside the manifest."""


class VideosMissing(UsageError):
    """The finished videos of the database are missing from the folder for new ones."""


class StoppedEarly(BatchveoError):
    """The run cannot continue; every job keeps its state and the same command resumes the run later."""

    exit_status = 3


class KeyRejected(StoppedEarly):
    """The service does not accept the API key (401), or there is none."""


class OutOfCredits(StoppedEarly):
    """The account is empty (403)."""


class ServiceMisplaced(StoppedEarly):
    """The address answers a submit as another server (404 or 405)."""


class NoVideos(StoppedEarly):
    """Many accepted generations in a row ended without a video."""


class BudgetReached(StoppedEarly):
    """The remaining budget is too small for the next video."""


class PricesUnknown(StoppedEarly):
    """A budget is set, and no prices are known: the service sends none, or none for the models that are left."""


class DiskTrouble(StoppedEarly):
    """A video or the database cannot be written: disk full, read-only, no permission."""


class InputsBlocked(StoppedEarly):
    """An input cannot be put where the service fetches it."""


class UploadFailed(StoppedEarly):
    """A dataset cannot be uploaded: the hub refuses it, or does not answer."""


class ClusterTrouble(StoppedEarly):
    """The cluster cannot be reached, or does not start more processes."""


class Declined(BatchveoError):
    """A person declined to buy; the same as Ctrl-C at that moment."""

    exit_status = 130


class StateLocked(BatchveoError):
    """Another run uses the database."""

    exit_status = 4


class StateUnusable(UsageError):
    """The database cannot be used: corrupt, written by a newer version, or another kind of file."""


def find_reason(error: Exception) -> str:
    """Why ``error`` came, without the number and the file that the text of an ``OSError`` has; never empty.

    Errors of FFmpeg have the same parts, though not all are an ``OSError``.
    """
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
