"""What is sent."""

from __future__ import annotations

import json

import httpx
import pytest

from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import Accepted
from batchveo.engine.stages.attachments import Attachments
from batchveo.engine.stages.submit import Submitter
from batchveo.provider import ApiClient, ApiKey
from tests.helpers.factories import make_job


async def named_bytes(sha256: str) -> tuple[str, bytes]:
    """An input file that holds its own name."""
    return "image/png", sha256.encode()


async def marked(job: Job) -> None:
    """Nothing is recorded here."""


@pytest.mark.anyio
async def test_the_committed_request_id_goes_along() -> None:
    """The one from the claim, so that the log can be asked for it."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json={"id": "g", "status": "queued"})

    job = make_job(JobState.SUBMITTING, client_request_id="bv.job.1.aa")
    async with ApiClient(ApiKey("k"), base_url="https://x.example", transport=httpx.MockTransport(handler)) as api:
        outcome = await Submitter(api, Attachments(named_bytes), marked).handle(job)
    assert outcome == Accepted(generation_id="g")
    assert seen[0].headers["x-client-request-id"] == "bv.job.1.aa"
    assert json.loads(seen[0].content) == job.request


@pytest.mark.anyio
async def test_an_unclaimed_job_is_not_sent() -> None:
    """No intent, no POST."""
    api = ApiClient(None, base_url="https://x.example", transport=httpx.MockTransport(lambda r: httpx.Response(500)))
    with pytest.raises(ValueError, match="not claimed"):
        await Submitter(api, Attachments(named_bytes), marked).handle(make_job())
