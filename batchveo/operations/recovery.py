"""Imports finished videos of a destination into a database that has lost them, so that none is bought again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter

import anyio

from batchveo.core.destination import BESIDE, BucketUrl, Destination, Sidecars
from batchveo.core.errors import find_reason
from batchveo.core.job_row import canonical_json, normal_key
from batchveo.core.models import CatalogInfo, Job, JobState
from batchveo.core.notices import (
    DestinationUnlisted,
    JobsReplaced,
    Notice,
    OtherServiceVideos,
    SidecarsUseless,
    VideosRecovered,
    VideosRefetched,
)
from batchveo.operations.remake import restore_successor
from batchveo.operations.saved_settings import absolute_text
from batchveo.provider.service import SANDBOX
from batchveo.storage.base import Disk, in_thread
from batchveo.storage.sidecar import Sidecar, list_sidecars, read_sidecars
from batchveo.storage.stored_video import find_flaw, size_of
from batchveo.store import FinishedVideo, GenerationTaken, MoveLost, Store

SHARED = 100
"""Jobs whose records share one sync of the disk."""

LOOKED_FOR = 200
"""Jobs that are looked for by their names if a bucket cannot be listed: each is a request or two."""
EXAMPLES = 3
READ_AT_ONCE = 8
"""Videos that are read at the same time."""

OnCount = Callable[[int], None]
"""Gets the number of videos that are about to be read to their ends."""


@dataclass(slots=True)
class Recovered:
    """Jobs that were still to be bought, by what their sidecars led to.

    ``taken_in``: the video is whole, and nothing is bought. ``refetched``: it is damaged or missing, and the
    generation is downloaded again; each with what was wrong. ``replaced``: their sidecars name another job that was
    made in place of each, so that these are not bought. ``lost``: no generation can be downloaded; these are
    bought. ``others``: made by the sandbox for a run with a real service, or the other way round.
    """

    taken_in: list[Job] = field(default_factory=list)
    refetched: list[tuple[Job, str]] = field(default_factory=list)
    lost: list[tuple[Job, str]] = field(default_factory=list)
    others: list[Job] = field(default_factory=list)
    replaced: list[Job] = field(default_factory=list)
    unlisted: str | None = None
    """Why the destination cannot be listed; then only ``LOOKED_FOR`` jobs are looked for, by their names."""

    def list_notices(self, output: Destination) -> Iterator[Notice]:
        """What a person should know of it."""
        if self.unlisted is not None:
            yield DestinationUnlisted(output=output, reason=self.unlisted, jobs=LOOKED_FOR)
        if self.taken_in:
            yield VideosRecovered(videos=len(self.taken_in), output=output)
        if self.refetched:
            yield VideosRefetched(videos=len(self.refetched), output=output, examples=_pick_examples(self.refetched))
        if self.replaced:
            examples = tuple(job.name for job in self.replaced[:EXAMPLES])
            yield JobsReplaced(jobs=len(self.replaced), output=output, examples=examples)
        if self.lost:
            yield SidecarsUseless(sidecars=len(self.lost), output=output, examples=_pick_examples(self.lost))
        if self.others:
            yield OtherServiceVideos(videos=len(self.others), output=output)


def _pick_examples(flawed: Sequence[tuple[Job, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((job.name, flaw) for job, flaw in flawed[:EXAMPLES])


def ignore_count(videos: int) -> None:
    """For callers that do not watch."""


async def recover_videos(
    store: Store,
    output: Destination,
    *,
    run: int,
    now: float,
    sandbox: bool,
    labels: Collection[str] = (),
    watch: OnCount = ignore_count,
    disk: Disk = in_thread,
    sidecars: Sidecars = BESIDE,
) -> Recovered:
    """Import the finished videos in ``output`` of jobs of ``store`` that are pending.

    A sidecar is matched by the job id, or else by an equal request with the same repeat index: the way ids are made
    may have changed. A video counts if length, hash and container are as in its sidecar. ``labels`` are those of
    the keys of this run, ``sidecars`` the place of the sidecars of a folder; ``disk`` does what blocks.
    """
    recovered = Recovered()
    if not store.queries.has_pending():
        return recovered
    # list once instead of asking for each job: a folder may hold a million videos, and most jobs have none
    try:
        stems = await list_sidecars(output, sidecars)
    except OSError as error:
        recovered.unlisted = find_reason(error)
        stems = store.queries.list_pending_stems(LOOKED_FOR)
    found = await _find_sidecars(store, output, stems, disk, sidecars)
    made_here = [sidecar for sidecar in found if _is_for(sidecar, sandbox=sandbox)]
    recovered.replaced += _restore_successors(store, made_here, now=now)
    takes = _restore_takes(store, made_here, run=run, now=now)
    by_job = _match_jobs(store, found)
    ours = {seq: [each for each in several if _is_for(each, sandbox=sandbox)] for seq, several in by_job.items()}
    recovered.others += [store.queries.read_job(seq) for seq, several in ours.items() if not several]
    due = {seq: several for seq, several in ours.items() if several}
    watch(len(due))
    numbers = sorted(due)
    for first in range(0, len(numbers), SHARED):
        # read first, then record: no transaction is open while gigabytes are hashed
        checked = await _check_sidecars({seq: due[seq] for seq in numbers[first : first + SHARED]}, disk)
        with store.connection.sharing():
            for seq, (sidecar, flaw) in sorted(checked.items(), key=itemgetter(0)):
                _record_sidecar(store, seq, sidecar, flaw, recovered, run=run, now=now, labels=labels)
    # none is bought because of a sidecar: a verdict on the clip before it brings it back
    for take in map(store.queries.read_job, takes):
        if take.state is JobState.PENDING:
            store.takes.withdraw_take(take, now=now)
    return recovered


async def _check_sidecars(due: Mapping[int, Sequence[Sidecar]], disk: Disk) -> Mapping[int, tuple[Sidecar, str | None]]:
    """The best sidecar of each job, with what is wrong with its video; several are read at a time."""
    checked: dict[int, tuple[Sidecar, str | None]] = {}
    slots = anyio.Semaphore(READ_AT_ONCE)

    async def check(seq: int) -> None:
        async with slots:
            checked[seq] = await _choose_sidecar(due[seq], disk)

    async with anyio.create_task_group() as tasks:
        for seq in due:
            tasks.start_soon(check, seq)
    return checked


async def find_recoverable(
    store: Store | None, output: Destination, *, sandbox: bool, sidecars: Sidecars = BESIDE
) -> frozenset[str]:
    """The ids of jobs that have a sidecar beside a video in ``output``, and are not finished in ``store``.

    With those in place of which such a job was made.

    For a plan: videos are not read, and a bucket is not listed, which may take longer than all the rest.
    """
    if isinstance(output, BucketUrl):
        return frozenset()
    stems = await list_sidecars(output, sidecars)
    found = await _find_sidecars(store, output, stems, in_thread, sidecars)
    whole = [sidecar for sidecar in found if _is_for(sidecar, sandbox=sandbox) and _is_recoverable(sidecar)]
    return frozenset(job_id for sidecar in whole for job_id in (sidecar.job_id, *sidecar.in_place_of))


def _is_recoverable(sidecar: Sidecar) -> bool:
    try:
        return size_of(sidecar.video) == sidecar.bytes
    except OSError:
        return False


async def _find_sidecars(
    store: Store | None, output: Destination, stems: set[str], disk: Disk, sidecars: Sidecars
) -> Sequence[Sidecar]:
    """The sidecars of videos that the database does not have."""
    # what the database has as finished needs no reading; this keeps each later run fast
    if stems and store is not None:
        for file in store.queries.list_files_in(absolute_text(output)):
            stems.discard(file.removesuffix(".mp4"))
    return await disk(lambda: list(read_sidecars(output, stems, sidecars))) if stems else ()


def _restore_successors(store: Store, found: Sequence[Sidecar], *, now: float) -> list[Job]:
    """Add the jobs that ``retry`` made in place of others, and cancel those; returns the ones that are cancelled.

    The manifest may still name these: then their prompt or model is another one than that of the video.
    """
    replaced = []
    made = ((sidecar, old) for sidecar in found for old in _find_replaced(store, sidecar))
    for sidecar, old in sorted(made, key=lambda pair: pair[1].link):  # parents before their children
        if store.queries.read_job(old.seq).state is JobState.PENDING:
            restore_successor(store, old, sidecar.job_id, sidecar.request, now=now)
            replaced.append(old)
    return replaced


def _find_replaced(store: Store, sidecar: Sidecar) -> Sequence[Job]:
    """The pending jobs that the job of a sidecar stands for, unless the database knows more of that one."""
    known = store.queries.find_job_by_id(sidecar.job_id) if sidecar.in_place_of else None
    if sidecar.generation_id is None or (known is not None and known.state is not JobState.PENDING):
        return ()
    olds = map(store.queries.find_job_by_id, sidecar.in_place_of)
    return [old for old in olds if old is not None and old.state is JobState.PENDING and old.take_of is None]


def _restore_takes(store: Store, found: Sequence[Sidecar], *, run: int, now: float) -> list[int]:
    """Add the takes that the lost database made of rejected clips: no manifest names them. Returns their numbers."""
    takes = {
        sidecar.job_id: sidecar
        for sidecar in found
        if sidecar.take > 1 and sidecar.generation_id and store.queries.find_job_by_id(sidecar.job_id) is None
    }
    if not takes:
        return []
    firsts = store.takes.find_firsts({job_id: sidecar.take for job_id, sidecar in takes.items()})
    restored = []
    for job_id, first in firsts.items():
        sidecar = takes[job_id]
        request = canonical_json(sidecar.request)
        restored.append(store.takes.restore_take(first, sidecar.take, request, run=run, now=now).seq)
    return restored


def _match_jobs(store: Store, found: Sequence[Sidecar]) -> Mapping[int, list[Sidecar]]:
    """The sidecars of pending jobs, by the number of the job."""
    matched: defaultdict[int, list[Sidecar]] = defaultdict(list)
    strangers = []
    for sidecar in found:
        job = store.queries.find_job_by_id(sidecar.job_id)
        if job is None:
            strangers.append(sidecar)
        elif job.state is JobState.PENDING:
            matched[job.seq].append(sidecar)
    if strangers:
        _match_by_request(store, strangers, matched)
    return matched


def _match_by_request(store: Store, strangers: Sequence[Sidecar], matched: dict[int, list[Sidecar]]) -> None:
    """Give each job without a sidecar one of the same request; each sidecar serves one job."""
    wanted = {_fold_request(sidecar.request, sidecar.index) for sidecar in strangers}
    jobs: defaultdict[str, list[int]] = defaultdict(list)
    for seq, _, request, index in store.queries.list_pending_requests():
        alike = _fold_request(request, index)
        # a match by job id is certain, one by request is a guess: it only fills what is left
        if alike in wanted and seq not in matched:
            jobs[alike].append(seq)
    for sidecar in strangers:
        waiting = jobs.get(_fold_request(sidecar.request, sidecar.index))
        if waiting:
            matched[waiting.pop(0)] = [sidecar]


def _fold_request(request: Mapping[str, object], index: int) -> str:
    """The same text for requests that are one job."""
    return normal_key(canonical_json(request), index)


def _is_for(sidecar: Sidecar, *, sandbox: bool) -> bool:
    """Whether its video is of this kind of service; a sidecar that names no service counts as such."""
    return sidecar.service is None or (sidecar.service == SANDBOX) == sandbox


async def _choose_sidecar(sidecars: Sequence[Sidecar], disk: Disk) -> tuple[Sidecar, str | None]:
    """The first whose video is whole; else the first with a generation, and what is wrong with its video."""
    flaws = []
    for sidecar in sidecars:
        flaw = await disk(partial(find_flaw, sidecar.video, sidecar.bytes, sidecar.sha256))
        if flaw is None and sidecar.generation_id is not None:
            return sidecar, None
        flaws.append((sidecar, flaw or "no generation in its sidecar"))
    return next((each for each in flaws if each[0].generation_id is not None), flaws[0])


def _record_sidecar(
    store: Store,
    seq: int,
    sidecar: Sidecar,
    flaw: str | None,
    recovered: Recovered,
    *,
    run: int,
    now: float,
    labels: Collection[str],
) -> None:
    job, generation = store.queries.read_job(seq), sidecar.generation_id
    if generation is None:
        recovered.lost.append((job, flaw or ""))
        return
    catalog = None if sidecar.catalog is None else CatalogInfo(digest=sidecar.catalog)
    try:
        if flaw is None:
            recovered.taken_in.append(store.manual.adopt_video(job, _make_video(sidecar, generation), run=run, now=now))
            store.imports.set_catalog(job, catalog, now=now)
            return
        # a label of an earlier run may be another key today, or none
        key = sidecar.key if sidecar.key in labels else None
        adopted = store.manual.adopt_generation(
            job, generation, now=now, client_request_id=sidecar.client_request_id, key=key
        )
        recovered.refetched.append((adopted, flaw))
        store.imports.set_catalog(job, catalog, now=now)
    except GenerationTaken:
        recovered.lost.append((job, f"its generation {generation} is another job's"))
    except (MoveLost, ValueError):  # another process moved the job at this moment
        return


def _make_video(sidecar: Sidecar, generation: str) -> FinishedVideo:
    return FinishedVideo(
        folder=sidecar.folder,
        file=sidecar.file,
        bytes=sidecar.bytes or 0,
        sha256=sidecar.sha256 or "",
        generation_id=generation,
        client_request_id=sidecar.client_request_id,
        key=sidecar.key,
        cost_usd=sidecar.cost_usd,
        submitted_at=sidecar.submitted_at,
        completed_at=sidecar.completed_at,
    )
