"""Scores for finished clips from a program of the user: hands it the clips in batches, and records what it answers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import anyio
import anyio.to_thread

from batchveo.core.errors import find_reason
from batchveo.core.expressions import Value
from batchveo.core.fields import Condition, read_where
from batchveo.core.formatting import format_count
from batchveo.core.measures import describe_measures
from batchveo.core.models import Job
from batchveo.core.scores import ScoreError, read_scores
from batchveo.engine.lifecycle import single_error
from batchveo.operations.check_clips import Checked, choose_clips, judge_scored, list_still_rejected
from batchveo.operations.scoring_program import LONGEST_LINE, ProgramFailed, ScoringProgram
from batchveo.storage.stored_video import local_copy, video_at
from batchveo.store import Store

BATCH = 100
"""Clips that one process of the program gets."""
PROBLEMS_KEPT = 20


@dataclass(slots=True, kw_only=True)
class Scored:
    """What a program gave.

    ``sent`` clips were handed to the program; ``scored`` of them have scores now. ``problems``: sentences on lines that
    cannot be used and files that cannot be read, the first of ``problem_count``. ``judged``: all chosen clips, and the
    verdicts that followed.
    """

    sent: int = 0
    scored: int = 0
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0
    judged: Checked = field(default_factory=Checked)

    def add_problem(self, problem: str) -> None:
        """Keep a problem, if there are not many yet."""
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(problem)


def ignore_progress(done: int, total: int) -> None:
    """Do nothing."""


async def score_clips(
    store: Store,
    program: ScoringProgram,
    jobs: Sequence[str] = (),
    *,
    batch: int = BATCH,
    where: str | Condition | None = None,
    again: bool = False,
    seen: Callable[[int, int], None] = ignore_progress,
) -> Scored:
    """Hand finished clips to ``program``, ``batch`` at a time, and record the scores that it answers.

    Clips that have scores of this program already are left out, unless ``again``. Each answer is recorded as it comes,
    so that what is interrupted resumes. Open verdicts are decided anew, as far as the scores allow that.
    Raises ``UsageError``, and ``ProgramFailed`` if the program fails.
    """
    chosen = [clip.seq for clip in choose_clips(store, jobs, read_where(where))]
    scoring = _Scoring(store, program, again=again)
    scoring.result.judged.clips = chosen
    known = set() if again else store.facts.list_scored(program.source)
    waiting = [seq for seq in chosen if seq not in known]
    for first in range(0, len(waiting), batch):
        seen(first, len(waiting))
        seqs = waiting[first : first + batch]
        try:
            with single_error():
                await scoring.score_batch(seqs)
        finally:
            await judge_scored(store, seqs, scoring.result.judged)
    scoring.result.judged.still_rejected = list_still_rejected(store, chosen)
    return scoring.result


class _Scoring:
    """Scores batch after batch."""

    def __init__(self, store: Store, program: ScoringProgram, *, again: bool) -> None:
        self.result = Scored()
        self._store = store
        self._program = program
        self._again = again
        self._names: frozenset[str] | None = None
        """The scores that every answer had so far."""

    def _is_known(self, job: Job) -> bool:
        """Whether a clip has all scores that each answer had so far.

        A program that gives its scores the names of other tools is known by them as soon as it has answered once.
        """
        if self._again or not self._names:
            return False
        return self._names <= self._store.facts.read_scores(job).keys()

    async def score_batch(self, seqs: Sequence[int]) -> None:
        """Hand these clips to the program. Raises ``ProgramFailed``."""
        jobs = {job.id: job for job in map(self._store.queries.read_job, seqs) if not self._is_known(job)}
        with ExitStack() as copies:
            rows = [row for job in jobs.values() if (row := await self._make_row(job, copies)) is not None]
            if not rows:
                return
            self.result.sent += len(rows)
            answers = _Answers(self._store, jobs, self._program.source, self.result)
            try:
                await self._program.score_batch(rows, answers.record_lines)
            finally:
                if answers.common is not None:
                    self._names = answers.common if self._names is None else self._names & answers.common
        self._check_answers(rows, answers)

    async def _make_row(self, job: Job, copies: ExitStack) -> dict[str, object] | None:
        """What the program reads of a clip; ``None`` if there is no file."""
        try:
            path = await anyio.to_thread.run_sync(copies.enter_context, local_copy(video_at(job)))
            path.stat()
        except OSError as error:
            self.result.add_problem(f"{job.name}: {video_at(job)} cannot be read: {find_reason(error)}")
            return None
        measures = self._store.facts.read_measures(job)
        return {
            "id": job.id,
            "name": job.name,
            "path": str(path.absolute()),
            "prompt": job.prompt,
            "request": dict(job.request),
            "meta": dict(job.meta),
            "measures": None if measures is None else describe_measures(job.request, measures),
        }

    def _check_answers(self, rows: Sequence[Mapping[str, object]], answers: _Answers) -> None:
        missing = [str(row["name"]) for row in rows if row["id"] not in answers.answered]
        if len(missing) == len(rows):
            said = "".join(f"\n  {problem}" for problem in self.result.problems[-3:])
            raise ProgramFailed(
                f"{self._program.arguments[0]} answers nothing usable to {format_count(len(rows), 'clip')}: it has to "
                f'print {{"id": ..., "NAME": NUMBER}} for each{said}'
            )
        if missing:
            more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
            self.result.add_problem(f"no scores for {missing[0]}{more}")


class _Answers:
    """Reads and records the answers to one batch. ``common``: the names that each of them had."""

    def __init__(self, store: Store, jobs: Mapping[str, Job], source: str, result: Scored) -> None:
        self.answered: set[str] = set()
        self.common: frozenset[str] | None = None
        self._store = store
        self._jobs = jobs
        self._source = source
        self._result = result

    def record_lines(self, lines: Sequence[tuple[int, bytes]]) -> None:
        """Record lines of the answer, with one sync of the disk; what cannot be used is a problem each."""
        with self._store.connection.sharing():
            for number, line in lines:
                try:
                    self._record_line(line)
                except ScoreError as error:
                    self._result.add_problem(f"line {number} of the answer: {error}")

    def _record_line(self, line: bytes) -> None:
        if not line.strip():
            return
        answer = _parse_line(line)
        job_id = answer.pop("id", None)
        job = self._jobs.get(job_id) if isinstance(job_id, str) else None
        if job is None:
            raise ScoreError(f"the id {str(job_id)[:60]!r} is not one of the clips of this batch")
        try:
            scores: dict[str, Value] = read_scores(answer, self._source)
        except ScoreError as error:
            raise ScoreError(f"{job.id}: {error}") from None
        if not scores:
            raise ScoreError(f"{job.id}: it holds no scores")
        self._store.facts.record_scores(job, scores, now=time.time())
        self.common = frozenset(scores) if self.common is None else self.common & scores.keys()
        self._result.scored += job.id not in self.answered
        self.answered.add(job.id)


def _parse_line(line: bytes) -> dict[str, object]:
    if len(line) > LONGEST_LINE:
        raise ScoreError(f"it is longer than {LONGEST_LINE >> 20} MiB")
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        shown = line[:60].decode(errors="replace")
        raise ScoreError(f"it is not JSON: {shown!r}") from None
    if not isinstance(answer, dict):
        raise ScoreError("it is not a JSON object")
    return answer
