"""What is sent."""

from __future__ import annotations

import json
from typing import cast

import httpx
import pytest

from batchveo.core.models import Job, JobState
from batchveo.core.outcomes import Accepted
from batchveo.core.settings import RunSettings
from batchveo.engine.broker import Broker
from batchveo.engine.input_addresses import InputAddresses
from batchveo.engine.key_limits import PerKey
from batchveo.engine.stages.submitter import Submitter
from batchveo.provider import ApiClient, ApiKey
from batchveo.provider.catalog import MODELS
from batchveo.storage.objects import open_objects
from tests.helpers.factories import make_job


class NoFiles:
    """A broker that marks what is sent, for requests without input files."""

    def __init__(self) -> None:
        self.marked: list[Job] = []

    async def mark_sent(self, job: Job) -> None:
        self.marked.append(job)

    async def read_input_file(self, sha256: str) -> tuple[str, bytes]:
        raise LookupError(sha256)


def submitter(api: ApiClient, broker: NoFiles) -> Submitter:
    asked = cast("Broker", broker)
    addresses = InputAddresses(asked, RunSettings(), MODELS, open_objects)
    return Submitter(asked, PerKey({"": api}), addresses, place=lambda job: None)


@pytest.mark.anyio
async def test_the_committed_request_id_goes_along() -> None:
    """The one from the claim, so that the log can be asked for it."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json={"id": "g", "status": "queued"})

    job = make_job(JobState.SUBMITTING, client_request_id="bv.job.1.aa")
    broker = NoFiles()
    async with ApiClient(ApiKey("k"), base_url="https://x.example", transport=httpx.MockTransport(handler)) as api:
        outcome = await submitter(api, broker).handle(job)
    assert outcome == Accepted(generation_id="g")
    assert broker.marked == [job]
    assert seen[0].headers["x-client-request-id"] == "bv.job.1.aa"
    assert json.loads(seen[0].content) == job.request


@pytest.mark.anyio
async def test_an_unclaimed_job_is_not_sent() -> None:
    """No intent, no POST."""
    api = ApiClient(None, base_url="https://x.example", transport=httpx.MockTransport(lambda r: httpx.Response(500)))
    with pytest.raises(ValueError, match="not claimed"):
        await submitter(api, NoFiles()).handle(make_job())
