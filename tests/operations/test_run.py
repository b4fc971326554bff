"""The same things from Python."""

from __future__ import annotations

import signal
from pathlib import Path

import anyio
import pytest

import batchveo
from batchveo.core.errors import KnownElsewhere
from batchveo.operations.run_setup import Consent
from batchveo.sandbox import Service, Settings, running
from batchveo.sandbox.settings import Retirement, RetirementStatus

MANIFEST = "jobs:\n  - {model: veo2, prompt: A fox, name: 'fox-{index}', repeat: 2}\n"


def test_run_from_a_script_and_from_a_notebook(tmp_path: Path) -> None:
    """Blocking, or awaited; typed results, no printing."""
    manifest = tmp_path / "m.yaml"
    manifest.write_text(MANIFEST)
    service = Service(Settings(generation_median=0.1))
    settings = batchveo.RunSettings(output=tmp_path / "videos", poll_interval=0.05)
    events: list[batchveo.Event] = []
    with running(service) as url:
        using = batchveo.service(base_url=url, key="key")
        result = batchveo.run(
            [manifest], state=tmp_path / "s.db", settings=settings, using=using, reporter=events.append
        )
        assert result.exit_status == 0

        async def notebook() -> batchveo.RunResult:
            return await batchveo.run_async(
                [manifest], state=tmp_path / "s.db", settings=settings, using=using, reporter=events.append
            )

        assert anyio.run(notebook).exit_status == 0
        assert batchveo.resume(state=tmp_path / "s.db", settings=settings, using=using).exit_status == 0
    assert len(service.generations) == 2
    with batchveo.Store(tmp_path / "s.db", writing=False) as store:
        assert [job.name for job in store.jobs(batchveo.JobState.SUCCEEDED)] == ["fox-0", "fox-1"]
        assert all(verdict.problem is None for verdict in batchveo.verify(store))


def test_videos_of_another_state_are_taken_in(tmp_path: Path) -> None:
    """Two states do not know of each other; what stands in their common folder is not bought again."""
    manifest = tmp_path / "m.yaml"
    manifest.write_text(MANIFEST)
    settings = batchveo.RunSettings(output=tmp_path / "videos", poll_interval=0.05)
    events: list[batchveo.Event] = []
    service = Service(Settings(generation_median=0.1))
    with running(service) as url:
        using = batchveo.service(base_url=url, key="key")
        for state in ("s.db", "s.db", "slip.db"):
            consent = Consent(new_state=state == "slip.db")
            batchveo.run(
                [manifest],
                state=tmp_path / state,
                settings=settings,
                using=using,
                reporter=events.append,
                consent=consent,
            )
    told = [event.text for event in events if isinstance(event, batchveo.Message)]
    assert told[-1] == f"imported 2 finished videos found in {tmp_path / 'videos'}; nothing is bought for them"
    assert len(service.generations) == 2


def test_another_state_beside_the_manifest_stops_a_new_one(tmp_path: Path) -> None:
    """A script has nobody to ask; what it raises says what to do."""
    manifest = tmp_path / "m.yaml"
    manifest.write_text(MANIFEST)
    settings = batchveo.RunSettings(output=tmp_path / "videos", poll_interval=0.05)
    with running(Service(Settings(generation_median=0.1))) as url:
        using = batchveo.service(base_url=url, key="key")
        batchveo.run([manifest], state=tmp_path / "s.db", settings=settings, using=using)
        with pytest.raises(KnownElsewhere, match=r"s\.db knows 2 of the 2 jobs"):
            batchveo.run([manifest], state=tmp_path / "slip.db", settings=settings, using=using)
    assert not (tmp_path / "slip.db").exists()


def test_prices_that_no_answer_tells_come_from_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of the run."""
    monkeypatch.setattr("batchveo.provider.responses.parse_usd", lambda value, per=1.0: None)
    manifest = tmp_path / "m.yaml"
    manifest.write_text(MANIFEST)
    settings = batchveo.RunSettings(output=tmp_path / "videos", poll_interval=0.05)
    with running(Service(Settings(generation_median=0.1))) as url:
        using = batchveo.service(base_url=url, key="key")
        assert batchveo.run([manifest], state=tmp_path / "s.db", settings=settings, using=using).exit_status == 0
    with batchveo.Store(tmp_path / "s.db", writing=False) as store:
        assert [job.cost_usd for job in store.jobs()] == [2.275, 2.275]
        assert store.queries.read_committed() == pytest.approx(4.55)


def test_an_interrupted_run_does_not_wait_for_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has five seconds to end; the next run asks."""
    monkeypatch.setattr("batchveo.provider.responses.parse_usd", lambda value, per=1.0: None)
    manifest = tmp_path / "m.yaml"
    manifest.write_text(MANIFEST.replace("repeat: 2", "repeat: 30"))
    settings = batchveo.RunSettings(output=tmp_path / "videos", poll_interval=0.05, concurrency=1)
    service = Service(Settings(generation_median=0.1))

    def interrupt(event: batchveo.Event) -> None:
        if isinstance(event, batchveo.JobStateChanged) and event.job.state is batchveo.JobState.SUCCEEDED:
            signal.raise_signal(signal.SIGTERM)

    with running(service) as url:
        using = batchveo.service(base_url=url, key="key")
        result = batchveo.run([manifest], state=tmp_path / "s.db", settings=settings, using=using, reporter=interrupt)
    assert result.exit_status == 143
    with batchveo.Store(tmp_path / "s.db", writing=False) as store:
        assert store.queries.list_unpriced()
    assert service.calls["transactions"] == 0


def test_a_manifest_with_problems_raises_them_all(tmp_path: Path) -> None:
    """Before a key is asked for, or anything written."""
    manifest = tmp_path / "m.yaml"
    manifest.write_text("jobs:\n  - {model: veo3, prompt: x}\n  - {model: veo2}\n")
    with pytest.raises(batchveo.ManifestError) as caught:
        batchveo.run([manifest], state=tmp_path / "s.db")
    assert [problem.line for problem in caught.value.problems] == [2, 3]
    assert not (tmp_path / "s.db").exists()


def test_a_model_that_ended_is_named_as_such_though_it_has_no_price(tmp_path: Path) -> None:
    """The service lists no price for it, so a budget puts its jobs aside before the service could refuse them."""
    manifest = tmp_path / "m.yaml"
    manifest.write_text(f"{MANIFEST}  - {{model: google/veo3, prompt: A hen, name: hen}}\n")
    retired = {"google/veo3": Retirement(status=RetirementStatus.WITHDRAWN, replaced_by="google/veo-3.1-t2v")}
    settings = batchveo.RunSettings(output=tmp_path / "videos", poll_interval=0.05, budget=50.0)
    service = Service(Settings(generation_median=0.1, retired=retired))
    with running(service) as url:
        using = batchveo.service(base_url=url, key="key")
        result = batchveo.run([manifest], state=tmp_path / "s.db", settings=settings, using=using)
    assert result.exit_status == 3
    assert len(service.generations) == 2
    with batchveo.Store(tmp_path / "s.db", writing=False) as store:
        [hen] = [job for job in store.jobs() if job.name == "hen"]
        assert hen.state is batchveo.JobState.PENDING
        [reason] = store.skipped.count_by_reason()
    assert "google/veo3 was withdrawn" in reason
    assert "retry --model google/veo3 --to google/veo-3.1-t2v" in reason
