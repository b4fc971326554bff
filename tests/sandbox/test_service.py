from __future__ import annotations

import pytest

from tests.helpers.sandbox_client import AUTH, LEGACY, OPENED, PATH, SandboxClient


@pytest.mark.parametrize("path", [PATH, "/v2/logs", "/v2/billing", "/v2/billing/transactions"])
@pytest.mark.parametrize("header", [{}, {"authorization": "key"}, {"authorization": "Bearer "}])
def test_calls_need_a_key(sandbox, path, header):
    """Without a bearer key the account's calls answer 401 in the documented words."""
    answer = sandbox.get(path, headers=header)
    assert answer.status == 401
    assert answer.json()["message"].startswith("This request requires a valid API key")


@pytest.mark.parametrize("path", ["/v1/models", "/models/metrics"])
def test_the_catalogue_is_open(sandbox, path):
    """The catalogue calls answer without a key."""
    assert sandbox.get(path, headers={}).status == 200


def test_only_the_right_key_is_accepted_where_one_is_set():
    """With a key in the settings any other is refused."""
    sandbox = SandboxClient(key="right")
    assert sandbox.get("/v2/billing", headers={"authorization": "Bearer wrong"}).status == 401
    assert sandbox.get("/v2/billing", headers={"authorization": "Bearer right"}).status == 200


def test_a_refusal_has_the_documented_body(sandbox):
    """Message, path, request id, status code and time stand in every error body."""
    body = sandbox.get("/nowhere").json()
    assert body == {
        "message": "Cannot GET /nowhere",
        "path": "/nowhere",
        "requestId": body["requestId"],
        "statusCode": 404,
        "timestamp": "2026-09-21T14:13:20.000Z",
    }


@pytest.mark.parametrize("sent", ["a", "A-z.0:9_", "x" * 128])
def test_a_valid_client_request_id_is_echoed(sandbox, sent):
    """The client's own id comes back, with a refusal as well."""
    for answer in (sandbox.post(headers={"x-client-request-id": sent}), sandbox.get("/nowhere")):
        echoed = answer.headers.get("x-client-request-id")
        assert echoed == (sent if answer.status == 201 else None)
    refused = sandbox.post({"model": "nothing"}, headers={"x-client-request-id": sent})
    assert (refused.status, refused.headers["x-client-request-id"]) == (400, sent)


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a/b", "é", "a\n"])
def test_an_invalid_client_request_id_is_dropped_silently(sandbox, sent):
    """A value outside the alphabet vanishes, and the request runs all the same."""
    answer = sandbox.post(headers={"x-client-request-id": sent})
    assert answer.status == 201
    assert "x-client-request-id" not in answer.headers
    assert sandbox.service.generations[0].client_request_id is None


def test_calls_are_counted_by_name(sandbox):
    """Tests can ask how often each endpoint was called."""
    path = sandbox.finished()
    sandbox.download(path)
    sandbox.get("/nowhere")
    assert sandbox.service.calls == {"submit": 1, "poll": 1, "download": 1, "not-found": 1}


def test_the_same_seed_gives_the_same_answers():
    """Two sandboxes with one seed and one clock cannot be told apart."""
    first, second = (SandboxClient(seed=7, generation_sigma=0.5, faults={"throttle": 0.5}) for _ in range(2))
    assert [first.post() for _ in range(20)] == [second.post() for _ in range(20)]


def test_a_later_sandbox_shares_chance_but_not_ids():
    """The seed decides what happens; ids differ between sandboxes opened at different times."""
    first, second = SandboxClient(faults={"throttle": 0.5}), SandboxClient(now=OPENED + 1, faults={"throttle": 0.5})
    answers = [(first.post(), second.post()) for _ in range(20)]
    assert all(one.status == other.status for one, other in answers)
    taken = {generation.id for sandbox in (first, second) for generation in sandbox.service.generations}
    assert len(taken) == len(first.service.generations) + len(second.service.generations)


def test_latency_delays_every_answer():
    """Each answer, a refusal too, takes as long as the settings say."""
    sandbox = SandboxClient(latency=0.25)
    assert {sandbox.post().delivery.delay, sandbox.get("/nowhere").delivery.delay} == {0.25}


def test_every_answer_tells_its_length(sandbox):
    """Content-Length is the length of the body."""
    for answer in (sandbox.post(), sandbox.get("/v1/models"), sandbox.get("/nowhere")):
        assert answer.headers["content-length"] == str(len(answer.body))


def test_the_legacy_path_is_a_twin(sandbox):
    """Both calls work on the legacy path, and ids are good on either."""
    answer = sandbox.post(path=LEGACY)
    generation_id = answer.json()["id"]
    assert generation_id.endswith(":google/veo-3.1-t2v-fast")
    for path in (PATH, LEGACY):
        polled = sandbox.get(path, ("generation_id", generation_id), headers=AUTH)
        assert polled.json()["status"] == "queued"
