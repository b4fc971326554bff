"""Sees which situations a night visits, lets processes die in those that are wanted, and brings the world's faults."""

from __future__ import annotations

import errno
import random
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple
from unittest import mock

from batchveo.core.gates import Verdict
from batchveo.core.models import Job, JobState
from batchveo.core.state_machine import Move
from batchveo.sandbox import Generation, Service
from batchveo.sandbox.endpoints.videos import FILES_PREFIX
from batchveo.sandbox.generations import Status
from batchveo.sandbox.http_messages import Request, Response
from batchveo.sandbox.seeded_random import FaultPlan
from batchveo.sandbox.settings import AFTER_ACCEPTING, BEFORE_ACCEPTING, DOWNLOAD, MODEL, POLL
from batchveo.storage.local import FolderGone, FolderStorage, FolderTarget, FolderWriter
from batchveo.storage.video_file import VideoFile
from batchveo.store.database import Connection
from batchveo.store.links import LinkRecord, Links
from batchveo.store.transitions import Transitions
from batchveo.store.verdicts import Judged, Verdicts
from tests.helpers.fake_clips import FakeClips
from tests.simulation.situations import BETWEEN, GIVEN_UP, NONE, POSSIBLE, RENAMED, Situation

ON_SUBMIT = frozenset({*BEFORE_ACCEPTING, *MODEL, *AFTER_ACCEPTING, "401"})
WITH_VIDEO = frozenset({"video-list", "video-addresses", "usd-only"})
"""Faults of a poll that show only in an answer with a video."""
RESUMED = frozenset({"ignore-range", "changed-etag"})
"""Faults of a download that show only if a part of the video is asked for."""
DISK_ERRORS = {"disk-full": errno.ENOSPC, "name-refused": errno.ENAMETOOLONG, "file-refused": errno.EACCES}

ACTOR: ContextVar[str] = ContextVar("actor", default="")
"""The worker for which the code runs; empty for a worker in the coordinator's process."""


class Crash(BaseException):
    """The process dies here: nothing after this point happens."""


class _Write(NamedTuple):
    """A write that is not on disk yet, of the job with this id."""

    job: str
    step: str
    fault: str
    state: str
    worker: str


class Observer:
    """``worker``: the kind of the night's workers. ``aims``: the situations that the night looks for.

    ``dies_anywhere`` decides at each point without an aim whether the process dies there all the same.
    ``dead``: the process that writes the state is; a dead one puts nothing more on disk.
    """

    def __init__(
        self,
        worker: str,
        aims: Collection[Situation] = (),
        *,
        seed: int = 0,
        dies_anywhere: Callable[[], bool] = lambda: False,
    ) -> None:
        self.worker = worker
        self.aims = set(aims)
        self.visited: set[Situation] = set()
        self.surprises: set[Situation] = set()
        """Visited situations that the rule calls impossible."""
        self.dead = False
        self.deaths = 0
        self.works = True
        """Whether the world still has faults, and processes still die."""
        self.is_given_up: Callable[[str], bool] = lambda worker: False
        self.note_beginning: Callable[[], None] = lambda: None
        """Called when a process begins."""
        self.note_claim: Callable[[sqlite3.Connection, Job], None] = lambda db, job: None
        """Called with each job that is claimed, and the database as it is then."""
        self.note_request: Callable[[str], None] = lambda job: None
        """Called with the id of the job of each submit that arrives at the service."""
        self.now: Callable[[], float] = float
        self.good_at: dict[str, float] = {}
        """When the video of each job was verified, and accepted if it has gates."""
        self.list_children: Callable[[Job], list[str]] = lambda parent: []
        """The ids of the jobs that wait for the video of a job."""
        self.list_looked_up: Callable[[], list[tuple[str, str, str | None]]] = list
        """The jobs that the log is read for: id, state, client request id."""
        self._rng = random.Random(seed)
        self._dies_anywhere = dies_anywhere
        self._met: dict[tuple[str, bool], tuple[str, str]] = {}
        """The last fault, with the state, of each job whose outcome is not on disk, by job and whether given up."""
        self._unflushed: list[_Write] = []
        self._drawn: list[str] = []

    # -- what is seen

    def note_fault(self, fault: str, job: str, state: str, *, worker: str = "") -> None:
        """``fault`` strikes ``job`` in the hands of ``worker``."""
        given_up = bool(worker) and self.is_given_up(worker)
        self._visit(Situation(fault, state, NONE, GIVEN_UP if given_up else self.worker))
        self._met[job, given_up] = fault, state

    def note_death_between(self, states: Collection[str]) -> None:
        """The process died while jobs were in these states."""
        for state in states:
            self._visit(Situation(NONE, state, BETWEEN, self.worker))

    def begin_process(self) -> None:
        """A process begins: what the one before did not put on disk is gone, and what it met does not matter."""
        self.dead = False
        self._unflushed.clear()
        self._met.clear()
        self.note_beginning()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Inside, a process of which nothing is wanted writes the state."""
        works, dead = self.works, self.dead
        self.works = self.dead = False
        yield
        self.works, self.dead = works, dead

    def wants(self, fault: str, state: str, worker: str = "") -> bool:
        """Whether the night looks for a situation with this fault and state."""
        kind = GIVEN_UP if worker and self.is_given_up(worker) else self.worker
        return self.works and any(
            (aim.fault, aim.state, aim.worker) == (fault, state, kind) for aim in self.aims - self.visited
        )

    def _visit(self, situation: Situation) -> None:
        (self.visited if situation in POSSIBLE else self.surprises).add(situation)

    # -- deaths

    def pass_points(self, situations: Collection[Situation], *, elsewhere: bool = False) -> None:
        """Die in one of ``situations`` if one is wanted, or by chance. ``elsewhere``: the process is a worker's."""
        if not elsewhere and self.dead:
            raise Crash
        if self.works and (self.aims.intersection(situations) - self.visited or self._dies_anywhere()):
            for situation in situations:
                self._visit(situation)
            self.deaths += 1
            if not elsewhere:
                self.dead = True
            raise Crash

    def _find_actor(self) -> tuple[str, bool]:
        worker = ACTOR.get()
        given_up = bool(worker) and self.is_given_up(worker)
        return (GIVEN_UP if given_up else self.worker), given_up

    def describe_write(self, job: Job, state: str, step: str) -> _Write:
        """The write of ``step`` for ``job``, with the fault that it follows."""
        kind, given_up = self._find_actor()
        if given_up:
            state = "sent"
        fault, met_state = self._met.get((job.id, given_up), (NONE, state))
        if Situation(fault, state, f"before-{step}", kind) not in POSSIBLE or met_state != state:
            fault = NONE
        return _Write(job.id, step, fault, state, kind)

    def pass_before(self, write: _Write) -> None:
        """Before ``write``."""
        self.pass_points([Situation(write.fault, write.state, f"before-{write.step}", write.worker)])

    def add_write(self, write: _Write) -> None:
        """``write`` is done, and not on disk."""
        self._unflushed.append(write)

    def pass_flush(self) -> None:
        """Before all that is unflushed goes to the disk: of each job, the first write that would be lost counts."""
        first = {each.job: each for each in reversed(self._unflushed)}
        self.pass_points(
            [Situation(each.fault, each.state, f"{each.step}-not-flushed", each.worker) for each in first.values()]
        )

    def fail_commit(self) -> None:
        """Let the disk be full, if that is wanted for a write that is not flushed."""
        struck = [each for each in self._unflushed if self.wants("database-full", each.state)]
        if struck and self._rng.random() < 0.5:
            for each in self._unflushed:
                self.note_fault("database-full", each.job, each.state)
            self._unflushed.clear()
            raise sqlite3.OperationalError("database or disk is full")

    def lock_database(self, job: str, state: str) -> None:
        """Let another process hold the database, if that is wanted."""
        if self.wants("database-locked", state) and self._rng.random() < 0.5:
            self.note_fault("database-locked", job, state)
            raise sqlite3.OperationalError("database is locked")

    def pass_flushed(self) -> None:
        """All is on disk: of each job, the last write counts."""
        last = {each.job: each for each in self._unflushed}
        self._unflushed.clear()
        for each in last.values():
            if each.step in ("outcome", "link"):
                self._met.pop((each.job, each.worker == GIVEN_UP), None)
        self.pass_points(
            [Situation(each.fault, each.state, f"after-{each.step}", each.worker) for each in last.values()]
        )

    def pass_rename(self, job: Job, point: str) -> None:
        """Before or after the video of ``job`` gets its name; the process may be a worker's."""
        kind, given_up = self._find_actor()
        fault, state = self._met.get((job.id, given_up), (NONE, ""))
        fault = fault if fault in RENAMED and state == "downloading" else NONE
        situation = Situation(fault, "downloading", point, kind)
        if kind != GIVEN_UP:
            self.pass_points([situation], elsewhere=bool(ACTOR.get()))

    # -- the service

    def watch_service(self, service: Service, worker: str) -> Callable[[Request], Response]:
        """``service.handle`` for ``worker``, seen."""

        def handle(request: Request) -> Response:
            self._drawn.clear()
            if request.method == "POST" and (sent := request.headers.get("x-client-request-id")):
                self.note_request(name_job(sent))
            answer = service.handle(request)
            for fault, job, state in list(self._find_strikes(service, request, answer)):
                self.note_fault(fault, job, state, worker=worker)
            return answer

        return handle

    def _find_strikes(self, service: Service, request: Request, answer: Response) -> Iterator[tuple[str, str, str]]:
        """Each fault of an answer, with the job that it strikes and its state."""
        if request.method == "POST" and (sent := request.headers.get("x-client-request-id")):
            yield from ((fault, name_job(sent), "sent") for fault in self._find_submit_faults(service, answer))
        elif asked := dict(request.query).get("generation_id"):
            accounts = service._state.accounts.values()
            made = next((each.generations[asked] for each in accounts if asked in each.generations), None)
            # a video that is good already is asked for its address
            if made is not None and (job := name_job(made.client_request_id)) not in self.good_at:
                yield from ((fault, job, "generating") for fault in self._find_poll_faults(service, made))
        elif request.path.startswith(FILES_PREFIX):
            found = service._state.find_file(request.path.removeprefix(FILES_PREFIX).removesuffix(".mp4"))
            if found is not None:
                job = name_job(found.client_request_id)
                yield from ((fault, job, "downloading") for fault in self._find_download_faults(request, answer))
        elif request.path == "/v2/logs":
            yield from self._find_log_strikes(service, answer)

    def _find_submit_faults(self, service: Service, answer: Response) -> list[str]:
        faults = [fault for fault in self._drawn if fault in ON_SUBMIT]
        if answer.status == 429 and not faults:
            return ["limit-rate" if service.settings.concurrency is None else "limit-concurrency"]
        return faults

    def _find_poll_faults(self, service: Service, made: Generation) -> list[str]:
        now = service._clock()
        has_video = made.status(now) is Status.COMPLETED and made.ending != "no-url"
        faults = [each for each in self._drawn if each in ("401", *POLL) and (has_video or each not in WITH_VIDEO)]
        if faults:
            return faults
        if now < made.known_at:
            return ["poll-404"]
        return [made.ending] if made.ending and now >= made.ready_at else []

    def _find_download_faults(self, request: Request, answer: Response) -> list[str]:
        if answer.status == 403:
            return ["expiring-url"]
        return [
            each for each in self._drawn if each in DOWNLOAD and (each not in RESUMED or "range" in request.headers)
        ]

    def _find_log_strikes(self, service: Service, answer: Response) -> Iterator[tuple[str, str, str]]:
        now, lag = service._clock(), service.settings.log_lag
        late = {
            row.client_request_id for row in service.requests() if row.created + lag <= now < row.shown_at
        }  # fmt: skip
        if answer.status in (401, 429):
            fault = "401" if answer.status == 401 else "log-429"
            yield from ((fault, job, state) for job, state, _ in self.list_looked_up())
        elif late:
            yield from (("late-log", job, state) for job, state, request in self.list_looked_up() if request in late)

    # -- the patches

    @contextmanager
    def watching(self) -> Iterator[None]:
        """See everything that happens inside."""
        with ExitStack() as stack:
            for owner, name, wrap in (
                (Transitions, "claim_job", self._wrap_claim),
                (Transitions, "apply_move", self._wrap_move),
                (Transitions, "mark_sent", self._wrap_mark),
                (Verdicts, "record_verdict", self._wrap_verdict),
                (FakeClips, "take_frame", self._wrap_frame),
                (Links, "fill_frame", self._wrap_fill),
                (Links, "fill_text", self._wrap_fill),
                (Connection, "flush", self._wrap_flush),
                (Connection, "_commit", self._wrap_commit),
                (VideoFile, "publish_part", self._wrap_publish),
                (FolderWriter, "write_block", self._wrap_block),
                (FolderStorage, "choose_target", self._wrap_target),
                (FaultPlan, "has_fault", self._wrap_draw),
            ):
                stack.enter_context(mock.patch.object(owner, name, wrap(getattr(owner, name))))
            yield

    def _wrap_claim(self, claim: Callable[..., Job | None]) -> Callable[..., Job | None]:
        def claim_seen(transitions: Transitions, **options: Any) -> Job | None:
            self.pass_points([Situation(NONE, "pending", "before-intent", self.worker)])
            if not transitions._db.in_transaction:
                self.lock_database("", "pending")
            job = claim(transitions, **options)
            if job is not None:
                assert not job.waits, f"{job.name} was claimed, and waits"
                self.note_claim(transitions._db, job)
                self.add_write(_Write(job.id, "intent", NONE, "pending", self.worker))
            return job

        return claim_seen

    def _wrap_verdict(self, record: Callable[..., Judged]) -> Callable[..., Judged]:
        def verdict_seen(verdicts: Verdicts, *arguments: Any, **options: Any) -> Judged:
            self.pass_points([])
            judged = record(verdicts, *arguments, **options)
            if judged.job.verdict == Verdict.ACCEPTED:
                self.good_at.setdefault(judged.job.id, self.now())
            self.pass_points([])  # written, and not on disk
            return judged

        return verdict_seen

    def _wrap_frame(self, take: Callable[..., Awaitable[bytes]]) -> Callable[..., Awaitable[bytes]]:
        async def frame_seen(clips: FakeClips, job: Job, part: str) -> bytes:
            self.pass_points([])
            waiting = self.list_children(job)
            if self.wants("input-gone", "waiting") and self._rng.random() < 0.5:
                for child in waiting:
                    self.note_fault("input-gone", child, "waiting")
                raise OSError(errno.EIO, "input-gone")
            frame = await take(clips, job, part)
            self.pass_points([])
            return frame

        return frame_seen

    def _wrap_fill(self, fill: Callable[..., bool]) -> Callable[..., bool]:
        def fill_seen(links: Links, link: LinkRecord, *arguments: Any, **options: Any) -> bool:
            child = links._queries.read_job(link.child)
            write = self.describe_write(child, "waiting", "link")
            self.pass_before(write)
            if not links._db.in_transaction:
                self.lock_database(child.id, "waiting")
            filled = fill(links, link, *arguments, **options)
            if filled:
                self.add_write(write)
            return filled

        return fill_seen

    def _wrap_mark(self, mark: Callable[..., None]) -> Callable[..., None]:
        def mark_seen(transitions: Transitions, job: Job, **options: Any) -> None:
            write = self.describe_write(job, "claimed", "mark")
            self.pass_before(write)
            if not transitions._db.in_transaction:
                self.lock_database(job.id, "claimed")
            mark(transitions, job, **options)
            self.add_write(write)

        return mark_seen

    def _wrap_move(self, apply: Callable[..., Job]) -> Callable[..., Job]:
        def move_seen(transitions: Transitions, job: Job, move: Move, **options: Any) -> Job:
            write = self.describe_write(job, name_state(transitions, job), "outcome")
            self.pass_before(write)
            if not transitions._db.in_transaction:
                self.lock_database(job.id, write.state)
            moved = apply(transitions, job, move, **options)
            if moved.state is JobState.SUCCEEDED and moved.policy is None:
                self.good_at.setdefault(moved.id, self.now())
            self.add_write(write)
            return moved

        return move_seen

    def _wrap_flush(self, flush: Callable[[Connection], None]) -> Callable[[Connection], None]:
        def flush_seen(connection: Connection) -> None:
            self.pass_flush()
            flush(connection)
            self.pass_flushed()

        return flush_seen

    def _wrap_commit(self, commit: Callable[[Connection], None]) -> Callable[[Connection], None]:
        def commit_seen(connection: Connection) -> None:
            if connection._sharing and connection.db.in_transaction:
                self.fail_commit()
            commit(connection)

        return commit_seen

    def _wrap_publish(self, publish: Callable[..., tuple[str, ...]]) -> Callable[..., tuple[str, ...]]:
        def publish_seen(file: VideoFile, job: Job, **options: Any) -> tuple[str, ...]:
            self.pass_rename(job, "before-rename")
            notes = publish(file, job, **options)
            self.pass_rename(job, "after-rename")
            return notes

        return publish_seen

    def _wrap_block(self, write: Callable[[FolderWriter], None]) -> Callable[[FolderWriter], None]:
        def write_seen(writer: FolderWriter) -> None:
            self._break_disk(writer._target.job, DISK_ERRORS)
            write(writer)

        return write_seen

    def _wrap_target(self, choose: Callable[..., Awaitable[FolderTarget]]) -> Callable[..., Any]:
        async def choose_seen(storage: FolderStorage, job: Job) -> FolderTarget:
            self._break_disk(job, {"folder-gone": errno.ENODEV})
            return await choose(storage, job)

        return choose_seen

    def _break_disk(self, job: Job, errors: dict[str, int]) -> None:
        for fault, number in errors.items():
            if self.wants(fault, "downloading", ACTOR.get()) and self._rng.random() < 0.3:
                self.note_fault(fault, job.id, "downloading", worker=ACTOR.get())
                raise (FolderGone if fault == "folder-gone" else OSError)(number, fault)

    def _wrap_draw(self, draw: Callable[..., bool]) -> Callable[..., bool]:
        def draw_seen(plan: FaultPlan, name: str, *subject: object) -> bool:
            drawn = draw(plan, name, *subject)
            if drawn:
                self._drawn.append(name)
            return drawn

        return draw_seen


def name_job(client_request_id: str | None) -> str:
    """The id of the job of a request."""
    return str(client_request_id).split(".")[1]


def name_state(transitions: Transitions, job: Job) -> str:
    """The state of ``job``, with the two halves of ``submitting`` apart, and those of ``pending``."""
    if job.state is JobState.PENDING and job.waits:
        return "waiting"
    if job.state is not JobState.SUBMITTING:
        return job.state
    return "sent" if transitions._was_sent(job) else "claimed"
