"""What the engine logs: claims, marks, commits and retries, each with its job's id."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from batchveo.provider import ApiKey, NamedKey
from batchveo.sandbox import Settings
from tests.helpers.virtual_run import Night, specs

pytestmark = pytest.mark.anyio
SECRET = "sk-not-for-a-log"


async def test_a_job_can_be_followed_through_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """From its claim to its video, retries included, and without the API key."""
    caplog.set_level(logging.DEBUG, logger="batchveo.engine")
    night = Night(tmp_path, Settings(faults={"throttle": 0.3, "poll-500": 0.3, "cdn-503": 0.3}, seed=1))
    night.key = NamedKey(name="", key=ApiKey(SECRET))
    assert (await night.run(specs(6))).exit_status == 0
    lines = [(record.name.rpartition(".")[2], record.getMessage()) for record in caplog.records]
    for job in night.jobs():
        of = [(name, text) for name, text in lines if text.startswith(f"job {job.id}: ")]
        assert any(name == "admission" and f"request {job.client_request_id}" in text for name, text in of)
        assert any(name == "coordinator" and f"request {job.client_request_id}" in text for name, text in of)
        assert of[-1][0] == "recorder"
        assert "downloading -> succeeded, recorded" in of[-1][1]
    assert {"key_limits", "poller", "downloader"} <= {name for name, _ in lines}
    assert ("recorder", "the writes of one moment are committed") in lines
    assert SECRET not in caplog.text
