"""The service's own generation times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from batchveo.core.durations import Expectation
from batchveo.core.settings import RunSettings
from batchveo.operations import run_steps
from batchveo.operations.estimates import METRICS_SECONDS, fetch_durations, read_durations
from batchveo.provider import ApiClient
from batchveo.sandbox import Settings, transport
from tests.helpers.virtual_run import BASE_URL, Night, specs

pytestmark = pytest.mark.anyio


def row(alias: object = "m", **times: object) -> dict[str, Any]:
    usual = {"p50": 90000.0, "p75": 110200, "p90": 132200.0, "p99": 180900.0}
    return {"alias": alias, "metrics": {"duration_ms": {**usual, **times}}}


def test_percentiles_are_read() -> None:
    told = read_durations({"models": [row("a"), row("b", p50=60000)]})
    assert told["a"].median == 90.0
    assert told["a"].sigma == pytest.approx(0.3, rel=0.01)
    assert told["b"].median == 60.0


@pytest.mark.parametrize("value", [None, "90", True, -1, 0, 10**400, float("nan"), float("inf"), [], 200_000.0])
def test_what_cannot_be_a_median_is_left_out(value: object) -> None:
    """And the next model is read all the same."""
    assert list(read_durations({"models": [row("bad", p50=value), row("good")]})) == ["good"]


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"models": None},
        {"models": [None, 1, {}]},
        {"models": [{"alias": "m", "metrics": []}]},
        {"models": [{"alias": "m", "metrics": {"duration_ms": 1}}]},
        {"models": [row(alias=["m"]), row(alias=None)]},
    ],
)
def test_strange_answers_tell_nothing(body: object) -> None:
    assert read_durations(body) == {}


async def asked(handler: Any) -> dict[str, Expectation]:
    async with ApiClient(None, base_url=BASE_URL, transport=httpx.MockTransport(handler)) as api:
        return dict(await fetch_durations(api, ["m"]))


async def test_models_that_were_not_asked_for_are_not_listened_to() -> None:
    told = await asked(lambda request: httpx.Response(200, json={"models": [row("m"), row("other")]}))
    assert list(told) == ["m"]


async def test_no_key_is_sent() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"models": []})

    await asked(handler)
    assert "authorization" not in seen[0].headers
    assert seen[0].url.params.get_list("aliases") == ["m"]


@pytest.mark.parametrize("status", [401, 404, 429, 500])
async def test_a_refusal_is_no_trouble(status: int) -> None:
    assert await asked(lambda request: httpx.Response(status, json={"message": "no"})) == {}


async def test_a_service_that_does_not_answer_holds_no_run() -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        await anyio.sleep(1000)
        return httpx.Response(200, json={})

    begun = anyio.current_time()
    assert await asked(handler) == {}
    assert anyio.current_time() - begun <= METRICS_SECONDS


async def test_the_sandbox_tells_of_the_last_minutes(tmp_path: Path) -> None:
    """Its answer is read as the service's is."""
    night = Night(tmp_path, Settings(generation_median=90.0))
    await night.run(specs(20))
    async with ApiClient(None, base_url=BASE_URL, transport=transport(night.service)) as api:
        told = await fetch_durations(api, ["veo2", "never-made"])
    assert list(told) == ["veo2"]
    assert 60 < told["veo2"].median < 140


async def test_a_run_starts_from_them(tmp_path: Path) -> None:
    """For the models it has to do with; not where polls are not planned."""
    night = Night(tmp_path, Settings(generation_median=90.0))
    await night.run(specs(10))
    async with ApiClient(None, base_url=BASE_URL, transport=transport(night.service)) as api:
        with night.store() as store:
            run = store.runs.begin_run(command="run", service=BASE_URL, now=night.clock.now())
            store.imports.add_jobs(specs(12), run=run, now=night.clock.now())
            models = store.queries.list_pending_models(run)
            known = await run_steps._expect_durations(api, store, models, RunSettings())
            unplanned = await run_steps._expect_durations(api, store, models, RunSettings(poll_interval=5.0))
    assert known.find_expected("veo2") is not None
    assert unplanned.find_expected("veo2") is None
