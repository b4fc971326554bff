"""Requests that are read, answers and refusals."""

from __future__ import annotations

import pytest

from tests.helpers.sandbox_client import SandboxClient


def test_a_refusal_has_the_documented_body(sandbox: SandboxClient) -> None:
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
def test_a_valid_client_request_id_is_echoed(sandbox: SandboxClient, sent: str) -> None:
    """The client's own id comes back, with a refusal as well."""
    for answer in (sandbox.post(headers={"x-client-request-id": sent}), sandbox.get("/nowhere")):
        echoed = answer.headers.get("x-client-request-id")
        assert echoed == (sent if answer.status == 201 else None)
    refused = sandbox.post({"model": "nothing"}, headers={"x-client-request-id": sent})
    assert (refused.status, refused.headers["x-client-request-id"]) == (400, sent)


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a/b", "é", "a\n"])
def test_an_invalid_client_request_id_is_dropped_silently(sandbox: SandboxClient, sent: str) -> None:
    """A value outside the alphabet vanishes, and the request runs all the same."""
    answer = sandbox.post(headers={"x-client-request-id": sent})
    assert answer.status == 201
    assert "x-client-request-id" not in answer.headers
    assert sandbox.service.generations[0].client_request_id is None
