from __future__ import annotations

import pytest

from batchveo.provider.catalog import MODELS
from tests.helpers.sandbox_client import SandboxClient, read_json


def test_every_model_is_listed_once(sandbox: SandboxClient) -> None:
    """Each model of the catalogue is found by its id or an alias."""
    assert len(sandbox.list_models()) == len(MODELS)
    for name in MODELS:
        (entry,) = sandbox.list_models(("id", name))
        assert name in (entry["id"], *entry["aliases"])
        assert entry["type"] == "internal/video-generations/submit"


def test_names_combine(sandbox: SandboxClient) -> None:
    """Ids come with commas or repeated; an unknown one adds nothing."""
    assert len(sandbox.list_models(("id", "veo2,google/veo3"), ("id", "nothing"))) == 2
    assert sandbox.list_models(("type", "openai/chat-completions")) == []


@pytest.mark.parametrize("query", [("include", "pricing,tags"), ("include", "all"), ("details", "1")])
def test_prices_on_request(sandbox: SandboxClient, query: tuple[str, str]) -> None:
    """Pricing is there when asked for, and only then."""
    assert all("pricing" in entry for entry in sandbox.list_models(query))
    assert not any("pricing" in entry for entry in sandbox.list_models())


def test_etag(sandbox: SandboxClient) -> None:
    """Who holds the answer already gets 304 without a body."""
    etag = sandbox.get("/v1/models").headers["etag"]
    assert etag.startswith('W/"')
    for sent in (etag, etag.removeprefix("W/"), f'"other", {etag}'):
        again = sandbox.get("/v1/models", headers={"if-none-match": sent})
        assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    assert sandbox.get("/v1/models", ("id", "veo2"), headers={"if-none-match": etag}).status == 200


def test_metrics_of_recent_successes() -> None:
    """Percentiles come from what completed in the last minutes, under the name it was asked for by."""
    sandbox = SandboxClient()
    assert sandbox.get("/models/metrics").json()["models"] == []
    sandbox.submit()
    sandbox.now += 10
    (entry,) = read_json(sandbox.get("/models/metrics", ("aliases", "google/veo-3.1-t2v-fast")))["models"]
    percentiles = dict.fromkeys(("p50", "p75", "p90", "p99"), 10_000.0)
    assert entry["metrics"] == {"duration_ms": percentiles}
    assert sandbox.get("/models/metrics", ("aliases", "google/veo3")).json()["models"] == []
    sandbox.now += 301
    assert sandbox.get("/models/metrics").json()["models"] == []


@pytest.mark.parametrize("query", [[("alias", "x")], [("aliases", str(n)) for n in range(101)]])
def test_wrong_metrics_queries(sandbox: SandboxClient, query: list[tuple[str, str]]) -> None:
    """Any other parameter, or too many names, is 400."""
    assert sandbox.get("/models/metrics", *query).status == 400


def test_a_document_is_kept_by_its_etag(sandbox: SandboxClient) -> None:
    """By the address that the list gives; who has it gets 304."""
    (entry,) = sandbox.list_models(("id", "veo2"))
    assert entry["id"] == "google/veo-2.0-generate-001"
    query = (("model", entry["id"]), ("endpoint", "internal/video-generations/submit"))
    first = sandbox.get("/docs-json", *query, headers={})
    assert first.headers["cache-control"] == "public, max-age=300"
    post = read_json(first)["paths"]["/v2/video/generations"]["post"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["model", "prompt"]
    assert schema["properties"]["model"] == {"type": "string", "enum": ["veo2"]}
    assert schema["properties"]["duration"]["default"] == "5"
    again = sandbox.get("/docs-json", *query, headers={"if-none-match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ([("model", "nothing"), ("endpoint", "internal/video-generations/submit")], 404),
        ([("model", "veo2"), ("endpoint", "openai/chat-completions")], 404),
        ([("model", "veo2")], 404),
        ([("name", "veo2")], 400),
    ],
)
def test_documents_that_are_not_there(sandbox: SandboxClient, query: list[tuple[str, str]], status: int) -> None:
    assert sandbox.get("/docs-json", *query, headers={}).status == status
