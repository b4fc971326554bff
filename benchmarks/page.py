"""How long the page waits for each of its answers, from the server that serves it, while a run writes."""

from __future__ import annotations

import http.client
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from batchveo.core.outcomes import Accepted, Completed, Downloaded
from batchveo.core.state_machine import next_state
from batchveo.store import Store
from benchmarks.loopback import BEGAN, HASH
from benchmarks.processes import ProgramFailed, batchveo, glance, started
from benchmarks.rows import Row, at_most
from benchmarks.spaces import workspace
from benchmarks.states import chain_jobs, state_of
from benchmarks.workloads import MODEL

MOST_SECONDS = 0.5
MOST_MEGABYTES = 150.0
LONGEST_SECONDS = 300.0
PAGE = 60
"""Cards that the page asks for at once."""
ORDERS = ("newest", "finished", "name", "cost", "time", "rating")
PAUSE = 0.02
"""Seconds between two steps of the run that writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Seconds of each answer; of the first search, which waits for the index, and the slowest first use of an order,
    which makes one; the server's largest resident bytes.
    """

    seconds: Mapping[str, float]
    first: float
    orders: float
    rss: int


def measure(*, quick: bool) -> list[Row]:
    """Every answer that the page asks for, several times."""
    jobs, times = (10_000, 3) if quick else (1_000_000, 5)
    with workspace() as folder:
        state = Path(shutil.copyfile(state_of(jobs), folder / "batchveo.db"))
        with _served(state) as (port, pid), _written(state):
            first = _ask(port, "/api/choices")
            orders = max(_ask(port, f"/api/jobs?order={order}") for order in ORDERS)
            seconds = {name: median(_ask(port, path) for _ in range(times)) for name, path in _paths(jobs).items()}
            took = Answers(seconds=seconds, first=first, orders=orders, rss=glance(pid).peak_rss)
        chain_jobs(state)
        with _served(state) as (port, _), _written(state):
            _ask(port, "/api/choices")
            chains = {name: median(_ask(port, path) for _ in range(times)) for name, path in _chain_paths(jobs).items()}
    return [*_rows(took, jobs, times), _chain_row(chains, jobs, times)]


def _paths(jobs: int) -> dict[str, str]:
    """The addresses that the page asks for, by what a person does."""

    def cards(**wanted: str | int) -> str:
        return f"/api/jobs?{urlencode({'most': PAGE, **wanted})}"

    job = f"{(jobs // 2) * HASH:020x}"
    return {
        "all jobs": cards(order="manifest"),
        "last added first": cards(order="newest"),
        "deep in all jobs": cards(at=jobs - jobs // 10),
        **{f"by {order}, deep": cards(order=order, at=jobs - jobs // 10) for order in ORDERS},
        "done by cost, deep": cards(state="succeeded", order="cost", at=jobs - jobs // 10),
        "failed": cards(state="failed"),
        "done": cards(state="succeeded"),
        "pending, at the end": cards(state="pending"),
        "a model": cards(model=MODEL),
        "a manifest, last added first": cards(manifest="nights.csv", order="newest"),
        "a split that no job has": cards(split="val"),
        "a common word": cards(q="fox"),
        "a common word, deep": cards(q="fox", at=jobs - jobs // 10),
        "a condition": cards(where=f"seed > {jobs // 2}"),
        "a common word in failed": cards(q="fox", state="failed"),
        "a common word in a state that no job has": cards(q="fox", state="cancelled"),
        "a rare word": cards(q=str(jobs - 2)),
        "two words, one in no job": cards(q="fox zebra"),
        "a word in capitals beyond ASCII": cards(q="ÄRGER"),
        "progress": "/api/progress",
        "progress since some moves": f"/api/progress?since={jobs * 4 - jobs // 10}",
        "progress since the first move": "/api/progress?since=1",
        "failures": "/api/failures",
        "choices": "/api/choices",
        "charts": "/api/charts?night=1",
        "charts of all nights": "/api/charts?night=all",
        "a job with its history": f"/api/jobs/{job}",
    }


def _chain_paths(jobs: int) -> dict[str, str]:
    """The addresses that the page asks for if the jobs are in chains."""
    blocked = f"{8 * HASH:020x}"  # behind the first failed job
    return {
        "all jobs": f"/api/jobs?order=manifest&most={PAGE}",
        "blocked": f"/api/jobs?waits=blocked&order=manifest&most={PAGE}",
        "blocked, by chain": f"/api/jobs?waits=blocked&order=chain&most={PAGE}",
        "a word in blocked": f"/api/jobs?waits=blocked&q=fox&order=manifest&most={PAGE}",
        "a chain": f"/api/jobs?chain={HASH:020x}&order=chain&most={PAGE}",
        "progress": "/api/progress",
        "progress since some moves": f"/api/progress?since={jobs * 4 - jobs // 10}",
        "a job with its strip": f"/api/jobs/{blocked}",
    }


def _chain_row(seconds: Mapping[str, float], jobs: int, times: int) -> Row:
    slowest = max(seconds, key=lambda name: seconds[name])
    listed = ", ".join(f"{name} {1000 * took:.0f}" for name, took in seconds.items())
    return Row(
        name=f"the page at {jobs:,} jobs of chains, slowest answer",
        figure=seconds[slowest],
        unit="s",
        target=at_most(MOST_SECONDS),
        details=f"{slowest}; medians of {times} in ms, while a run writes: {listed}",
    )


@contextmanager
def _served(state: Path) -> Iterator[tuple[int, int]]:
    """The server of the page; yields its port and its process id."""
    said = state.with_name("ui.txt")
    with said.open("wb") as err, started(batchveo("ui", "--state", state, "--port", "0"), stderr=err) as server:
        end = time.monotonic() + LONGEST_SECONDS
        while "http://" not in (text := said.read_text(encoding="utf-8")):
            if server.poll() is not None or time.monotonic() > end:
                raise ProgramFailed(f"the page is not served: {text}")
            time.sleep(0.05)
        yield int(text.partition("http://")[2].split()[0].rpartition(":")[2]), server.pid


@contextmanager
def _written(state: Path) -> Iterator[None]:
    """Moves the pending jobs meanwhile, as a run does, step by step."""
    over = threading.Event()
    writer = threading.Thread(target=_write, args=(state, over))
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join()


def _write(state: Path, over: threading.Event) -> None:
    with Store(state) as store:
        run = store.runs.begin_run(command="resume", service="https://api.aimlapi.com", now=BEGAN + 1)
        store.runs.take_on_all(run)
        now = float(store.connection.db.execute("SELECT max(at) FROM events").fetchone()[0]) + 1
        while (job := store.transitions.claim_job(run=run, now=now)) is not None:
            now += 1
            store.transitions.mark_sent(job, now=now)
            for outcome in (
                Accepted(generation_id=f"new-{job.seq}"),
                Completed(url="https://x/v", cost_usd=1.0),
                Downloaded(folder="/videos", file=f"{job.stem}.mp4", bytes=8, sha256=f"new-{job.seq}"),
            ):
                move = next_state(job, outcome, now=now, jitter=0.0)
                if move is None or over.wait(PAUSE):
                    return
                job = store.transitions.apply_move(job, move, run=run, now=now)


def _ask(port: int, path: str) -> float:
    """Seconds until the whole answer is there."""
    began = time.perf_counter()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST_SECONDS)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    if answer.status != 200:
        raise ProgramFailed(f"{path} is answered with {answer.status}: {body[:500]!r}")
    return time.perf_counter() - began


def _rows(took: Answers, jobs: int, times: int) -> list[Row]:
    slowest = max(took.seconds, key=lambda name: took.seconds[name])
    listed = ", ".join(f"{name} {1000 * seconds:.0f}" for name, seconds in took.seconds.items())
    return [
        Row(
            name=f"the page at {jobs:,} jobs, slowest answer",
            figure=took.seconds[slowest],
            unit="s",
            target=at_most(MOST_SECONDS),
            details=f"{slowest}; medians of {times} in ms, while a run writes: {listed}",
        ),
        Row(
            name=f"the page at {jobs:,} jobs: memory of its server",
            figure=took.rss / 1e6,
            unit="MB",
            target=at_most(MOST_MEGABYTES),
            details="the largest",
        ),
        Row(
            name=f"the page at {jobs:,} jobs: first search",
            figure=took.first,
            unit="s",
            details="right after the start of the server, which makes its index then",
        ),
        Row(
            name=f"the page at {jobs:,} jobs: first use of an order",
            figure=took.orders,
            unit="s",
            details="the slowest one, which makes an index of that order",
        ),
    ]
