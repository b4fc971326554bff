"""The clips that an export takes, and why it leaves others out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterator
from enum import StrEnum
from typing import NamedTuple

from batchveo.core.gates import Verdict
from batchveo.core.models import Job, JobState
from batchveo.core.votes import Standing
from batchveo.dataset.chain_groups import ChainGroups
from batchveo.dataset.columns import ClipFacts
from batchveo.dataset.settings import ExportSettings
from batchveo.store import Store

_NO_VOTES = Standing()


class Reason(StrEnum):
    """Why a video is not in a dataset; it reads on from a number of videos."""

    NOT_CHOSEN = "not chosen"
    NO_PAIR = "in no pair"
    PEOPLE = "rejected by people"
    GATES = "rejected by their gates"
    OTHER_TAKE = "left out for another take"
    NOT_PICKED = "not picked"


REJECTIONS = frozenset((Reason.PEOPLE, Reason.GATES, Reason.OTHER_TAKE))
"""Reasons that may arise after a clip was exported; it stays in the dataset, and its row says what became of it."""


class ChosenClip(NamedTuple):
    """A job whose clip is exported, with what its row says beside the job."""

    job: Job
    facts: ClipFacts


class ClipChooser:
    """Chooses among the succeeded jobs. ``paired``: the numbers of the jobs of a dataset of pairs.

    After each pass over the jobs, ``left_out`` counts those that were left out, ``kept`` those that are in the
    dataset although they would be left out now, and ``undecided`` the chosen ones whose gates are not decided yet.
    ``chains``: how the jobs hang together.
    """

    def __init__(self, store: Store, settings: ExportSettings, paired: Collection[int] | None = None) -> None:
        self.left_out: Counter[Reason] = Counter()
        self.kept: Counter[Reason] = Counter()
        self.undecided = 0
        self._by_gates: list[int] = []
        self.chains = ChainGroups(store, settings.splitting)
        self._store = store
        self._settings = settings
        self._paired = paired
        self._uncounted = store.takes.find_uncounted()
        self._standings = store.votes.list_standings()

    def iter_clips(self, known: Container[str]) -> Iterator[ChosenClip]:
        """The chosen jobs in manifest order, with their facts; ``known``: the ids of those in the dataset."""
        for page in self._iter_pages(known):
            measures, scores = self._store.facts.read_measures_of(page), self._store.facts.read_scores_of(page)
            for job in page:
                standing = self._standings.get(job.seq, _NO_VOTES)
                facts = ClipFacts(
                    measures=measures.get(job.seq),
                    scores=scores.get(job.seq, {}),
                    standing=standing,
                    chain=self.chains.find_chain(job),
                    parents=self.chains.list_parents(job),
                )
                yield ChosenClip(job, facts)

    def iter_jobs(self, known: Container[str]) -> Iterator[Job]:
        """The same without facts."""
        for page in self._iter_pages(known):
            yield from page

    def count_gates(self) -> dict[str, int]:
        """How many videos each gate has left out."""
        return self._store.verdicts.count_gates(self._by_gates)

    def _iter_pages(self, known: Container[str]) -> Iterator[list[Job]]:
        for counted in (self.left_out, self.kept, self._by_gates):
            counted.clear()
        self.undecided = found = 0
        for page in self._store.queries.iter_succeeded_pages(self._settings.condition):
            found += len(page)
            yield [job for job in page if self._takes(job, known)]
        missed = self._store.counts()[JobState.SUCCEEDED] - found  # by the condition
        self.left_out[Reason.NOT_CHOSEN] += max(0, missed)

    def _takes(self, job: Job, known: Container[str]) -> bool:
        """Whether the job is exported; counts it if it is not, or is for another reason than that it is chosen."""
        reason = self._find_reason(job)
        if reason is None:
            self.undecided += job.policy is not None and job.verdict in (None, Verdict.OPEN)
            return True
        if reason in REJECTIONS and job.id in known:
            self.kept[reason] += 1
            return True
        if reason is Reason.GATES:
            self._by_gates.append(job.seq)
        self.left_out[reason] += 1
        return False

    def _find_reason(self, job: Job) -> Reason | None:
        if not self._settings.wants(job):
            return Reason.NOT_CHOSEN
        if self._paired is not None:  # of a pair both sides belong into it, whatever was said of them
            return None if job.seq in self._paired else Reason.NO_PAIR
        standing = self._standings.get(job.seq, _NO_VOTES)
        if not self._settings.include_rejected:
            if standing.is_rejected:
                return Reason.PEOPLE
            if job.verdict == Verdict.REJECTED and not standing.is_picked:
                return Reason.GATES
            if job.seq in self._uncounted:
                return Reason.OTHER_TAKE
        return Reason.NOT_PICKED if self._settings.picked and not standing.is_picked else None
