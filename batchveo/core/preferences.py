"""Win rates out of comparisons of two clips, by the model of Bradley and Terry, with intervals by resampling."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from batchveo.core.votes import Vote, VoteKind

PRIOR = 0.1
"""Wins and losses of each option against an imagined average one: with none, an option that never lost would have no
strength, and options that were never compared could not be ordered."""
RESAMPLES = 200
MOST_STEPS = 500
CLOSE_ENOUGH = 1e-6
LEAST_DUELS = 10
LEAST_PROMPTS = 5
"""With fewer duels of an option, or of fewer prompts, its win rate says too little to be shown without a warning."""
_TAIL = 0.025
"""Part of the resamples beyond each end of an interval, which so holds 95 %."""

Twins = tuple[int, int]
"""Two jobs by their numbers, the lower one first."""
_Block = tuple[tuple[tuple[str, str], int], ...]
"""The wins on one prompt: how often the first option of each pair was preferred to the second."""


@dataclass(frozen=True, slots=True, order=True)
class Duel:
    """One comparison: ``winner`` was preferred to ``loser``, both names of options. ``prompt`` is what both show."""

    prompt: str
    winner: str
    loser: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WinRate:
    """The chance that an option's clip is preferred to one of another option, all others alike.

    ``low`` and ``high`` hold 95 % of the rates of resampled prompts; ``None`` if there is only one prompt. ``duels``:
    how many comparisons it was in, on how many ``prompts``.
    """

    rate: float
    low: float | None
    high: float | None
    duels: int
    prompts: int

    @property
    def is_enough(self) -> bool:
        """Whether there are enough comparisons for the rate to say something."""
        return self.duels >= LEAST_DUELS and self.prompts >= LEAST_PROMPTS


def find_comparisons(votes: Iterable[Vote]) -> dict[Twins, dict[str, int | None]]:
    """By two jobs, and by each person who compared their clips, the job that the person prefers; ``None``: neither.

    A vote on two clips says which is better; the later one of the same person about the same two counts. A clip that a
    person picked is better than those shown beside it that the same person did not pick, unless a vote on the two says
    otherwise.
    """
    found: dict[Twins, dict[str, int | None]] = defaultdict(dict)
    chosen: dict[tuple[str, int], Vote] = {}
    for vote in votes:
        if vote.other is not None:
            better = vote.job if vote.kind is VoteKind.BETTER else None
            found[order_twins(vote.job, vote.other)][vote.person] = better
        elif vote.kind in (VoteKind.PICK, VoteKind.REJECT):
            chosen[vote.person, vote.job] = vote
    picked = {key for key, vote in chosen.items() if vote.kind is VoteKind.PICK}
    for person, job in sorted(picked):
        for other in chosen[person, job].shown:
            if other != job and (person, other) not in picked:
                found[order_twins(job, other)].setdefault(person, job)
    return found


def order_twins(first: int, second: int) -> Twins:
    """Two jobs as the key of their comparisons."""
    return min(first, second), max(first, second)


def list_preferred(votes: Iterable[Vote]) -> list[tuple[int, int]]:
    """The pairs of jobs, better one first, that follow from votes; one for each person. Ties are left out."""
    return sorted(
        (better, sum(twins) - better)
        for twins, people in find_comparisons(votes).items()
        for better in people.values()
        if better is not None
    )


def fit_strengths(
    wins: Mapping[tuple[str, str], float], *, prior: float = PRIOR, start: Mapping[str, float] | None = None
) -> dict[str, float]:
    """The strength of each option, of which an average one has 1, from the wins of the first over the second.

    The chance that ``a`` wins over ``b`` is ``a / (a + b)``. Found by Hunter's steps, each of which makes the wins more
    likely. ``start``: strengths to begin with, which only saves steps.
    """
    names = sorted({name for pair in wins for name in pair})
    met: dict[str, dict[str, float]] = {name: defaultdict(float) for name in names}
    won: dict[str, float] = dict.fromkeys(names, prior)
    for (winner, loser), number in wins.items():
        won[winner] += number
        met[winner][loser] += number
        met[loser][winner] += number
    strengths = {name: (start or {}).get(name, 1.0) for name in names}
    for _ in range(MOST_STEPS):
        change = 0.0
        for name in names:
            own = strengths[name]
            weight = sum(number / (own + strengths[other]) for other, number in met[name].items() if number)
            weight += 2 * prior / (own + 1.0)
            strengths[name] = won[name] / weight if weight else own
            change = max(change, abs(strengths[name] - own) / (strengths[name] + own or 1.0))
        if change < CLOSE_ENOUGH:
            break
    return strengths


def find_rates(strengths: Mapping[str, float]) -> dict[str, float]:
    """For each option the mean chance to win over one of the others."""
    total: dict[str, float] = defaultdict(float)
    for a, b in combinations(strengths, 2):
        sum_of_both = strengths[a] + strengths[b]
        chance = strengths[a] / sum_of_both if sum_of_both else 0.5
        total[a] += chance
        total[b] += 1 - chance
    others = len(strengths) - 1
    return {name: total[name] / others for name in strengths} if others > 0 else {}


def estimate_win_rates(
    duels: Sequence[Duel], *, resamples: int = RESAMPLES, prior: float = PRIOR, seed: int = 0
) -> dict[str, WinRate]:
    """The win rate of each option; the same for the same duels, in whatever order.

    Votes on one prompt hang together, so whole prompts are drawn again, with all their duels: intervals out of single
    duels would be too narrow.
    """
    by_prompt: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    duels_of: Counter[str] = Counter()
    prompts_of: dict[str, set[str]] = defaultdict(set)
    for duel in sorted(duels):
        by_prompt[duel.prompt][duel.winner, duel.loser] += 1
        for name in (duel.winner, duel.loser):
            duels_of[name] += 1
            prompts_of[name].add(duel.prompt)
    blocks = [tuple(sorted(block.items())) for block in by_prompt.values()]
    strengths = fit_strengths(_add_up(blocks), prior=prior)
    drawn: dict[str, list[float]] = defaultdict(list)
    chance = random.Random(seed)  # noqa: S311 - resampling, not secrets
    for _ in range(resamples if len(blocks) > 1 else 0):
        again = fit_strengths(_add_up(chance.choices(blocks, k=len(blocks))), prior=prior, start=strengths)
        for name, rate in find_rates(again).items():
            drawn[name].append(rate)
    return {
        name: WinRate(
            rate=rate,
            low=_find_quantile(drawn[name], _TAIL),
            high=_find_quantile(drawn[name], 1 - _TAIL),
            duels=duels_of[name],
            prompts=len(prompts_of[name]),
        )
        for name, rate in find_rates(strengths).items()
    }


def _add_up(blocks: Iterable[_Block]) -> dict[tuple[str, str], float]:
    wins: dict[tuple[str, str], float] = defaultdict(float)
    for block, times in Counter(blocks).items():  # most prompts have few votes, so that many blocks are alike
        for pair, number in block:
            wins[pair] += number * times
    return wins


def _find_quantile(values: Sequence[float], part: float) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
