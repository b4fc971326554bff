"""Measures and judges finished clips, of any run, and finds near copies among all of them."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

import anyio

from batchveo.core.destination import Sidecars
from batchveo.core.errors import UsageError, find_reason
from batchveo.core.fields import Condition, read_where
from batchveo.core.gates import Judgement, Verdict, parse_policy
from batchveo.core.measures import VERSION, CheckLevel, Measures, find_highest_level
from batchveo.core.models import Job, JobState
from batchveo.engine.clip_judgement import describe_check, is_current, judge_job, make_take, record_judgement
from batchveo.engine.lifecycle import single_error
from batchveo.engine.stages.clip_inspector import ClipInspector, StoredClips
from batchveo.media.near_copies import group_near_copies
from batchveo.operations.manage import select_jobs
from batchveo.operations.saved_settings import SavedSettings
from batchveo.storage.stored_video import StoredVideo, video_at
from batchveo.store import MoveLost, Store
from batchveo.store.clip_facts import ClipRecord

USUAL_TRIES = 1
"""Tries of a job whose manifest gives none: a check never makes a clip again without them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedClip:
    """A clip that was looked at.

    ``measures``: ``None`` if it cannot be read, and ``problem`` says why. ``judgement``: ``None`` if its job has no
    gates or other policy. ``added``: the take that makes it again. ``is_left``: its verdict, and the take that would
    follow, are left to the next run, since a run is active now.
    """

    job: Job
    video: StoredVideo
    measures: Measures | None = None
    judgement: Judgement | None = None
    problem: str | None = None
    added: Job | None = None
    is_left: bool = False
    is_new: bool = False
    """Whether it was measured now, and not before."""


@dataclass(slots=True, kw_only=True)
class Checked:
    """What ``check`` found.

    ``clips``: the numbers of all chosen clips, also those that were measured and judged before. The counts are of the
    clips that were looked at now: ``measured``; ``accepted`` and ``open`` by their gates, ``rejected`` by each gate;
    ``unreadable`` files; ``added`` takes; ``left`` to the next run. ``still_rejected``: the chosen clips that are
    rejected, also by an earlier check, and have no take that is accepted or open. ``near_copies``: groups of jobs, by
    number, whose clips look the same, among all clips of the database; those with a chosen clip.
    """

    clips: Sequence[int] = ()
    measured: int = 0
    accepted: int = 0
    open: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    added: int = 0
    left: int = 0
    still_rejected: Sequence[int] = ()
    near_copies: Sequence[tuple[int, ...]] = ()


Seen = Callable[[CheckedClip, int, int], None]
"""Gets each clip that was looked at, the number of those so far, and of all that are to be looked at."""


def ignore_clip(clip: CheckedClip, done: int, total: int) -> None:
    """Do nothing."""


def check(
    store: Store,
    jobs: Sequence[str] = (),
    *,
    level: CheckLevel | str = CheckLevel.BASIC,
    where: str | Condition | None = None,
    again: bool = False,
    seen: Seen = ignore_clip,
) -> Checked:
    """Measure and judge the finished clips of ``store``: those of ``jobs`` (names or ids), by default of all.

    Each clip is measured at least at ``level`` (basic or all), unless that was done before; ``again`` measures it anew.
    ``where`` is an expression over its fields. Each clip is recorded at once, so that a check that is interrupted
    resumes. A rejected clip with tries left gets another take, a pending job that the next run buys, unless a run is
    active now. Raises ``UsageError``.
    """
    return anyio.run(partial(check_async, store, jobs, level=level, where=where, again=again, seen=seen))


async def check_async(
    store: Store,
    jobs: Sequence[str] = (),
    *,
    level: CheckLevel | str = CheckLevel.BASIC,
    where: str | Condition | None = None,
    again: bool = False,
    seen: Seen = ignore_clip,
    clips: ClipInspector | None = None,
) -> Checked:
    """The same in a running event loop, such as that of a notebook. ``clips``: access to the files."""
    level = CheckLevel(level)
    if level is CheckLevel.NONE:
        raise UsageError("a check at the level none measures nothing: basic or all")
    inspector = clips or StoredClips(_find_sidecars(store))
    checker = ClipChecker(store, inspector, level=level, again=again)
    chosen: list[int] = []
    waiting: list[int] = []
    is_needed = False
    # all of them before the first is measured: an open read of hours lets SQLite's log grow
    for clip in choose_clips(store, jobs, read_where(where)):
        chosen.append(clip.seq)
        if jobs or checker.has_work(clip):
            waiting.append(clip.seq)
            is_needed = is_needed or checker.needs_file(clip)
    if is_needed:
        inspector.check_ready()
    result = Checked(clips=chosen)

    def count(clip: CheckedClip, done: int) -> None:
        _count_clip(result, clip)
        seen(clip, done, len(waiting))

    with single_error():
        await checker.check_clips(waiting, count)
    result.still_rejected = list_still_rejected(store, result.clips)
    result.near_copies = find_near_copies(store, result.clips)
    return result


def _count_clip(result: Checked, clip: CheckedClip) -> None:
    result.measured += clip.is_new
    result.unreadable += clip.measures is None or not clip.measures.is_decoded
    result.added += clip.added is not None
    result.left += clip.is_left
    verdict = None if clip.judgement is None else clip.judgement.verdict
    result.accepted += verdict is Verdict.ACCEPTED
    result.open += verdict is Verdict.OPEN
    if clip.judgement is not None and verdict is Verdict.REJECTED:
        result.rejected[clip.judgement.gate] += 1


def choose_clips(store: Store, jobs: Sequence[str], where: Condition | None) -> Iterator[ClipRecord]:
    """The finished clips of the named ``jobs``, or of all, for which ``where`` is true. Raises ``UsageError``."""
    named = select_jobs(store, jobs) if jobs else []
    wrong = [f"{job.name!r} is {job.state}, and has no clip" for job in named if job.state is not JobState.SUCCEEDED]
    if wrong:
        raise UsageError("; ".join(wrong))
    wanted = {job.seq for job in named}
    return (clip for clip in store.facts.list_clips(where) if not jobs or clip.seq in wanted)


def _find_sidecars(store: Store) -> Sidecars:
    """Where the last run wrote the sidecars."""
    saved = SavedSettings.parse(store.runs.read_last_options())
    return Sidecars.named(saved.values.get("sidecars"))


class ClipChecker:
    """Measures clips in several processes at a time, and records each of them as soon as it is measured."""

    def __init__(self, store: Store, clips: ClipInspector, *, level: CheckLevel, again: bool = False) -> None:
        self._store = store
        self._clips = clips
        self._level = level
        self._again = again
        self._queue: deque[int] = deque()
        self._done = 0

    def has_work(self, clip: ClipRecord) -> bool:
        """Whether a clip is to be measured or judged."""
        return self.needs_file(clip) or (clip.policy is not None and clip.verdict is None)

    def needs_file(self, clip: ClipRecord) -> bool:
        """Whether a clip is to be measured."""
        if self._again or clip.level is None or clip.version != VERSION:
            return True
        return not is_current(Measures(level=clip.level), self._find_level(clip.policy))

    def _find_level(self, policy: str | None) -> CheckLevel:
        return find_highest_level([self._level, parse_policy(policy).needed_level])

    async def check_clips(self, seqs: Sequence[int], seen: Callable[[CheckedClip, int], None]) -> None:
        """Measure and judge the clips of these jobs; ``seen`` gets each, with the number of those so far."""
        self._queue.extend(seqs)
        async with anyio.create_task_group() as tasks:
            for _ in range(min(self._clips.at_once, len(seqs))):
                tasks.start_soon(self._empty_queue, seen)

    async def _empty_queue(self, seen: Callable[[CheckedClip, int], None]) -> None:
        while self._queue:
            job = self._store.queries.read_job(self._queue.popleft())
            clip = await self._check_job(job)
            self._done += 1
            seen(clip, self._done)

    async def _check_job(self, job: Job) -> CheckedClip:
        video = video_at(job)
        level = self._find_level(job.policy)
        measures = None if self._again else self._store.facts.read_measures(job)
        is_new = measures is None or not is_current(measures, level)
        try:
            if measures is None or is_new:
                measures = await self._clips.measure_clip(job, level)
        except OSError as error:
            return CheckedClip(job=job, video=video, problem=f"cannot be read: {find_reason(error)}")
        problem = None if measures.is_decoded else "; ".join(measures.problems)
        clip = CheckedClip(job=job, video=video, measures=measures, problem=problem, is_new=is_new)
        clip = _record_clip(self._store, clip, measures)
        if not clip.is_left:
            # the database has it: a sidecar that cannot be written now costs nothing but itself
            with suppress(OSError):
                await self._clips.add_to_sidecar(job, describe_check(job, measures, clip.judgement))
        return clip


def _record_clip(store: Store, clip: CheckedClip, measures: Measures) -> CheckedClip:
    """Record the measures of a clip, and what follows from them if its job has a policy."""
    job, now = clip.job, time.time()
    if job.policy is None:
        if clip.is_new:
            store.facts.record_measures(job, measures, now=now)
        return clip
    judgement = judge_job(store, job, parse_policy(job.policy), measures)
    clip = replace(clip, judgement=judgement)
    if _is_left_to_run(store, job, judgement):
        store.facts.record_measures(job, measures, now=now)
        return replace(clip, is_left=True)
    try:
        judged = record_judgement(store, job, measures, judgement, tries=USUAL_TRIES, run=None, now=now)
    except MoveLost:  # another process fetches the clip anew
        return replace(clip, judgement=None, problem="it has changed meanwhile")
    return replace(clip, added=judged.added)


def _is_left_to_run(store: Store, job: Job, judgement: Judgement) -> bool:
    """Whether a verdict would add a take while a run is active, which might end before it sees the take."""
    take = make_take(store, job, judgement, tries=USUAL_TRIES)
    return take is not None and store.takes.list_family(job)[-1].seq == job.seq and store.runs.is_running()


async def judge_scored(store: Store, seqs: Iterable[int], result: Checked) -> None:
    """Judge those of these clips that have measures but no verdict, since they got scores; no file is measured.

    ``result`` counts them.
    """
    inspector = StoredClips(_find_sidecars(store))
    for seq in seqs:
        job = store.queries.read_job(seq)
        measures = store.facts.read_measures(job) if job.policy is not None and job.verdict is None else None
        if measures is None or not is_current(measures, parse_policy(job.policy).needed_level):
            continue
        clip = _record_clip(store, CheckedClip(job=job, video=video_at(job), measures=measures), measures)
        _count_clip(result, clip)
        if not clip.is_left:
            with suppress(OSError):
                await inspector.add_to_sidecar(job, describe_check(job, measures, clip.judgement))


def list_still_rejected(store: Store, seqs: Iterable[int]) -> list[int]:
    """Those of these clips that are rejected, and have no take that is accepted or open."""
    wanted = set(seqs)
    return [seq for seq in store.verdicts.list_rejected() if seq in wanted]


def find_near_copies(store: Store, seqs: Iterable[int]) -> list[tuple[int, ...]]:
    """The groups of near copies, among all clips of the database, with one of these jobs."""
    wanted = set(seqs)
    groups = group_near_copies(store.facts.list_hashes())
    return [group for group in groups if not wanted.isdisjoint(group)]
