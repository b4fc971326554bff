"""Pairs of clips of one prompt, of which people preferred one: the data that preference training takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from batchveo.core.models import Job
from batchveo.core.preferences import Twins, find_comparisons, order_twins
from batchveo.core.votes import Standing
from batchveo.dataset.columns import ColumnTypes, Kind, Row
from batchveo.dataset.settings import Metadata
from batchveo.dataset.tables import write_jsonl, write_parquet
from batchveo.provider.catalog import MODELS
from batchveo.provider.catalog.parameters import Media
from batchveo.store import Store

PAIR_COLUMNS: Mapping[str, Kind] = {
    "prompt": Kind.TEXT,
    "chosen": Kind.TEXT,
    "rejected": Kind.TEXT,
    "split": Kind.TEXT,
    "votes_for": Kind.INTEGER,
    "votes_against": Kind.INTEGER,
    "decided_by": Kind.TEXT,
    "chosen_model": Kind.TEXT,
    "rejected_model": Kind.TEXT,
    "chosen_request": Kind.TEXT,
    "rejected_request": Kind.TEXT,
    "chosen_job_id": Kind.TEXT,
    "rejected_job_id": Kind.TEXT,
    "meta": Kind.TEXT,
}
"""The columns of a table of pairs; ``chosen`` and ``rejected`` are the files, from the folder's top."""
DIRECT, SINGLE = "comparison", "picks"
"""What decided a pair: votes on the two clips together (among others), or only those on each of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two clips of one prompt, by their jobs, and the votes for and against this order of the two."""

    chosen: Job
    rejected: Job
    votes_for: int
    votes_against: int
    decided_by: str


def find_pairs(store: Store, jobs: Mapping[int, Job]) -> list[Pair]:
    """The pairs among ``jobs``, which are given by their numbers, in the order of these.

    If people compared two clips, the majority decides, by the latest vote of each person; ties and "both bad" make no
    pair. Who picked one of several clips that were shown beside each other compared it with those that the same person
    did not pick. Clips that nobody compared are a pair if more people picked than rejected the one, and more rejected
    than picked the other. Both clips must be made from one prompt, and from the same images and videos.
    """
    inputs = {seq: _list_inputs(job) for seq, job in jobs.items()}
    votes = [vote for vote in store.votes.list_votes() if vote.job in jobs]
    compared = {
        twins: Counter(better for better in people.values() if better is not None)
        for twins, people in find_comparisons(votes).items()
        if inputs.get(twins[0]) == inputs.get(twins[1], ())
    }
    direct = {order_twins(vote.job, vote.other) for vote in votes if vote.other is not None}
    pairs = chain(
        _decide_compared(jobs, compared, direct),
        _decide_picked(jobs, inputs, store.votes.list_standings(), compared),
    )
    return sorted(pairs, key=lambda pair: (pair.chosen.seq, pair.rejected.seq))


def find_voted(store: Store) -> set[int]:
    """The numbers of all jobs whose clips have votes that may make a pair."""
    return {seq for vote in store.votes.list_votes() for seq in (vote.job, vote.other, *vote.shown) if seq is not None}


def _list_inputs(job: Job) -> tuple[str, ...]:
    """What the clip was made from: clips that differ in it are no answers to the same question."""
    media = (MODELS.find_addresses(job.model, job.request, kind) for kind in (Media.IMAGE, Media.VIDEO))
    return job.prompt, *map(str, chain.from_iterable(media))


def _decide_compared(
    jobs: Mapping[int, Job], compared: Mapping[Twins, Counter[int]], direct: Set[Twins]
) -> Iterator[Pair]:
    for twins, wins in compared.items():
        better, worse = sorted(twins, key=lambda seq: -wins[seq])
        if wins[better] > wins[worse]:
            yield Pair(
                chosen=jobs[better],
                rejected=jobs[worse],
                votes_for=wins[better],
                votes_against=wins[worse],
                decided_by=DIRECT if twins in direct else SINGLE,
            )


def _decide_picked(
    jobs: Mapping[int, Job],
    inputs: Mapping[int, tuple[str, ...]],
    standings: Mapping[int, Standing],
    compared: Mapping[Twins, Counter[int]],
) -> Iterator[Pair]:
    groups: dict[tuple[str, ...], tuple[list[int], list[int]]] = {}
    for seq in jobs.keys() & standings.keys():
        picked, rejected = groups.setdefault(inputs[seq], ([], []))
        if standings[seq].is_picked:
            picked.append(seq)
        elif standings[seq].is_rejected:
            rejected.append(seq)
    for picked, rejected in groups.values():
        for better in picked:
            for worse in rejected:
                if order_twins(better, worse) in compared:  # people saw both, and decided
                    continue
                yield Pair(
                    chosen=jobs[better],
                    rejected=jobs[worse],
                    votes_for=standings[better].picks + standings[worse].rejects,
                    votes_against=standings[better].rejects + standings[worse].picks,
                    decided_by=SINGLE,
                )


def write_pairs(folder: Path, pairs: Sequence[Pair], find_row: Callable[[str], Row | None], kind: Metadata) -> int:
    """Write ``pairs.jsonl`` or ``.parquet``; returns the number of pairs.

    ``find_row`` has the row of a job's clip by the job's id, ``None`` if the clip is not in the folder: such a pair is
    left out, and one whose clips are in different splits, since its better clip would be known in both.
    """
    rows = list(_build_rows(pairs, find_row))
    for other in Metadata:
        if other is not kind:
            pairs_file(folder, other).unlink(missing_ok=True)
    if kind is Metadata.PARQUET:
        write_parquet(pairs_file(folder, kind), rows, ColumnTypes(PAIR_COLUMNS, ()))
    else:
        write_jsonl(pairs_file(folder, kind), rows)
    return len(rows)


def pairs_file(folder: Path, kind: Metadata) -> Path:
    """The table of pairs of a dataset."""
    return folder / f"pairs.{kind.value}"


def _build_rows(pairs: Iterable[Pair], find_row: Callable[[str], Row | None]) -> Iterator[Row]:
    for pair in pairs:
        chosen, rejected = find_row(pair.chosen.id), find_row(pair.rejected.id)
        if chosen is None or rejected is None or chosen["split"] != rejected["split"]:
            continue
        yield {
            "prompt": chosen["text"],
            "chosen": chosen["file_name"],
            "rejected": rejected["file_name"],
            "split": chosen["split"],
            "votes_for": pair.votes_for,
            "votes_against": pair.votes_against,
            "decided_by": pair.decided_by,
            "chosen_model": chosen["model"],
            "rejected_model": rejected["model"],
            "chosen_request": chosen["request"],
            "rejected_request": rejected["request"],
            "chosen_job_id": chosen["job_id"],
            "rejected_job_id": rejected["job_id"],
            "meta": chosen["meta"],
        }
