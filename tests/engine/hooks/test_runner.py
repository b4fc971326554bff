"""Hooks beside a run: few at a time, at least once for each video, never in the run's way."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from signal import SIGINT

import anyio
import httpx
import pytest

from batchveo.core.gates import CheckPolicy
from batchveo.core.hooks import Hooks
from batchveo.core.models import JobState
from batchveo.core.notices import HookFailed, HooksAwaited
from batchveo.engine.coordinator import Coordinator
from batchveo.engine.hooks import runner
from batchveo.engine.hooks.program import ProgramError
from batchveo.provider.webhook import Webhook
from batchveo.store.deliveries import DueCount
from tests.helpers.factories import make_spec
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio

HOOKS = Hooks(command=("up", "{name}", "{file}", "{id}"))


@pytest.fixture
async def night(tmp_path: Path) -> Night:
    night = Night(tmp_path)
    night.hooks = HOOKS
    return night


class Programs:
    """Takes the place of real programs; each takes ``seconds``, and fails if its job is among ``failing``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0, failing: Sequence[str] = ()) -> None:
        self.seconds = seconds
        self.failing = set(failing)
        self.called: list[str] = []
        self.done: list[str] = []
        self.rows: list[dict[str, object]] = []
        self.at_once = self.most = 0
        self.on_call: Callable[[], Awaitable[None] | None] = lambda: None
        monkeypatch.setattr(runner, "run_program", self.run)

    async def run(self, arguments: Sequence[str], content: bytes, *, folder: Path | None, **_: object) -> None:
        self.called.append(arguments[1])
        self.rows.append(json.loads(content))
        self.on_call()
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await anyio.sleep(self.seconds)
        finally:
            self.at_once -= 1
        if arguments[1] in self.failing:
            raise ProgramError("exit status 2")
        self.done.append(arguments[1])


def due(night: Night) -> list[DueCount]:
    with night.store() as store:
        return store.deliveries.count_due(run=0)


async def test_each_video_once_with_its_job(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``jobs --json`` prints it; a second run has nothing to do."""
    programs = Programs(monkeypatch)
    await night.run(specs(8))
    assert sorted(programs.done) == [f"job {n}" for n in range(8)]
    by_name = {row["name"]: row for row in programs.rows}
    for job in night.jobs():
        row = by_name[job.name]
        assert (row["id"], row["state"], row["sha256"]) == (job.id, "succeeded", job.sha256)
        assert row["file"] == str(night.folder / "videos" / f"{job.name}.mp4")
    await night.run(None)
    assert len(programs.called) == 8
    assert due(night) == []


async def test_a_slow_hook_holds_up_no_generation(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at a time; the run is as quick as without, and its end waits a minute at most."""
    night.hooks = Hooks()
    plain = await night.run(specs(12), concurrency=4)
    slow = Night(night.folder / "other")
    slow.folder.mkdir()
    slow.hooks = HOOKS
    programs = Programs(monkeypatch, seconds=500.0)
    result = await slow.run(specs(12), concurrency=4)
    finished = [job.finished_at for job in slow.jobs(JobState.SUCCEEDED)]
    assert len(finished) == 12
    assert programs.most == 2
    assert plain.exit_status == result.exit_status == 0
    assert max(filter(None, finished)) - 1_800_000_000 < plain.seconds + 5
    assert result.seconds < plain.seconds + runner.END_SECONDS + 5
    assert [event.seconds for event in slow.events if isinstance(event, HooksAwaited)] == [runner.END_SECONDS]
    assert due(slow) == [("exec", 12, 0)]


async def test_what_was_not_done_is_made_up_for(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a kill as after an end that was too long; what was done is not done again."""
    programs = Programs(monkeypatch, seconds=10.0)
    await night.killed(specs(6), after=200.0, dying=lambda: None)
    done = list(programs.done)
    programs.called.clear()
    programs.seconds = 0.0
    await night.run(None)
    assert sorted({*done, *programs.called}) == [f"job {n}" for n in range(6)]
    assert due(night) == []


async def test_a_death_between_the_hook_and_its_mark_repeats_it(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """At least once: a crash may do it again, and never leaves it out."""
    programs = Programs(monkeypatch, seconds=5.0)
    started = anyio.Event()
    programs.on_call = started.set

    async def die(tasks: anyio.abc.TaskGroup) -> None:
        await started.wait()
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(die, tasks)
        await night.run(specs(1))
    assert (programs.called, programs.done) == (["job 0"], [])
    await night.run(None)
    assert programs.done == ["job 0"]
    assert due(night) == []


async def test_a_failing_hook_is_a_warning_and_no_failure(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few have a line, none is tried again in this run, and the next one tries all."""
    programs = Programs(monkeypatch, failing=[f"job {n}" for n in range(5)])
    result = await night.run(specs(6))
    assert result.exit_status == 0
    warnings = [event for event in night.events if isinstance(event, HookFailed)]
    assert len(warnings) == runner.WARNINGS
    assert warnings[0].text.startswith("--exec failed for job ")
    assert warnings[0].text.endswith(": exit status 2")
    assert warnings[-1].is_last
    assert len(programs.called) == 6
    assert due(night) == [("exec", 5, 0)]
    programs.failing.clear()
    await night.run(None)
    assert sorted(programs.done) == [f"job {n}" for n in range(6)]


async def test_an_error_of_ours_is_no_failure_either(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a hook raises, the run ends as it would."""

    async def broken(arguments: Sequence[str], content: bytes, *, folder: Path | None, **_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(runner, "run_program", broken)
    result = await night.run(specs(2))
    assert (result.exit_status, due(night)) == (0, [("exec", 2, 0)])


async def test_a_signal_ends_the_wait(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C at the end leaves what is running to the next run."""
    programs = Programs(monkeypatch, seconds=500.0)
    coordinators: list[Coordinator] = []
    awaited = anyio.Event()
    make = Coordinator.__init__

    def keep(self: Coordinator, *args: object, **settings: object) -> None:
        make(self, *args, **settings)  # type: ignore[arg-type]
        coordinators.append(self)
        self._bus.subscribe(lambda event: awaited.set() if isinstance(event, HooksAwaited) else None)

    monkeypatch.setattr(Coordinator, "__init__", keep)
    ended: list[float] = []

    async def interrupt() -> None:
        await awaited.wait()
        ended.append(anyio.current_time())
        coordinators[0].interrupt(SIGINT)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(interrupt)
        result = await night.run(specs(3))
    assert anyio.current_time() - ended[0] < 1
    assert result.exit_status == 130
    assert programs.done == []
    assert due(night) == [("exec", 3, 0)]


async def test_a_run_without_hooks_leaves_them_due(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are for a run that asks for them; its own videos are due for nobody."""
    programs = Programs(monkeypatch, failing=["job 0"])
    await night.run(specs(1))
    night.hooks = Hooks()
    await night.run([make_spec("later", model="veo2", request={"model": "veo2", "prompt": "later"})])
    assert due(night) == [("exec", 1, 0)]
    assert programs.called == ["job 0"]


async def test_a_hook_comes_after_the_verdict(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a program can tell accepted clips from others."""
    programs = Programs(monkeypatch)
    policy = CheckPolicy(gates=("black_seconds < 0.5",)).to_json()
    jobs = [
        make_spec(f"job {n}", model="veo2", request={"model": "veo2", "prompt": f"p {n}"}, policy=policy)
        for n in range(3)
    ]
    await night.run(jobs)
    assert {row["verdict"] for row in programs.rows} <= {"accepted", "rejected"}
    assert len(programs.rows) == 3


async def test_webhooks_get_the_same(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most four requests at the same time."""
    bodies: list[dict[str, object]] = []
    at_once = [0, 0]

    async def answer(request: httpx.Request) -> httpx.Response:
        at_once[0] += 1
        at_once[1] = max(at_once)
        await anyio.sleep(8.0)
        at_once[0] -= 1
        bodies.append(json.loads(request.content))
        return httpx.Response(204)

    monkeypatch.setattr(runner, "Webhook", lambda url: Webhook(url, transport=httpx.MockTransport(answer)))
    night.hooks = Hooks(webhook="https://hooks.example/x")
    await night.run(specs(20), concurrency=20, poll_rate=1.0)
    assert sorted(str(body["name"]) for body in bodies) == sorted(f"job {n}" for n in range(20))
    assert at_once[1] == 4
    assert due(night) == []
