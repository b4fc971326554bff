"""One moment of a run or a database, for displays and as JSON that scripts rely on."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Generic, NamedTuple, TypeVar

from batchveo.core.durations import Durations, Expectation
from batchveo.core.events import SubmitsPaused, ThrottleChanged, ThrottleReason, WaitingForLog
from batchveo.core.forecast import Forecast, estimate_remaining, forecast_run
from batchveo.core.formatting import describe_wait, format_forecast
from batchveo.core.hints import address_options, format_command
from batchveo.core.models import Job, JobState
from batchveo.core.settings import RunSettings
from batchveo.operations.saved_settings import SavedSettings
from batchveo.storage.sidecar import format_time
from batchveo.storage.stored_video import video_at
from batchveo.store import Counts, Store
from batchveo.store.waiting_jobs import BlockedCount

T = TypeVar("T")

RATE_WINDOW = 3600.0
"""Seconds of the past over which the rate of finished videos is measured."""
DOUBTS_SHOWN = 3
FORECAST_SECONDS = 10.0
"""A forecast is made again after this time at the earliest: it is the slow part of a snapshot."""
SLOW_SHARE = 100.0
"""How many times longer than it took to find a slow value it is taken as it is."""
SOON = 1.0
"""The least number of seconds left: what is overdue may come at any moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """A job in flight. ``since``: when it was submitted, or its generation ended if it is being downloaded.

    ``expected``: seconds that its generation usually takes, if that is known. Times are seconds since the epoch.
    """

    name: str
    state: JobState
    since: float
    expected: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One moment of a database. Times are seconds since the epoch, money is US dollars.

    ``begun`` is when the latest run began, ``going`` whether it still runs. ``committed`` is what is spent, in flight
    or in doubt; ``unpriced`` videos have no known price. ``ahead`` is the time left. ``flights`` are the oldest jobs in
    flight. ``waiting`` pending jobs wait for the video of another job, without the ``blocked`` ones. ``chains`` are
    counted only for a live view. ``pace``, and what ``slowed`` the submits last, are known only from the events of the
    run.

    ``waits_since``: if only the usage log is waited for, when the latest submit in doubt was sent;
    ``waits_until``: until when at most. ``state`` is the database, ``resume`` the command that resumes it.
    """

    now: float
    counts: Counts
    begun: float | None = None
    going: bool = True
    spent: float = 0.0
    committed: float = 0.0
    unpriced: int = 0
    budget: float | None = None
    videos_per_hour: float = 0.0
    usd_per_hour: float = 0.0
    ahead: Forecast | None = None
    doubts: tuple[Job, ...] = ()
    flights: tuple[Flight, ...] = ()
    waiting: int = 0
    blocked: tuple[BlockedCount, ...] = ()
    chains: ChainCounts | None = None
    pace: ThrottleChanged | None = None
    slowed: SubmitsPaused | None = None
    waits_since: float | None = None
    waits_until: float | None = None
    waits_failures: int = 0
    state: Path | None = None
    resume: str = "batchveo resume"

    @property
    def left(self) -> int:
        """Jobs that are neither finished nor held nor blocked."""
        unfinished = sum(self.counts[state] for state in JobState if not state.is_terminal)
        return unfinished - self.counts.held - self.blocked_jobs

    @property
    def blocked_jobs(self) -> int:
        """Jobs that wait for a video that nobody makes any more."""
        return sum(each.jobs for each in self.blocked)

    @property
    def open_doubts(self) -> int:
        """Jobs whose submit may still show in the usage log."""
        return self.counts[JobState.IN_DOUBT] - self.counts.held

    @property
    def in_flight(self) -> int:
        """Jobs being submitted or generated."""
        return self.counts[JobState.SUBMITTING] + self.counts[JobState.GENERATING]

    @property
    def settled_jobs(self) -> int:
        """Jobs that are neither left nor blocked."""
        return self.counts.total - self.left - self.blocked_jobs

    @property
    def settled(self) -> float:
        """The share of these, from 0 to 1."""
        return self.settled_jobs / self.counts.total if self.counts.total else 1.0


class ChainCounts(NamedTuple):
    """How many chains there are, and of how many each job has a video."""

    total: int
    done: int


class SlowValue(Generic[T]):
    """What takes a while to find in a large database, found again so rarely that it takes a hundredth of the time."""

    def __init__(self, least_seconds: float = 0.0) -> None:
        self._least_seconds = least_seconds
        self._known: tuple[T, float] | None = None
        self._good_until = float("-inf")

    def find(self, now: float, find: Callable[[], T]) -> tuple[T, float]:
        """The value, and when it was found."""
        if self._known is None or now >= self._good_until:
            began = perf_counter()
            self._known = find(), now
            self._good_until = now + max(self._least_seconds, SLOW_SHARE * (perf_counter() - began))
        return self._known


@dataclass(slots=True)
class SnapshotReader:
    """Reads one snapshot of ``store`` after another.

    ``places``: slots; ``per_minute``: submits; ``blocked``: the blocked jobs; each if it is known.
    """

    store: Store
    places: int | None = None
    per_minute: float | None = None
    blocked: Sequence[BlockedCount] | None = None
    _expected: Mapping[str, Expectation] = field(default_factory=dict)
    _forecast: SlowValue[Forecast | None] = field(default_factory=lambda: SlowValue(FORECAST_SECONDS))
    _blocked: SlowValue[tuple[BlockedCount, ...]] = field(default_factory=SlowValue)
    _chains: SlowValue[ChainCounts | None] = field(default_factory=SlowValue)

    def _find_blocked(self, now: float) -> tuple[BlockedCount, ...]:
        if self.blocked is not None:
            return tuple(self.blocked)
        return self._blocked.find(now, lambda: tuple(self.store.waiting.count_blocked()))[0]

    def read_snapshot(
        self,
        now: float,
        *,
        pace: ThrottleChanged | None = None,
        slowed: SubmitsPaused | None = None,
        waiting: WaitingForLog | None = None,
        most_flights: int = 0,
    ) -> Snapshot:
        """The database as it is ``now``; ``pace``, ``slowed`` and ``waiting`` are the latest events of its run.

        ``most_flights``: how many jobs in flight to list.
        """
        store = self.store
        counts = store.counts()
        spent, unpriced = store.spend()
        work = store.runs.find_latest_work()
        begun = work["started_at"] if work else None
        since = now - RATE_WINDOW if begun is None else max(now - RATE_WINDOW, begun)
        made, usd = store.progress.sum_made_since(since)
        per_hour = 3600.0 / max(now - since, 1.0)
        waits = store.waiting.count_waiting()
        blocked = self._find_blocked(now) if waits else ()
        shot = Snapshot(
            now=now,
            counts=counts,
            begun=begun,
            going=store.runs.is_running(),
            spent=spent,
            committed=store.queries.read_committed(),
            unpriced=unpriced,
            budget=work["budget_usd"] if work else None,
            videos_per_hour=made * per_hour,
            usd_per_hour=usd * per_hour,
            doubts=tuple(store.progress.list_doubts(most=DOUBTS_SHOWN)) if counts[JobState.IN_DOUBT] else (),
            waiting=max(waits - sum(each.jobs for each in blocked), 0),
            blocked=blocked,
            chains=self._chains.find(now, self._count_chains)[0] if most_flights else None,
            pace=pace,
            slowed=slowed,
            state=store.path,
        )
        failures = 0 if waiting is None else waiting.failures
        if shot.going and shot.left == shot.open_doubts and (shot.left or failures):
            return replace(self._add_wait(shot, waiting), waits_failures=failures)
        ahead = estimate_remaining(self._find_forecast(shot), left=shot.left, made=made, seconds=now - since)
        flights = self._list_flights(most_flights) if most_flights else ()  # with what the forecast has learned
        return replace(shot, ahead=ahead and _shift_forecast(ahead, -_count_pause(shot)), flights=flights)

    def _count_chains(self) -> ChainCounts | None:
        return ChainCounts(*self.store.chains.count_chains()) if self.store.chains.has_links() else None

    def _list_flights(self, most: int) -> tuple[Flight, ...]:
        return tuple(
            Flight(
                name=row["name"],
                state=JobState(row["state"]),
                since=row["completed_at" if row["state"] == JobState.DOWNLOADING else "submitted_at"] or 0.0,
                expected=expected.median if (expected := self._expected.get(row["model"])) else None,
            )
            for row in self.store.progress.list_in_flight(most=most)
        )

    def _add_wait(self, shot: Snapshot, waiting: WaitingForLog | None) -> Snapshot:
        """``shot`` without a forecast: only doubts are left, and the usage log is late for reasons of its own."""
        doubted = [job.doubted_at for job in self.store.jobs(JobState.IN_DOUBT) if not job.held and job.doubted_at]
        resume = format_command("resume", state=shot.state, service=address_options(self.store.runs.list_services()))
        since = max(doubted, default=shot.now)
        # another process's run has no events here, but its time limit is in the database
        settle = SavedSettings.parse(self.store.runs.read_last_options()).values.get("settle", RunSettings().settle)
        until = waiting.until if waiting is not None and waiting.until > since else since + settle
        return replace(shot, waits_since=since, waits_until=until, resume=resume)

    def _find_forecast(self, shot: Snapshot) -> Forecast | None:
        """The forecast from the models' generation times, moved to this moment."""
        if not shot.going:  # no run needs a forecast, and it is slow for a large database
            return None
        forecast, made_at = self._forecast.find(shot.now, lambda: self._make_forecast(shot))
        return forecast and _shift_forecast(forecast, shot.now - made_at)

    def _make_forecast(self, shot: Snapshot) -> Forecast | None:
        left = self.store.progress.count_left_by_model(blocked=shot.blocked_jobs)
        durations = Durations()
        for model in left:
            durations.learn_all(model, self.store.queries.list_generation_seconds(model))
        self._expected = expected = {
            model: known for model in left if (known := durations.find_expected(model)) is not None
        }
        places = shot.pace.limit if shot.pace else self.places or max(shot.in_flight, 1)
        in_row = 1 + self.store.chains.measure_row() if shot.waiting else 1
        ahead = forecast_run(left, expected, places=places, per_minute=self.per_minute, in_row=in_row)
        # the forecast assumes that what is in flight begins at this moment
        return ahead and _shift_forecast(ahead, self.store.progress.measure_age_in_flight(shot.now))


def _count_pause(shot: Snapshot) -> float:
    """Seconds for which nothing is submitted, if that is known; else 0."""
    pace = shot.pace
    return max(pace.until - shot.now, 0.0) if pace and pace.brake is ThrottleReason.PAUSE and pace.until else 0.0


def _shift_forecast(ahead: Forecast, seconds: float) -> Forecast:
    """The same end, seen ``seconds`` later."""
    return Forecast(
        low=max(ahead.low - seconds, SOON),
        likely=max(ahead.likely - seconds, SOON),
        high=max(ahead.high - seconds, SOON),
    )


def make_job_row(job: Job) -> dict[str, object]:
    """One line of ``batchveo jobs --json``. Fields are added over time, never taken away."""
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state.value,
        "model": job.model,
        "prompt": job.prompt,
        "generation_id": job.generation_id,
        "client_request_id": job.client_request_id,
        "file": str(video_at(job)) if job.file else None,
        "bytes": job.bytes,
        "sha256": job.sha256,
        "cost_usd": job.cost_usd,
        "attempts": job.attempts,
        "error": job.error,
        "held": job.held,
        "index": job.index,
        "seed": job.request.get("seed"),
        "meta": dict(job.meta),
        "manifest": job.manifest,
        "source": job.source,
        "line": job.line,
        "key": job.api_key_label,
        "catalogue": job.catalog,
        "unchecked": list(job.unchecked),
        "priority": job.priority,
        "duration": job.request.get("duration"),
        "created_at": format_time(job.created_at),
        "submitted_at": format_time(job.submitted_at),
        "completed_at": format_time(job.completed_at),
        "finished_at": format_time(job.finished_at),
    }


def make_status_row(
    store: Store, *, now: float | None = None, blocked: Sequence[BlockedCount] | None = None
) -> dict[str, object]:
    """``batchveo status --json``: counts by state, money, speed, what is in doubt.

    ``blocked``: the blocked jobs, if they are counted already.
    """
    reader = SnapshotReader(store=store, blocked=blocked)
    return make_snapshot_row(store, reader.read_snapshot(time.time() if now is None else now))


def make_snapshot_row(store: Store, shot: Snapshot) -> dict[str, object]:
    """The same for a snapshot that is read already: its row, with the jobs in doubt and those put aside."""
    return {
        "state": str(store.path),
        **make_progress_row(shot),
        "put_aside": store.skipped.count_by_reason(),
        "blocked_by": [asdict(each) for each in shot.blocked],
        "catalogues": [asdict(catalog) for catalog in store.queries.list_catalogs()],
        "in_doubt": [
            {"id": job.id, "name": job.name, "held": job.held, "client_request_id": job.client_request_id}
            for job in store.jobs(JobState.IN_DOUBT)
        ],
    }


def make_progress_row(shot: Snapshot) -> dict[str, object]:
    """How far a database is; a part of ``status --json``, and the progress object of ``run --log-json``."""
    ahead = shot.ahead
    return {
        "total": shot.counts.total,
        "counts": {state.value: shot.counts[state] for state in JobState},
        "held": shot.counts.held,
        "waiting": shot.waiting,
        "blocked": shot.blocked_jobs,
        "spend_usd": round(shot.spent, 6),
        "committed_usd": round(shot.committed, 6),
        "budget_usd": shot.budget,
        "price_unknown": shot.unpriced,
        "running": shot.going,
        "videos_per_hour": round(shot.videos_per_hour, 2),
        "usd_per_hour": round(shot.usd_per_hour, 6),
        "eta_seconds": ahead and round(ahead.likely, 1),
        "eta_low_seconds": ahead and round(ahead.low, 1),
        "eta_high_seconds": ahead and round(ahead.high, 1),
    }


def describe_open_wait(shot: Snapshot) -> str:
    """What a run that waits for the usage log waits for, since when, and how long at most."""
    since = shot.now if shot.waits_since is None else shot.waits_since
    return describe_wait(shot.open_doubts, since, shot.waits_until, shot.now, failures=shot.waits_failures)


def describe_time_left(row: Mapping[str, Any]) -> str | None:
    """The time left in such a row, in the words of the live view; ``None`` if it is not known."""
    low, likely, high = (row[f"eta_{end}seconds"] for end in ("low_", "", "high_"))
    return None if likely is None else format_forecast(Forecast(low=low, likely=likely, high=high))
