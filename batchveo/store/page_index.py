"""What the page asks of all jobs, answered from a copy that each answer brings up to date first.

A search of the database itself would read all of its rows, which takes seconds with a million jobs.
"""

from __future__ import annotations

import math
import os
import sqlite3
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from threading import Lock, Thread
from typing import Self

from batchveo.core.destination import expand_home
from batchveo.core.errors import BatchveoError, UsageError
from batchveo.store.display_queries import Moves
from batchveo.store.job_search import Filter, Kind, Order
from batchveo.store.page_copy import PageCopy, open_copy
from batchveo.store.page_positions import PagePositions

OVER = ("succeeded", "failed")
"""States of jobs that have been finished at a time."""
MOST_GROUPED = 200_000
"""Jobs that can be grouped by prompt: more need a filter."""
MOST_CHOICES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """The jobs at some positions of an order, and the counts of all that match.

    ``counts``: by ``state``, ``model``, ``manifest``, ``split`` and ``waits``, those that the other filters match.
    ``newer``: how many were finished after ``upto``. ``compared``: how many jobs were searched in the time that there
    was; ``None`` if it was enough. ``groups``: the sizes of the groups of all jobs, if they are grouped.
    """

    seqs: Sequence[int]
    total: int
    counts: Mapping[str, Mapping[str, int]]
    newer: int = 0
    compared: int | None = None
    groups: Sequence[int] | None = None


class PageIndex:
    """The index of the database at ``path``, for all threads of a process; they use it in turns.

    Every method first takes over what changed since the last one: new jobs, moves, and texts that were rewritten.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = expand_home(path)
        self._lock = Lock()
        self._copy: PageCopy | None = None
        self._thread: Thread | None = None
        self._has_failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the copy; the next use makes another."""
        with self._lock:
            self._drop_copy()

    def refresh_soon(self) -> None:
        """Bring the copy up to date in a thread: with a million jobs the first time takes seconds.

        Not after a failure, until an answer has succeeded: the page asks often, and each try may fill the disk.
        """
        if not self._has_failed and (self._thread is None or not self._thread.is_alive()):
            self._thread = Thread(target=self._try_refresh, name="page-index", daemon=True)
            self._thread.start()

    def find_jobs(
        self,
        wanted: Filter,
        order: Order = Order.MANIFEST,
        *,
        at: int = 0,
        most: int,
        upto: float | None = None,
    ) -> Matches:
        """The jobs at ``most`` positions from ``at`` on, in ``order``, and the counts of all that match.

        With ``upto`` and the order by finish, jobs that were finished after that moment stay with the unfinished ones.
        Raises ``UsageError`` if there are too many jobs to group.
        """
        with self._use_copy() as copy:
            search = copy.searches.find_search(wanted, copy.job)
            jobs_of = copy.jobs_of if search is None else search.jobs_of
            total = sum(jobs_of[number] for kind, number in copy.kinds.items() if wanted.has_kind(kind))
            positions = PagePositions(copy, wanted, search)
            newer, groups = 0, None
            if order is Order.FINISHED:
                upto = math.inf if upto is None else upto
                newer = positions.count_newer(upto)
                over = sum(_count_part("state", wanted, copy.kinds, jobs_of).get(state, 0) for state in OVER)
                seqs = positions.list_finished(at=at, most=most, upto=upto, finished=over - newer)
            elif order in (Order.PROMPT, Order.CHAIN):
                if total > MOST_GROUPED:
                    raise UsageError(f"at most {MOST_GROUPED:,} jobs can be grouped; a filter makes them fewer")
                grouped = positions.list_groups(order)
                seqs = [seq for group in grouped for seq in group][at : at + most]
                groups = list(map(len, grouped))
            elif order is Order.RATING:
                seqs = positions.list_rated(at=at, most=most)
            else:
                seqs = positions.list_seqs(order, at=at, most=most)
            return Matches(
                seqs=seqs,
                total=total,
                counts=_count_kinds(wanted, copy.kinds, jobs_of),
                newer=newer,
                compared=None if search is None or search.compared >= copy.job else search.compared,
                groups=groups,
            )

    def list_choices(self) -> dict[str, list[tuple[str, int]]]:
        """The models, manifests and splits of all jobs with their numbers of jobs, the commonest first."""
        with self._use_copy() as copy:
            counts = _count_kinds(Filter(), copy.kinds, copy.jobs_of)
        return {f"{name}s": Counter(counts[name]).most_common(MOST_CHOICES) for name in ("model", "manifest", "split")}

    def count_moves(self, edges: Sequence[int]) -> list[Moves]:
        """How often each move was made, from the event after each of ``edges`` (ids of events) to the next."""
        with self._use_copy() as copy:
            totals = [copy.count_moves(edge) for edge in edges]
        return [upto - after for after, upto in pairwise(totals)]

    def _try_refresh(self) -> None:
        try:
            with self._lock:
                self._refresh()
        except (sqlite3.Error, OSError, BatchveoError):  # an answer that needs the index meets and reports it
            return

    @contextmanager
    def _use_copy(self) -> Iterator[PageCopy]:
        with self._lock:
            try:
                yield self._refresh()
            except sqlite3.Error:
                self._drop_copy()  # it has no journal, so it may be damaged
                raise

    def _refresh(self) -> PageCopy:
        """The copy, complete up to now; a new one if the file is another, such as a backup that was put back."""
        if self._copy is not None and not self._copy.is_of(self._path):
            self._drop_copy()
        if self._copy is None:
            self._copy = open_copy(self._path)
            weakref.finalize(self, self._copy.db.close)
        try:
            self._copy.take_over()
        except BaseException:
            self._has_failed = True
            self._drop_copy()  # it has no journal, so it may be damaged
            raise
        self._has_failed = False
        return self._copy

    def _drop_copy(self) -> None:
        if self._copy is not None:
            self._copy.db.close()
            self._copy = None


def _count_kinds(wanted: Filter, kinds: Mapping[Kind, int], jobs_of: Mapping[int, int]) -> dict[str, dict[str, int]]:
    """For each part of a ``Kind``, the jobs of each of its values that the filters of the other parts match."""
    return {name: _count_part(name, wanted.without(name), kinds, jobs_of) for name in Kind._fields}


def _count_part(name: str, wanted: Filter, kinds: Mapping[Kind, int], jobs_of: Mapping[int, int]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for kind, number in kinds.items():
        value = getattr(kind, name)
        if value is not None and jobs_of[number] and wanted.has_kind(kind):
            counts[value] += jobs_of[number]
    return dict(counts)
