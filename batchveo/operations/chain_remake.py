"""Jobs made anew together with all that is made from their videos, and what becomes of that without."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from batchveo.core.errors import UsageError
from batchveo.core.formatting import format_count
from batchveo.core.hints import format_command
from batchveo.core.models import Job, JobState
from batchveo.operations.further_takes import check_count, make_takes, sum_prices
from batchveo.operations.manage import is_made_again, name_job
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.store import Store

MOST_NAMED = 3
"""Jobs that the command for several names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How the video of one job is made anew: by another take, or by ``jobs`` of its family.

    ``jobs`` are pending ones, which a run makes anyway, or one that failed or was cancelled. Without any, another
    take is added to the family of ``first``.
    """

    first: Job
    jobs: Sequence[Job] = ()

    @property
    def is_pending(self) -> bool:
        """Whether a run makes it anyway."""
        return bool(self.jobs) and self.jobs[0].state is JobState.PENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRemake:
    """The jobs to make anew, parents before their children: all of them once in each of ``rounds``.

    The videos cost at most ``usd`` US dollars, by the latest prices that the database has; ``unpriced`` have no price.
    """

    chosen: Sequence[Job]
    count: int | None
    rounds: Sequence[Sequence[Step]]
    usd: float
    unpriced: int

    @property
    def videos(self) -> int:
        """How many more videos a run buys because of it."""
        return sum(not step.is_pending for steps in self.rounds for step in steps)

    @property
    def added(self) -> int:
        """How many of them are further takes."""
        return sum(not step.jobs for steps in self.rounds for step in steps)


def plan_chains(
    store: Store, jobs: Iterable[Job], count: int | None = None, *, catalog: Catalog = MODELS
) -> ChainRemake:
    """Price each job anew, with all that is made from its video; writes nothing.

    A job that was bought gets another take, one that failed or was cancelled is made again, and a pending one stays.
    With ``count``, so many more takes are made of each of them, all of one round from those of the same round.
    """
    if count is not None:
        check_count(count)
    chosen = list(jobs)
    firsts = store.chains.list_below(job.family for job in chosen)
    rounds = [_plan_round(store, firsts, number, count) for number in range(count or 1)]
    bought = [step for steps in rounds for step in steps if not step.is_pending]
    usd, unpriced = sum_prices(store, [step.jobs[0] if step.jobs else step.first for step in bought], catalog)
    return ChainRemake(chosen=chosen, count=count, rounds=rounds, usd=usd, unpriced=unpriced)


def _plan_round(store: Store, firsts: Sequence[Job], number: int, count: int | None) -> list[Step]:
    steps = []
    for first in firsts:
        family = [job for job in store.takes.list_family(first) if not is_made_again(job)]
        if not family:  # another job replaces it
            continue
        pending = [job for job in family if job.state is JobState.PENDING]
        if count is None and pending:
            steps.append(Step(first=first, jobs=pending))
        elif number == 0 and not pending and not any(job.state.may_be_bought for job in family):
            steps.append(Step(first=first, jobs=family[-1:]))
        else:
            steps.append(Step(first=first))
    return steps


def remake_chains(store: Store, planned: ChainRemake, *, now: float, catalog: Catalog = MODELS) -> None:
    """Make the jobs pending, and add the takes, in one transaction; each waits for the new video of its parents.

    Raises ``UsageError`` if jobs have moved since it was planned: no more is bought than was shown.
    """
    with store.connection.transaction():
        if plan_chains(store, planned.chosen, planned.count, catalog=catalog).rounds != planned.rounds:
            raise UsageError("some of these jobs have just changed; look again")
        for steps in planned.rounds:
            takes: dict[int, int] = {}
            for step in steps:
                made = _take_step(store, step, now)
                for job in made:
                    store.links.take_from(job, takes)
                takes[step.first.seq] = made[0].take


def _take_step(store: Store, step: Step, now: float) -> list[Job]:
    if step.is_pending:
        return list(step.jobs)
    if step.jobs:
        return [store.manual.retry_job(job, now=now) for job in step.jobs]
    return store.takes.add_takes(step.first, list(make_takes(store, step.first, 1)), now=now)


def describe_left(store: Store, jobs: Iterable[Job], *, replaced: bool = False) -> Iterator[str]:
    """What stays as it is though ``jobs`` are made anew, and how it is made anew as well.

    ``replaced``: other jobs are made in their place, as the manifest has them once it is edited.
    """
    # not by its chain: the second parent of a job may be in none
    chosen = {job.family: job for job in jobs} if store.chains.has_links() else {}
    children = {link.child: first for first in chosen for link in store.links.list_used(first)}
    if not children:
        return
    how = "the manifest, edited in the same way,"
    if not replaced:
        how = _format_remake(store, [chosen[first] for first in dict.fromkeys(children.values())])
    them = "it" if len(children) == 1 else "them"
    yield f"{_count_made(len(children))} from {_name_videos(len(chosen))}; {how} makes {them} anew as well"


def describe_outdated(store: Store, jobs: Iterable[Job]) -> Iterator[str]:
    """The jobs that were bought with a take of ``jobs`` which does not count any more, as people decided.

    A job of which another take was made from the one that counts is none of them.
    """
    outdated: dict[int, Job] = {}
    known = jobs if store.chains.has_links() else ()
    for first in dict.fromkeys(job.family for job in known):
        current = set()
        for link in store.links.list_used(first):
            child = store.queries.read_job(link.child)
            source = store.links.find_source(link, judged=False)
            if source is not None and source.seq == link.taken_from:
                current.add(child.family)
            else:
                # without a good take, the parent has to be made anew, too
                outdated.setdefault(child.family, store.queries.read_job(first) if source is None else child)
        outdated = {child: job for child, job in outdated.items() if child not in current}
    if outdated:
        again = _format_remake(store, {job.seq: job for job in outdated.values()}.values())
        them = "it" if len(outdated) == 1 else "them"
        yield f"{_count_made(len(outdated))} from another take; {again} makes {them} and what follows anew"


def _count_made(children: int) -> str:
    return f"{format_count(children, 'job')} {'stays as it is' if children == 1 else 'stay as they are'}, made"


def _name_videos(parents: int) -> str:
    return "the video before" if parents == 1 else "the videos before"


def _format_remake(store: Store, jobs: Iterable[Job]) -> str:
    named = [name_job(store, job) for job in jobs]
    shown = named if len(named) <= MOST_NAMED else named[:1]
    command = format_command("retry", *shown, "--with-children", state=store.path)
    return f"`{command}`" + ("" if shown == named else ", and the same for the others,")
