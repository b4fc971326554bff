from __future__ import annotations

import pytest

from tests.helpers.sandbox_client import AUTH, LEGACY, PATH, SandboxClient


@pytest.mark.parametrize("path", [PATH, "/v2/logs", "/v2/billing", "/v2/billing/transactions"])
@pytest.mark.parametrize("header", [{}, {"authorization": "key"}, {"authorization": "Bearer "}])
def test_calls_need_a_key(sandbox: SandboxClient, path: str, header: dict[str, str]) -> None:
    """Without a bearer key the account's calls answer 401 in the documented words."""
    answer = sandbox.get(path, headers=header)
    assert answer.status == 401
    assert str(answer.json()["message"]).startswith("This request requires a valid API key")


@pytest.mark.parametrize("path", ["/v1/models", "/models/metrics"])
def test_the_catalogue_is_open(sandbox: SandboxClient, path: str) -> None:
    """The catalogue calls answer without a key."""
    assert sandbox.get(path, headers={}).status == 200


def test_only_the_right_key_is_accepted_where_one_is_set() -> None:
    """With a key in the settings any other is refused."""
    sandbox = SandboxClient(key="right")
    assert sandbox.get("/v2/billing", headers={"authorization": "Bearer wrong"}).status == 401
    assert sandbox.get("/v2/billing", headers={"authorization": "Bearer right"}).status == 200


def test_calls_are_counted_by_name(sandbox: SandboxClient) -> None:
    """Tests can ask how often each endpoint was called."""
    path = sandbox.finished()
    sandbox.download(path)
    sandbox.get("/nowhere")
    assert sandbox.service.calls == {"submit": 1, "poll": 1, "download": 1, "not-found": 1}


def test_latency_delays_every_answer() -> None:
    """Each answer, a refusal too, takes as long as the settings say."""
    sandbox = SandboxClient(latency=0.25)
    assert {sandbox.post().delivery.delay, sandbox.get("/nowhere").delivery.delay} == {0.25}


def test_every_answer_tells_its_length(sandbox: SandboxClient) -> None:
    """Content-Length is the length of the body."""
    for answer in (sandbox.post(), sandbox.get("/v1/models"), sandbox.get("/nowhere")):
        assert answer.headers["content-length"] == str(len(answer.body))


def test_the_legacy_path_is_a_twin(sandbox: SandboxClient) -> None:
    """Both calls work on the legacy path, and ids are good on either."""
    answer = sandbox.post(path=LEGACY)
    generation_id = str(answer.json()["id"])
    assert generation_id.endswith(":google/veo-3.1-t2v-fast")
    for path in (PATH, LEGACY):
        polled = sandbox.get(path, ("generation_id", generation_id), headers=AUTH)
        assert polled.json()["status"] == "queued"
