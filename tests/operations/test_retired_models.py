"""Which models of a purchase are told as ending, by the feed or by rows that were kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

import anyio
import httpx
import pytest

from batchveo.operations.retired_models import FEED_SECONDS, RetirementFindings, choose_retired, find_retired
from batchveo.provider import ApiClient
from batchveo.provider.catalog import MODELS, Catalog
from batchveo.provider.catalog.file_format import FORMAT
from batchveo.provider.retirement import read_retirements
from tests.helpers.virtual_run import BASE_URL

pytestmark = pytest.mark.anyio
GONE = {"id": "google/veo3", "status": "withdrawn", "shutdown_at": "2026-06-30", "replaced_by": "google/veo-3.1-t2v"}


async def ask(answer: Any, models: Sequence[str], catalog: Catalog = MODELS) -> RetirementFindings:
    """What is found if the service answers with this: rows, a status, or ``None`` for silence."""

    async def handle(_: httpx.Request) -> httpx.Response:
        if answer is None:
            await anyio.sleep(100 * FEED_SECONDS)
        return httpx.Response(answer) if isinstance(answer, int) else httpx.Response(200, json={"data": answer})

    async with ApiClient(None, base_url=BASE_URL, transport=httpx.MockTransport(handle)) as api:
        return await find_retired(api, models, catalog=catalog)


async def test_the_models_at_hand_are_found_and_others_are_not() -> None:
    rows = [GONE, {"id": "veo2", "status": "superseded", "replaced_by": "x"}, {"id": "other", "status": "withdrawn"}]
    found = await ask(rows, ["google/veo-3.1-t2v", "google/veo3", "veo2"])
    assert [each.model for each in found.models] == ["google/veo3"]
    assert found.models[0].format_retry() == "batchveo retry --model google/veo3 --to google/veo-3.1-t2v"
    assert found.notes == []


async def test_a_model_is_found_by_its_own_id_if_a_job_calls_it_otherwise() -> None:
    alias, own = next((name, MODELS[name].id) for name in [a for m in MODELS.values() for a in m.aliases])
    (found,) = choose_retired(read_retirements([{"id": own, "status": "deprecated"}]), [alias])
    assert found.describe(date(2026, 11, 27)) == f"{alias} is deprecated"
    assert found.format_retry() == f"batchveo retry --model {alias} --to NEW"


@pytest.mark.parametrize(("answer", "words"), [(500, "HTTP 500"), (None, "no answer in time"), ("no", "has no rows")])
async def test_without_an_answer_the_rows_that_were_kept_count(answer: Any, words: str) -> None:
    """Without such rows it is a note, and nothing else fails."""
    kept = Catalog(
        lambda: json.dumps({"format": FORMAT, "made": "2026-11-01", "models": {}, "retired": [GONE]}).encode()
    )
    assert [each.model for each in (await ask(answer, ["google/veo3"], kept)).models] == ["google/veo3"]
    found = await ask(answer, ["google/veo3"])
    assert list(found.models) == []
    (note,) = found.notes
    assert note.startswith("no list of retired models now: ")
    assert words in note


async def test_nothing_is_asked_for_no_models() -> None:
    assert await ask(None, []) == RetirementFindings()
